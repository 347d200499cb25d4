"""Folders that one process at a time works in."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from ilrm_cli.runtime.errors import InputError

try:
    import fcntl
except ImportError:  # Windows has none
    fcntl = None  # type: ignore[assignment]


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Hold a folder; raise `InputError` if another process holds it.

    Nothing is written: the system lets go of the folder when the process ends, however it ends. Where folders cannot be
    held, as on Windows and on some network disks, nothing is refused.
    """
    if fcntl is None:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"another run is at work in {folder}; let it end first, or choose another folder."
            ) from None
        except OSError:  # this disk holds nothing
            pass
        yield
    finally:
        os.close(handle)
