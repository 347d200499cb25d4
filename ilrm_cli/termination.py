"""SIGTERM, by which systems and clusters end a process, does what Ctrl-C does, whatever is imported."""

import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

PEACE_S = 5.0  # after a signal: schedulers send several, and what cleans up is left in peace


class Sigterm:
    """The handler: raises KeyboardInterrupt, but not while the one before may still be at work.

    It stays in place, so that a later signal ends a process in which the first was swallowed, as `__del__` and
    callbacks of libraries do.
    """

    def __init__(self) -> None:
        self.came, self._silent_until_s = False, -math.inf

    def __call__(self, *_: object) -> None:
        self.came = True
        if time.monotonic() >= self._silent_until_s:
            self.silence()
            raise KeyboardInterrupt

    def silence(self) -> None:
        """Raise nothing for PEACE_S seconds: the command is ending."""
        self._silent_until_s = time.monotonic() + PEACE_S


@contextmanager
def sigterm_raised() -> Iterator[Sigterm]:
    """Within, SIGTERM raises KeyboardInterrupt. Only the main thread can see to it, as Python has it."""
    handler = Sigterm()
    with sigterm_kept():
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)
        yield handler


@contextmanager
def sigterm_kept() -> Iterator[None]:
    """Whatever sets a handler for SIGTERM within, the former one is back afterwards.

    Only the main thread can see to it, as Python has it: elsewhere the library's stays.
    """
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if before is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)
