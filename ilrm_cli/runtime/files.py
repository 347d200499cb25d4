"""Output files, temporary folders, and texts.

Output files and folders appear whole or not at all: they are written under a hidden name beside the target and then
renamed. Temporary folders are removed when their work ends; leftovers of killed processes are removed at the next
start.
"""

import codecs
import contextlib
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import psutil

from ilrm_cli.runtime.errors import DISK_ERRORS, InputError

NAME_MAX = 255  # characters of a name on Windows, which has no pathconf

PREFIX = ".ilrm-"
# Age at which a folder of another machine, whose processes are invisible here, counts as left over.
STALE_FOLDER_S = 24 * 3600

# What a command has put in its place so far, for what is said if it is stopped; part of it may be gone again.
_placed = list[Path]()


def nothing_placed() -> None:
    """Begin to count anew what is put in its place."""
    _placed.clear()


def placed() -> tuple[Path, ...]:
    """Return the files and folders that were put in their places and are there, those of the cache among them."""
    return tuple(path for path in dict.fromkeys(_placed) if path.exists())


def refuse_link(path: Path) -> None:
    """Raise `InputError` if a link is in the output's place: its target may be somebody's input."""
    if path.is_symlink():
        raise InputError(f"{path} is a link; name the file or folder that it leads to, or remove the link.")


def refuse_existing(path: Path, overwrite: bool) -> None:
    """Raise `InputError` if the output exists and may not be replaced."""
    refuse_link(path)
    if path.exists() and not overwrite:
        raise InputError(f"{path} exists; pass -w to overwrite it.")


def check_own_folder(folder: Path, overwrite: bool, *, marker: str, ours: Callable[[str], bool], what: str) -> None:
    """Raise `InputError`, before the long work begins, for a folder that cannot be written or has content not ours.

    An empty one may be written, and on request one with an entry `marker` whose entries are all `ours` by name.
    """
    check_folder_of(folder)
    refuse_link(folder)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"the output {folder} is a file; name a folder.")
    held = {path.name for path in folder.iterdir()} if folder.exists() else set()
    if held and not (marker in held and all(map(ours, held))):
        raise InputError(f"{folder} holds more than {what}; choose another --output.")
    refuse_existing(folder, overwrite or not held)


def check_output(path: Path, overwrite: bool) -> None:
    """Raise `InputError` if a file cannot be written to `path`; called before the long work begins."""
    folder = check_folder_of(path)
    longest = os.pathconf(folder, "PC_NAME_MAX") if hasattr(os, "pathconf") else NAME_MAX
    if len(os.fsencode(path.name)) > longest:
        raise InputError(f"the name of the output {path.name} is too long for its folder; choose a shorter one.")
    if path.is_dir() and not path.is_symlink():
        raise InputError(f"the output {path} is a folder; name a file.")
    refuse_existing(path, overwrite)


def check_folder_of(output: Path) -> Path:
    """Return the folder of an output, or the nearest above it that exists: what is missing is made when it is written.

    Raises `InputError` if nothing can be written there.
    """
    folder = next((place for place in output.absolute().parents if os.path.lexists(place)), None)
    if folder is None:
        raise InputError(f"{output} is the root of all folders; name a place below it.")
    if not folder.is_dir():
        raise InputError(f"{folder}, where {output.name} would be written, is not a folder; choose another place.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"the folder {folder} is not writable; choose another place for {output.name}.")
    return folder


def atomic_write(path: Path, data: bytes) -> None:
    """Write a file in one step: readers see the old content or the new one, never a part."""
    with replacing(path) as part:
        part.write_bytes(data)


def atomic_write_all(files: Mapping[Path, bytes]) -> None:
    """Write files that belong together, as `atomic_write` does each; the first is put in its place when all others are.

    If one cannot be written to the disk, none of them is put in its place.
    """
    with contextlib.ExitStack() as parts:
        for path, data in files.items():
            parts.enter_context(replacing(path)).write_bytes(data)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path of the same name on the same disk to write to; rename it to `path` if the block succeeds.

    If the block fails, whatever was written is removed and `path` stays unchanged.
    """
    refuse_link(path)
    with _hidden_folder(path, path.parent) as hidden:
        yield hidden / path.name
        os.replace(hidden / path.name, path)
        _placed.append(path)


@contextlib.contextmanager
def replacing_pair(first: Path, last: Path) -> Iterator[tuple[Path, Path]]:
    """Yield paths as `replacing` does for two files of one folder; `last` is never there without its own `first`.

    If the process is killed, `first` may be there alone. After any other failure both are as they were.
    """
    for path in (first, last):
        refuse_link(path)
    with _hidden_folder(last, last.parent) as hidden:
        yield hidden / first.name, hidden / last.name
        aside = {path: hidden / f"older {path.name}" for path in (last, first) if path.exists()}
        try:
            for path, place in aside.items():
                os.replace(path, place)
            for path in (first, last):
                os.replace(hidden / path.name, path)
        except BaseException:
            for path in (last, first):
                if path not in aside or aside[path].exists():  # it is new, if it is there
                    path.unlink(missing_ok=True)
            for path in (first, last):
                if path in aside and aside[path].exists():
                    os.replace(aside[path], path)
            raise
        _placed.append(last)


@contextlib.contextmanager
def filling(folder: Path) -> Iterator[Path]:
    """Yield a new hidden folder to write files in; if the block succeeds, move them into `folder`, one by one.

    `folder` is created if missing, and so are folders in it; files of the same names are replaced, others stay. If the
    block fails, nothing is moved.
    """
    if folder.is_dir():
        sweep(folder.parent)  # where one that was killed as it made the folder has left its own
    with _hidden_folder(folder, folder if folder.is_dir() else folder.parent) as hidden:
        yield hidden
        written = sorted(path.relative_to(hidden) for path in hidden.rglob("*") if not path.is_dir())
        for file in written:
            refuse_link(folder / file)
        folder.mkdir(exist_ok=True)
        for file in written:
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            os.replace(hidden / file, folder / file)
            _placed.append(folder)


@contextlib.contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """Yield a new hidden folder beside `folder`, which replaces it as a whole if the block succeeds.

    An existing folder is moved aside first and removed at the end. If the block fails, it stays.
    """
    folder = folder.absolute()
    refuse_link(folder)
    with _hidden_folder(folder, folder.parent) as hidden:
        new, old = hidden / "new", hidden / "old"
        new.mkdir()
        yield new
        try:
            if folder.exists():
                os.replace(folder, old)
            os.replace(new, folder)
            _placed.append(folder)
        finally:
            if old.exists() and not folder.exists():
                os.replace(old, folder)


@contextlib.contextmanager
def _hidden_folder(output: Path, place: Path) -> Iterator[Path]:
    """Yield a scratch folder in a place, which is made if missing; disk failures become errors that name the output."""
    check_folder_of(place / output.name)
    try:
        with _made(place), scratch_folder(place) as hidden:
            yield hidden
    except OSError as error:
        if error.errno in DISK_ERRORS:
            raise InputError(f"cannot write {output}: {error.strerror}.") from error
        raise


@contextlib.contextmanager
def _made(place: Path) -> Iterator[None]:
    """Make a folder, and those above it that are missing; if the block fails, remove what was made and is empty."""
    missing = [folder for folder in (place, *place.parents) if not folder.exists()]
    place.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        for folder in missing:
            with contextlib.suppress(OSError):  # something else was put there meanwhile
                folder.rmdir()
        raise


@contextlib.contextmanager
def scratch_folder(place: Path | None = None) -> Iterator[Path]:
    """Yield a new empty folder in `place`, by default in the system's temporary folder (see TMPDIR).

    The caller may move it away. Raises OSError if it cannot be created.
    """
    within = Path(tempfile.gettempdir()) if place is None else place
    sweep(within)
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{this_process()}.", dir=within))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep(place: Path) -> None:
    """Remove the scratch folders of ended processes, except those of other users, which cannot be removed."""
    for folder in place.glob(f"{PREFIX}*"):
        process, _, _ = folder.name.removeprefix(PREFIX).rpartition(".")
        with contextlib.suppress(OSError):  # its process has just ended and removed it
            if has_ended(process) or (not _is_here(process) and time.time() - folder.stat().st_mtime > STALE_FOLDER_S):
                shutil.rmtree(folder, ignore_errors=True)


def this_process() -> str:
    """Return a name of this process that is unique among machines sharing the file system."""
    return f"{socket.gethostname()}.{os.getpid()}"


def has_ended(process: str) -> bool:
    """Return whether the name is that of a process of this machine that no longer runs."""
    process_id = process.rpartition(".")[2]
    return _is_here(process) and not psutil.pid_exists(int(process_id))


def _is_here(process: str) -> bool:
    """Return whether the name is that of a process of this machine."""
    host, _, process_id = process.rpartition(".")
    return host == socket.gethostname() and process_id.isdecimal()


def read_text(path: Path) -> str:
    """Return a text as other tools write it; raises OSError. See `decoded_text`."""
    return decoded_text(path.read_bytes())


def decoded_text(content: bytes) -> str:
    """Decode UTF-8 or UTF-16 with a byte order mark or UTF-8 without, else Latin-1; lines end with a line feed alone.

    Latin-1 is what old tools on Windows write; it gives any bytes a meaning, so this never fails.
    """
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        text = content.decode("utf-16", errors="replace")
    else:
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = content.decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n")
