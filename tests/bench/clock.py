"""A clock that goes on only when work says so: what is timed by it is known exactly."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest

from ilrm_cli.bench import timing


class Clock:
    """In the place of the clock of `bench.timing`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch):
        self.now_s = 0.0
        monkeypatch.setattr(timing, "time", SimpleNamespace(perf_counter=lambda: self.now_s))

    def work(self, *taken_s: float) -> Callable[[], None]:
        """Work that takes so many seconds at each call; the last of them from then on."""
        left = list(taken_s)

        def run() -> None:
            self.now_s += left.pop(0) if len(left) > 1 else left[0]

        return run
