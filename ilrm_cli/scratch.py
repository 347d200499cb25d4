"""Temporary folders, removed on exit; leftovers of killed processes are removed at the next start."""

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
STALE_S = 24 * 3600  # age at which a folder of another machine, whose processes are invisible here, counts as left over


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
            if has_ended(process) or time.time() - folder.stat().st_mtime > STALE_S:
                shutil.rmtree(folder, ignore_errors=True)


def this_process() -> str:
    """Return a name of this process that is unique among machines sharing the file system."""
    return f"{socket.gethostname()}.{os.getpid()}"


def has_ended(process: str) -> bool:
    """Return whether the name is that of a process of this machine that no longer runs."""
    host, _, process_id = process.rpartition(".")
    return host == socket.gethostname() and process_id.isdecimal() and not psutil.pid_exists(int(process_id))
