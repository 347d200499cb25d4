"""A clock that advances only when work says so, so that timings by it are known exactly."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest

from ilrm_cli.bench import timing


class Clock:
    """Stand-in for the clock of `bench.timing`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch):
        self.now_s = 0.0
        monkeypatch.setattr(timing, "time", SimpleNamespace(perf_counter=lambda: self.now_s))

    def work(self, *taken_s: float) -> Callable[[], None]:
        """Return work that takes `taken_s` seconds, one value per call; the last one repeats."""
        left = list(taken_s)

        def run() -> None:
            self.now_s += left.pop(0) if len(left) > 1 else left[0]

        return run
