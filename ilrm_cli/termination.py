"""SIGTERM, by which systems and clusters end a process, stays ours whatever is imported."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def sigterm_kept() -> Iterator[None]:
    """A library that is imported within may put a handler of SIGTERM in place; afterwards the one of before is back.

    Only the main thread can see to it, as Python has it: elsewhere the library's stays.
    """
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if before is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)
