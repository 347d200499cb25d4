"""Folders for the time of a work, removed at its end; what killed processes left behind goes at the next start."""

import contextlib
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

PREFIX = ".ilrm-"
STALE_S = 24 * 3600  # after which a folder of another machine, whose processes we do not see, is left over


@contextlib.contextmanager
def scratch_folder(place: Path | None = None) -> Iterator[Path]:
    """A new empty folder in `place`, by default the system's folder for temporary files, which TMPDIR names.

    The user may move it away before the end. Raises OSError if it cannot be made.
    """
    within = Path(tempfile.gettempdir()) if place is None else place
    sweep(within)
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{this_process()}.", dir=within))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep(place: Path) -> None:
    """Remove the scratch folders of processes that have ended; those of other users cannot be and stay."""
    for folder in place.glob(f"{PREFIX}*"):
        process, _, _ = folder.name.removeprefix(PREFIX).rpartition(".")
        with contextlib.suppress(OSError):  # its process has just ended and removed it
            if has_ended(process) or time.time() - folder.stat().st_mtime > STALE_S:
                shutil.rmtree(folder, ignore_errors=True)


def this_process() -> str:
    """This process, told apart from those of other machines that share the file system."""
    return f"{socket.gethostname()}.{os.getpid()}"


def has_ended(process: str) -> bool:
    """Whether what called itself so was a process of this machine and is gone."""
    host, _, process_id = process.rpartition(".")
    return host == socket.gethostname() and process_id.isdecimal() and not psutil.pid_exists(int(process_id))
