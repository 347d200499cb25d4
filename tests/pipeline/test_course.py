"""What ends a fit, and how many steps a time is enough for."""

from threading import Event

import pytest

from ilrm_cli.pipeline.optimize import course
from ilrm_cli.pipeline.optimize.course import (
    LAST_SHARE,
    PLANNED_SHARE,
    REHEARSED,
    SLOWER,
    Course,
    Taken,
    course_within,
)
from ilrm_cli.pipeline.optimize.fit import COARSE_SHARE


class Clock:
    """A clock that only work moves on."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(course.time, "perf_counter", clock)
    monkeypatch.setattr(course.time, "monotonic", clock)
    return clock


class Work:
    """A fit whose coarse steps take a second and the others two; the first of each is slow."""

    def __init__(self, clock: Clock):
        self._clock, self._known = clock, set[bool]()

    def step(self, progress: float) -> None:
        fine = progress >= COARSE_SHARE
        self._clock.now_s += (2.0 if fine else 1.0) + (0 if fine in self._known else 5)
        self._known.add(fine)


def test_steps_are_planned_by_the_pace_of_the_first_ones(clock):
    rehearsal_s = (1 + 5 + REHEARSED) + (2 + 5 + 2 * REHEARSED)
    step_s = 1 * COARSE_SHARE + 2 * (1 - COARSE_SHARE)
    planned = course_within(1000.0, Work(clock), Event())
    assert planned.plans == [(0, int(PLANNED_SHARE * (1000 - rehearsal_s) / (SLOWER * step_s)))]
    assert course_within(1.0, Work(clock), Event()).steps == 1, "a fit takes a step, however short the time"


def test_the_last_stretch_of_fine_steps_has_its_time(clock):
    planned = course_within(1000.0, Work(clock), Event(), last_stretch=True)
    coarse, fine = COARSE_SHARE * planned.steps, (1 - COARSE_SHARE) * planned.steps
    main_s, last_s = SLOWER * (coarse + 2 * fine), SLOWER * 2 * LAST_SHARE * planned.steps
    rehearsal_s = (1 + 5 + REHEARSED) + (2 + 5 + 2 * REHEARSED)
    assert main_s + last_s == pytest.approx(PLANNED_SHARE * (1000 - rehearsal_s), rel=0.01)


@pytest.mark.parametrize("slower", [0.5, 1.0, 3.0])
def test_it_is_planned_anew_at_each_look_and_ends_in_time(clock, slower):
    """Steps turn out to take more or less time than was rehearsed, and ever more as the scene grows."""
    work, begun_s = Work(clock), clock.now_s
    planned, done, ended, progress = course_within(1000.0, work, Event()), 0, None, [0.0]
    while ended is None:
        done += 1
        progress.append(planned.progress(done))
        clock.now_s += slower * (1.0 if progress[-1] < COARSE_SHARE else 2.0) * (1 + progress[-1])
        ended = planned.ending(done)
        if int(8 * progress[-1]) > int(8 * progress[-2]):
            planned.looked(done)
    assert clock.now_s - begun_s == pytest.approx(1000.0, rel=0.02)
    assert progress == sorted(progress)
    assert progress[-1] > 0.99
    again = Course(planned.told, taken=Taken(planned.told, done, ended, done))
    assert [again.progress(step) for step in range(done + 1)] == progress
    assert [again.ending(step) for step in (done - 1, done)] == [None, ended]


def test_a_fit_ends_with_its_steps_in_time_or_when_it_is_told_to(clock):
    stop = Event()
    usual, timed = Course([(0, 10)], stop=stop), Course([(0, 10)], seconds=5.0)
    assert [usual.progress(done) for done in (0, 3, 10)] == [0.0, 0.3, 1.0]
    assert (usual.ending(9), usual.ending(10), timed.ending(9)) == (None, "steps", None)
    usual.looked(5)
    assert usual.plans == [(0, 10)]
    clock.now_s += 5
    assert (usual.ending(9), timed.ending(9)) == (None, "time")
    stop.set()
    assert (usual.ending(9), usual.ending(10)) == ("stopped", "steps")
