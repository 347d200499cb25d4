"""Output files appear whole or not at all: they are written under a hidden name beside the target and then renamed."""

import contextlib
import errno
import glob
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from ilrm_cli.errors import InputError
from ilrm_cli.scratch import has_ended, this_process

# Failures of the disk that the user can mend; any other OSError keeps its traceback.
DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS}
NAME_MAX = 255  # characters of a name on Windows, which tells it in no other way
PART_ROOM = 100  # bytes by which the hidden name is longer: host, process and a suffix
STALE_S = 600  # no file of ours is under way for so long without a byte being added


def refuse_existing(path: Path, overwrite: bool) -> None:
    """Raise `InputError` where the output is there already and may not be replaced."""
    if path.exists() and not overwrite:
        raise InputError(f"{path} exists; pass -w to overwrite it.")


def check_output(path: Path, overwrite: bool) -> None:
    """Raise `InputError` where a file cannot be put at `path`; called before the long work begins."""
    folder = path.parent
    if not folder.is_dir():
        raise InputError(f"the folder {folder} of the output {path.name} does not exist; create it first.")
    if path.is_dir():
        raise InputError(f"the output {path} is a folder; name a file.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"the folder {folder} is not writable; choose another place for {path.name}.")
    refuse_existing(path, overwrite)
    longest = os.pathconf(folder, "PC_NAME_MAX") if hasattr(os, "pathconf") else NAME_MAX
    if len(os.fsencode(path.name)) + PART_ROOM > longest:
        raise InputError(f"the name of the output {path.name} is too long for its folder; choose a shorter one.")


def atomic_write(path: Path, data: bytes) -> None:
    """Write a file in one step: readers see the old content or the new one, never a part."""
    with replacing(path) as part:
        part.write_bytes(data)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path in the same folder and with the same suffix, to write to; renamed to `path` if the block succeeds.

    When the block fails, whatever was written is removed and `path` stays as it was.
    """
    if not path.parent.is_dir():
        raise InputError(f"the folder {path.parent} of the output {path.name} does not exist; create it first.")
    part = path.with_name(f".{path.stem}.{this_process()}.part{path.suffix}")
    try:
        with _disk_errors_named(path):
            yield part
            os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def remove_leftovers(path: Path) -> None:
    """Remove what writers of `path` that were killed left beside it; what is being written now stays.

    Left over are files of processes of this machine that have ended, and files to which nothing was added for STALE_S.
    """
    before, after = f".{path.stem}.", f".part{path.suffix}"
    for part in path.parent.glob(f"{glob.escape(before)}*{glob.escape(after)}"):
        ended = has_ended(part.name.removeprefix(before).removesuffix(after))
        with contextlib.suppress(FileNotFoundError):  # its writer has finished meanwhile
            if ended or time.time() - part.stat().st_mtime > STALE_S:
                part.unlink()


@contextlib.contextmanager
def filling(folder: Path) -> Iterator[Path]:
    """A new hidden folder to write files in; if the block succeeds they are moved into `folder`, one by one.

    `folder` is created where it is missing (its parent must exist); files of the same names are replaced, others stay.
    When the block fails, nothing is moved.
    """
    if not folder.parent.is_dir():
        raise InputError(f"the folder {folder.parent} of the output {folder.name} does not exist; create it first.")
    inside = folder if folder.is_dir() else folder.parent
    part = inside / f".{folder.name}.{this_process()}.part"
    try:
        with _disk_errors_named(folder):
            _new_folder(part)
            yield part
            folder.mkdir(exist_ok=True)
            for written in sorted(part.iterdir()):
                os.replace(written, folder / written.name)
    finally:
        shutil.rmtree(part, ignore_errors=True)


@contextlib.contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """A new hidden folder beside `folder`, which takes its place as a whole if the block succeeds.

    A folder that is there already is moved aside first and removed at the end. When the block fails, it stays.
    """
    folder = folder.absolute()
    part = folder.with_name(f".{folder.name}.{this_process()}.part")
    old = folder.with_name(f".{folder.name}.{this_process()}.old")
    try:
        with _disk_errors_named(folder):
            _new_folder(part)
            yield part
            if folder.exists():
                shutil.rmtree(old, ignore_errors=True)
                os.replace(folder, old)
            os.replace(part, folder)
    finally:
        if old.exists() and not folder.exists():
            os.replace(old, folder)
        shutil.rmtree(old, ignore_errors=True)
        shutil.rmtree(part, ignore_errors=True)


def _new_folder(part: Path) -> None:
    """An empty folder where a process of the same number, as in containers that start again, may have been killed."""
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()


@contextlib.contextmanager
def _disk_errors_named(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in DISK_ERRORS:
            raise InputError(f"cannot write {path}: {error.strerror}.") from error
        raise
