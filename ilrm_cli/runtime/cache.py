"""The cache folder of this user, and the SHA-256 of files that name its entries."""

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Generic, TypeVar

import platformdirs

from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.files import scratch_folder, sweep
from ilrm_cli.runtime.json_values import read_json

KERNEL_FILES = (
    "geometry/harmonics.py",
    "runtime/kernels.py",
    "models/layers/*_cpu.py",
    "render/cpu/*.py",
    "render/fusion.py",
    "render/mesh_pictures.py",
    "data/synthetic/**/*.py",
)  # of this package: files that numba compiles, in part or whole

REMEMBERED = 10_000  # hashes of inputs; a megabyte or two
DAMAGED = (OSError, ValueError, LookupError, TypeError, RecursionError, InputError)  # what readers of an entry raise

SUMS = "sums.json"  # in each entry: the SHA-256 of its other files

Content = TypeVar("Content")


def cache_dir() -> Path:
    """Return the cache folder of this user, or the one named by the environment variable ILRM_CACHE."""
    named = os.environ.get("ILRM_CACHE")
    return Path(named) if named else platformdirs.user_cache_path("ilrm")


@dataclass(frozen=True)
class Entry(Generic[Content]):
    """A folder in the cache with files that can be made again."""

    folder: Path
    reader: Callable[[Path], Content]  # returns the content of the folder, or raises one of DAMAGED

    def read(self) -> Content | None:
        """Return the content; None if the entry is absent or damaged."""
        try:
            if read_json(self.folder / SUMS) != _sums_in(self.folder):
                return None
            return self.reader(self.folder)
        except DAMAGED:
            return None

    @contextlib.contextmanager
    def filling(self) -> Iterator[Path]:
        """Yield an empty folder, which becomes the entry as a whole if the block succeeds.

        A damaged entry is replaced; one that another process has made meanwhile stays, for it is the same. Raises
        OSError if the cache cannot be written.
        """
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with scratch_folder(self.folder.parent) as new:
            yield new
            (new / SUMS).write_text(json.dumps(_sums_in(new)), encoding="utf-8")
            if self.read() is not None:
                return
            shutil.rmtree(self.folder, ignore_errors=True)
            try:
                os.replace(new, self.folder)
            except OSError:
                if self.read() is None:
                    raise


def _sums_in(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of all files in an entry's folder but SUMS."""
    return {file.name: sha256_of(file) for file in sorted(folder.iterdir()) if file.name != SUMS}


def entry(kind: str, key: Sequence[object], reader: Callable[[Path], Content]) -> Entry[Content]:
    """Return the entry of all that depends on the key alone, which holds JSON values."""
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
    return Entry(cache_dir() / kind / digest, reader)


def sweep_places() -> None:
    """Remove what killed processes left in the temporary folder and in the cache."""
    with contextlib.suppress(OSError):
        for place in (Path(tempfile.gettempdir()), *cache_dir().glob("*")):
            sweep(place)


def keep_numba_kernels() -> None:
    """Let numba store its compiled kernels in our cache folder; to be called before numba is first imported.

    Numba only notices changes of the file that contains a kernel, not of kernels it calls from other files, so the
    folder is named after the content of all files with kernels. A NUMBA_CACHE_DIR set by the user is kept.
    """
    package = Path(__file__).parents[1]
    sources = [path for pattern in KERNEL_FILES for path in sorted(package.glob(pattern))]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]
    os.environ.setdefault("NUMBA_CACHE_DIR", str(cache_dir() / "numba" / digest))


def keep_compiled_layers() -> None:
    """Let PyTorch store what it compiles in our cache folder, if writable; to be called before it compiles.

    It notices changes of sources, versions and instructions itself. A TORCHINDUCTOR_CACHE_DIR set by the user is kept.
    """
    if "TORCHINDUCTOR_CACHE_DIR" in os.environ:
        return
    folder = cache_dir() / "inductor"
    with contextlib.suppress(OSError):  # it then uses a temporary folder
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(folder)


def sha256_of(path: Path) -> str:
    """Return the file's SHA-256 in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def state_of(path: Path) -> tuple[int, ...]:
    """Return what changes whenever the content of a file does: its identity, size and times."""
    stat = path.stat()
    return stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def input_sha256(path: Path) -> str:
    """Return the SHA-256 of a photo or other input, cached since several stages ask for it.

    A process reads the file again only if its size or a modification time indicates a change.
    """
    return _remembered(path, *state_of(path))


@lru_cache(REMEMBERED)
def _remembered(path: Path, *state: int) -> str:
    return sha256_of(path)
