"""The cache folder of this user, and the SHA-256 of files that name its entries."""

import contextlib
import hashlib
import os
from functools import lru_cache
from pathlib import Path

import platformdirs

KERNEL_FILES = (
    "geometry/harmonics.py",
    "runtime/kernels.py",
    "models/layers/*_cpu.py",
    "render/cpu/*.py",
    "data/synthetic/**/*.py",
)  # of this package: files that numba compiles, in part or whole

REMEMBERED = 10_000  # hashes of inputs; a megabyte or two


def cache_dir() -> Path:
    """Return the cache folder of this user, or the one named by the environment variable ILRM_CACHE."""
    named = os.environ.get("ILRM_CACHE")
    return Path(named) if named else platformdirs.user_cache_path("ilrm")


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


def input_sha256(path: Path) -> str:
    """Return the SHA-256 of a photo or other input, cached since several stages ask for it.

    A process reads the file again only if its size or a modification time indicates a change.
    """
    stat = path.stat()
    return _remembered(path, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


@lru_cache(REMEMBERED)
def _remembered(path: Path, *state: int) -> str:
    return sha256_of(path)
