"""Progress reports of stages by calling `report(Step(...))`; only `cli/` draws."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """One advance of one stage."""

    stage: str  # the stage in words for the user: "features", "matching", "inference", ...
    done: int  # units finished
    total: int | None = None  # units in total; None if unknown
    note: str = ""  # a running figure beside the bar, such as "cross 1.2 s, self 0.4 s"


Report = Callable[[Step], None]


def ignore(step: Step) -> None:
    """Do nothing: the report of a caller that shows no progress."""


def in_one_step(stage: str, work: Callable[[], object], report: Report) -> None:
    """Run the work as a stage of its own."""
    report(Step(stage, 0, 1))
    work()
    report(Step(stage, 1, 1))
