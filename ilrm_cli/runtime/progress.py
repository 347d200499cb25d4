"""Progress and time of a run.

A stage tells what it is doing by calling `report(Step(...))`; only `cli/` draws it.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

# Whether the process was started for one command, whose timings then count from `process_start`.
LAUNCHED: ContextVar[bool] = ContextVar("LAUNCHED", default=False)


@dataclass(frozen=True)
class Step:
    """One advance of one stage."""

    stage: str  # the stage in words for the user: "features", "matching", "inference", ...
    done: int  # units finished
    total: int | None = None  # units in total; None if unknown
    note: str = ""  # a running figure beside the bar, such as "cross 1.2 s, self 0.4 s"
    picture: Callable[[], Any] | None = None  # draws what there is so far, for whom wants to see it; often None


Report = Callable[[Step], None]


def ignore(step: Step) -> None:
    """Do nothing: the report of a caller that shows no progress."""


def in_one_step(stage: str, work: Callable[[], object], report: Report) -> None:
    """Run the work as a stage of its own."""
    report(Step(stage, 0, 1))
    work()
    report(Step(stage, 1, 1))


class Stage(StrEnum):
    """The stages of a reconstruction that are timed, in order; what remains of the total is between and around them."""

    POSES = "poses"
    LOAD = "load"
    COMPILE = "compile"
    SCALE = "scale"
    INFERENCE = "inference"
    TRACE = "trace"
    REFINE = "refine"
    OPTIMIZE = "optimize"
    CONFIDENCE = "confidence"
    SCORE = "score"
    EXPORT = "export"


class Stopwatch:
    """Accumulated wall-clock seconds per stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def add(self, stage: str, seconds: float) -> None:
        self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.add(name, time.perf_counter() - start)


def launched_at() -> float:
    """Return the value of `time.perf_counter` from which a command counts its time; call it first."""
    return process_start() if LAUNCHED.get() else time.perf_counter()


def process_start() -> float:
    """Return the value of `time.perf_counter` at which this process started, to a hundredth of a second.

    Where the system does not tell, the current time is returned.
    """
    import psutil  # takes longer than the help of the tool may, which needs no start time

    now = time.perf_counter()
    try:
        created = psutil.Process().create_time()
        if hasattr(time, "CLOCK_BOOTTIME"):  # Linux, where psutil adds the time of boot in whole seconds
            age_s = time.clock_gettime(time.CLOCK_BOOTTIME) - (created - psutil.boot_time())
        else:
            age_s = time.time() - created
    except (psutil.Error, OSError, RuntimeError):
        return now
    return now - max(age_s, 0.0)
