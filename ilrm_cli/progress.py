"""How a stage tells what it is doing: it calls `report(Step(...))`; only `cli/` draws."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """One advance of one stage."""

    stage: str  # what is running, in the words shown to the user: "features", "matching", "inference", ...
    done: int  # units finished so far
    total: int | None = None  # units in all; None while unknown
    note: str = ""  # a running figure to show beside the bar, such as "cross 1.2 s, self 0.4 s"


Report = Callable[[Step], None]


def ignore(step: Step) -> None:
    """The report of a caller who does not care."""


def in_one_step(stage: str, work: Callable[[], object], report: Report) -> None:
    """Do the work as a stage of its own."""
    report(Step(stage, 0, 1))
    work()
    report(Step(stage, 1, 1))
