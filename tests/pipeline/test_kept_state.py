"""States from which a killed fit goes on the same way."""

import os

import pytest
import torch

from ilrm_cli.pipeline.optimize import kept_state
from ilrm_cli.pipeline.optimize.course import Leaving
from ilrm_cli.pipeline.optimize.judging import LAST_STAGE, optimize
from ilrm_cli.pipeline.optimize.kept_state import MOST_KEPT, KeptState, state_file
from ilrm_cli.pipeline.optimize.optimized import Optimized
from ilrm_cli.runtime.progress import Report, Step, ignore
from tests.pipeline.test_course import Clock
from tests.support.quick_fit import QUICK, photos_of, scene, spoilt

SMALL = ("--views", "3", "--size", "64", "--no-auto-scale")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(kept_state.time, "monotonic", clock)
    return clock


def test_a_state_is_kept_now_and_then_and_the_oldest_make_room(tmp_path, clock):
    for number in range(MOST_KEPT + 1):
        state = KeptState(tmp_path / "fits" / f"{number}.fit")
        assert state.found == {}
        state.keep(lambda: pytest.fail("it is too soon"))
        clock.now_s += kept_state.KEEP_EVERY_S
        state.keep(lambda number=number: {"planned": number})
        state.keep(lambda: pytest.fail("it is too soon again"))
        os.utime(tmp_path / "fits" / f"{number}.fit", (number, number))
    assert sorted(file.name for file in (tmp_path / "fits").iterdir()) == ["1.fit", "2.fit", "3.fit"]
    left = KeptState(tmp_path / "fits" / "3.fit")
    assert left.found == {"planned": 3, "spent_s": kept_state.KEEP_EVERY_S, "begun_at": None}
    assert left.spent_s == kept_state.KEEP_EVERY_S
    left.drop()
    assert KeptState(tmp_path / "fits" / "3.fit").found == {}


def test_a_damaged_state_is_none_and_a_cache_that_cannot_be_written_keeps_none(tmp_path, clock):
    (tmp_path / "a.fit").write_bytes(b"PK\x03\x04 cut short")
    assert KeptState(tmp_path / "a.fit").found == {}
    state = KeptState(tmp_path / "a.fit" / "b.fit")
    clock.now_s += kept_state.KEEP_EVERY_S
    state.keep(lambda: {"planned": 1})
    assert KeptState(None).found == {}


def test_a_state_tells_where_the_fit_began(tmp_path, clock):
    state = KeptState(tmp_path / "a.fit")
    assert state.begun_at is None
    state.begun_at = "points"
    clock.now_s += kept_state.KEEP_EVERY_S
    state.keep(dict)
    assert KeptState(tmp_path / "a.fit").begun_at == "points"


def test_whoever_ends_a_fit_knows_whether_it_goes_on(tmp_path, clock):
    leaving = Leaving()
    state = KeptState(tmp_path / "fits" / "a.fit", leaving)
    state.keep(dict)
    assert not leaving.goes_on, "it is too early to keep one"
    clock.now_s += kept_state.KEEP_EVERY_S
    state.keep(lambda: {"planned": 3})
    assert leaving.goes_on
    again = Leaving()
    KeptState(tmp_path / "fits" / "a.fit", again)
    assert again.goes_on, "it is there from the beginning"
    state.drop()
    assert not leaving.goes_on
    assert not again.goes_on, "another process has ended the fit"


def small_fit(kept: KeptState | None = None, report: Report = ignore) -> Optimized:
    truth = scene()
    photos, start = photos_of(truth), spoilt(truth)
    others = photos[[0, 1, 3, 4, 5]]
    return optimize(start, start, others, photos[[2]], QUICK, keep_out=False, kept=kept, report=report)


@pytest.mark.parametrize(
    ("stage", "at"),
    [
        ("fitting", 1),
        pytest.param("fitting", 37, marks=pytest.mark.slow),
        ("fitting", 110),
        pytest.param(LAST_STAGE, 1, marks=pytest.mark.slow),
        (LAST_STAGE, 7),
    ],
)
def test_a_killed_fit_goes_on_to_the_same_scene(tmp_path, monkeypatch, stage, at):
    monkeypatch.setattr(kept_state, "KEEP_EVERY_S", 0.0)
    whole, taken = small_fit(), list[tuple[str, int]]()
    assert whole.last_steps > 7

    def killed(step: Step) -> None:
        if step.stage == stage and step.done > at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        small_fit(KeptState(tmp_path / "a.fit"), killed)
    again = small_fit(KeptState(tmp_path / "a.fit"), lambda step: taken.append((step.stage, step.done)))
    assert min(done for name, done in taken[1:] if name == stage) == at + 1
    assert again.figures == whole.figures
    assert all(map(torch.equal, whole.gaussians.tensors(), again.gaussians.tensors()))
    assert all(map(torch.equal, whole.measured.tensors(), again.measured.tensors()))


def test_another_fit_and_other_code_have_another_state(tmp_path, monkeypatch):
    mine = state_file(["a", 1])
    assert mine == state_file(["a", 1]) != state_file(["a", 2])
    (tmp_path / "other.py").touch()
    monkeypatch.setattr(kept_state, "__file__", str(tmp_path / "kept_state.py"))
    assert state_file(["a", 1]) == state_file(["a", 1])
    (tmp_path / "other.py").write_text("changed")
    assert state_file(["a", 1]) != mine
