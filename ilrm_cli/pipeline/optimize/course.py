"""The course of a fit: what ends it, and how many steps a time is enough for."""

import math
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from threading import Event
from typing import Literal, Protocol, runtime_checkable

from ilrm_cli.pipeline.optimize.fit import COARSE_SHARE

REHEARSED = 6  # steps of either size that are timed to plan a fit, after one that is not
# A step of the whole fit against its first ones, as there are more Gaussians later (fox, standard: 1.2). What is wrong
# with it is planned anew as the fit goes.
SLOWER = 1.2
PLANNED_SHARE = 0.97  # of the time that is left; the rest is for steps that turn out to take longer

# Steps of the last stretch, in which the judges are fitted as well, over those that led to the best state. Photos that
# had no part in it gained 1.2 dB on apple (12 photos), 0.4 on room and on fox (30), 0.2 on toy.
LAST_SHARE = 0.3

Ending = Literal["steps", "no gain", "time", "stopped"]  # why a fit ended
# At what a fit began: the prediction, sparse points in its place, or a scene that was made before.
Begun = Literal["prediction", "points", "scene"]


@dataclass(frozen=True)
class Taken:
    """The course that a recorded fit took, which a replay takes again whatever the clock says."""

    plans: tuple[tuple[int, int], ...]  # see `Course`
    ran: int  # steps until it ended
    ended: Ending
    steps: int  # that led to its best state
    last_steps: int = 0  # see `Optimized`
    final_ended: Ending | None = None  # likewise
    poses_tried: bool = True  # whether a trial of poses ran to its end, if the settings ask for one


@dataclass
class Leaving:
    """What a fit leaves if its process ends now, for whoever tells of it."""

    state: Path | None = None  # the file in the cache that the same fit goes on from

    @property
    def goes_on(self) -> bool:
        """Whether the same fit would go on: other processes may have made room in the cache."""
        return self.state is not None and self.state.is_file()


@dataclass(frozen=True)
class Running:
    """What whoever starts a fit has in mind for it; by itself it takes its steps and leaves nothing behind."""

    stopping: Callable[[], AbstractContextManager[Event]] = lambda: nullcontext(Event())  # ends it early when set
    keeps: Leaving | None = None  # if not None, a state is kept, from which the same fit goes on after a kill
    taken: Taken | None = None  # None: it finds its own course
    begun_at: Begun | None = None  # where a fit that is repeated began; None: a trial tells


@dataclass(frozen=True)
class Pace:
    """Seconds of a step on reduced and on full photos."""

    coarse_s: float
    fine_s: float

    def step_s(self, begin: float, end: float) -> float:
        """Return the mean seconds of a step between two progresses of a fit."""
        coarse = min(1.0, max(0.0, (COARSE_SHARE - begin) / (end - begin)))
        return coarse * self.coarse_s + (1 - coarse) * self.fine_s

    def steps_in(self, seconds: float, progress: float) -> int:
        """Return how many steps from this progress to the end fit into the time."""
        return max(1, int(PLANNED_SHARE * seconds / self.step_s(progress, 1.0)))

    @property
    def last_share(self) -> float:
        """Time of the last stretch, none of whose steps is coarse, over the time before it (fox, standard: 0.47)."""
        return LAST_SHARE * self.fine_s / self.step_s(0.0, 1.0)

    def times(self, factor: float) -> "Pace":
        return Pace(factor * self.coarse_s, factor * self.fine_s)


class Course:
    """How far a fit is after each step, and whether it has ended.

    Its plans are pairs: after so many steps, so many more were planned to its end. The progress of a fit is piecewise
    linear in its steps: each plan spreads what is left over the steps that it allows.
    """

    def __init__(
        self,
        plans: Sequence[tuple[int, int]],
        *,
        stop: Event | None = None,
        seconds: float | None = None,
        pace: Pace | None = None,
        taken: Taken | None = None,
        begun_at: int = 0,
    ):
        """With `seconds` the fit ends in time; with a `pace` as well, it is planned anew at every look.

        `begun_at` is the number of steps that a killed process had taken.
        """
        self.plans, self._stop, self._pace, self._taken = list(plans), stop, pace, taken
        self._looked_s, self._looked_done = time.monotonic(), begun_at
        self._end_s = math.inf if seconds is None else self._looked_s + seconds

    @property
    def told(self) -> tuple[tuple[int, int], ...]:
        """The plans, for a record."""
        return tuple(self.plans)

    @property
    def steps(self) -> int:
        """Number of steps in all, as planned last."""
        return sum(self.plans[-1])

    def progress(self, done: int) -> float:
        """Return the progress in [0, 1] after so many steps."""
        progress = 0.0
        for (at, left), (until, _) in pairwise([*self.plans, (done, 0)]):
            progress += (1 - progress) * (min(until, done) - at) / left if done > at else 0.0
        return progress

    def ending(self, done: int) -> Ending | None:
        """Return why the fit ends after so many steps; None: it does not."""
        if self._taken is not None and done >= self._taken.ran:
            return self._taken.ended
        if done >= self.steps:
            return "steps"
        if self._stop is not None and self._stop.is_set():
            return "stopped"
        return "time" if time.monotonic() >= self._end_s else None

    @property
    def stopped(self) -> bool:
        """Whether the fit was told to end."""
        return self._taken is None and self._stop is not None and self._stop.is_set()

    def last_steps(self, best_steps: int) -> int:
        """Return how long the last stretch is after a best state that so many steps led to."""
        return int(LAST_SHARE * best_steps) if self._taken is None else self._taken.last_steps

    def looked(self, done: int) -> None:
        """Plan anew how many steps fit into the time that is left, by the pace since the last look."""
        progress, now_s = self.progress(done), time.monotonic()
        if self._pace is None or progress >= 1:
            return
        step_s = (now_s - self._looked_s) / (done - self._looked_done)
        self._pace = self._pace.times(step_s / self._pace.step_s(self.progress(self._looked_done), progress))
        self.plans.append((done, self._pace.steps_in(self._end_s - now_s, progress)))
        self._looked_s, self._looked_done = now_s, done


def course_within(
    seconds: float,
    rehearsal: "Steps",
    stop: Event,
    plans: Sequence[tuple[int, int]] = (),
    *,
    begun_at: int = 0,
    last_stretch: bool = False,
) -> Course:
    """Return a course that takes so long, by the pace of the first steps of a fit that is of no further use.

    With `last_stretch` it leaves the time for that. `plans` and the steps with which it is `begun_at` are those of a
    process that was killed, whose course goes on.
    """
    begun_s = time.monotonic()
    pace = Pace(*(_step_s(rehearsal, progress) for progress in (COARSE_SHARE / 2, COARSE_SHARE)))
    left_s = seconds - (time.monotonic() - begun_s)
    if last_stretch:
        left_s /= 1 + pace.last_share
    plans = plans or [(0, pace.times(SLOWER).steps_in(left_s, 0.0))]
    return Course(plans, stop=stop, seconds=left_s, pace=pace, begun_at=begun_at)


@runtime_checkable
class Steps(Protocol):
    """A fit that can be rehearsed."""

    def step(self, progress: float) -> None:
        """Take one step, at a progress in (0, 1]."""


def _step_s(fit: Steps, progress: float) -> float:
    """Return the seconds of a step."""
    fit.step(progress)
    begun_s = time.monotonic()
    for _ in range(REHEARSED):
        fit.step(progress)
    return (time.monotonic() - begun_s) / REHEARSED
