"""Signals that end a process: SIGTERM and SIGHUP handled like Ctrl-C; Ctrl-C where work can end early."""

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

ENDING = (signal.SIGINT, signal.SIGTERM, *((signal.SIGHUP,) if hasattr(signal, "SIGHUP") else ()))
HOLDS_SIGNALS = hasattr(signal, "pthread_sigmask")  # not available on Windows
PEACE_S = 5.0  # after a signal: schedulers send several, and cleanup must not be interrupted


class Sigterm:
    """A signal handler that raises KeyboardInterrupt, but not while the previous one may still be handled.

    It stays installed, so that a later signal ends a process in which the first was swallowed, as happens in `__del__`
    and in callbacks of libraries.
    """

    def __init__(self) -> None:
        self.came: int | None = None  # number of the signal
        self.too_late: int | None = None  # of one that came when the work was done
        self._done = False
        self._silent_until_s = -math.inf

    def __call__(self, number: int, *_: object) -> None:
        if self._done:
            self.too_late = number
            return
        self.came = number
        if time.monotonic() >= self._silent_until_s:
            self.silence()
            raise KeyboardInterrupt

    def interrupt(self, number: int, *_: object) -> None:
        """Raise KeyboardInterrupt at each Ctrl-C; it is known here if a library makes another error of it."""
        self.came = number
        raise KeyboardInterrupt

    def work_is_done(self) -> None:
        """Raise nothing any more."""
        self._done = True

    def silence(self) -> None:
        """Raise nothing for PEACE_S seconds: the command is ending."""
        self._silent_until_s = time.monotonic() + PEACE_S


@contextmanager
def sigterm_raised() -> Iterator[Sigterm]:
    """Raise KeyboardInterrupt on SIGTERM, and SIGHUP of a closed terminal, within the context.

    Ctrl-C raises it too, as is usual in Python. Python allows this in the main thread only. Signals that are ignored,
    as after `nohup` and in the background of a shell, stay so.
    """
    handler = Sigterm()
    wanted: dict[int, Any] = {number: handler.interrupt if number == signal.SIGINT else handler for number in ENDING}
    before = {number: signal.getsignal(number) for number in ENDING}
    here = threading.current_thread() is threading.main_thread()
    try:
        for number, one in wanted.items():
            if here and (number == signal.SIGTERM or before[number] not in (None, signal.SIG_IGN)):
                signal.signal(number, one)
        yield handler
    finally:
        for number, one in before.items():
            if here and one is not None:
                signal.signal(number, one)


@contextmanager
def first_ctrl_c_noted(tell: Callable[[], None] = lambda: None) -> Iterator[threading.Event]:
    """Yield an event that the first Ctrl-C within the context sets, instead of its usual effect; the next one has that.

    `tell` is called at once, in a thread of its own, since a handler may not print into what it has interrupted. Where
    Ctrl-C is ignored, as by work in the background of a shell, and outside the main thread, it is never set.
    """
    noted, usual = threading.Event(), signal.getsignal(signal.SIGINT)
    if usual in (None, signal.SIG_IGN) or threading.current_thread() is not threading.main_thread():
        yield noted
        return

    def note(*_: object) -> None:
        noted.set()
        signal.signal(signal.SIGINT, usual)
        threading.Thread(target=tell, daemon=True).start()

    signal.signal(signal.SIGINT, note)
    try:
        yield noted
    finally:
        signal.signal(signal.SIGINT, usual)


@contextmanager
def signals_held(*numbers: int) -> Iterator[None]:
    """Block signals: here until the context ends, in processes started within it until they unblock them.

    They are held in this thread; another thread that does not hold them may be given them.
    """
    if not HOLDS_SIGNALS:
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def sigterm_kept() -> Iterator[None]:
    """Restore the handler of SIGTERM at the end of the context, whatever replaced it within.

    Python allows this in the main thread only: elsewhere the library's handler stays.
    """
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if before is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)
