"""What ends a fit, how many steps a time is enough for, and states from which a killed fit goes on the same way."""

import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest
import torch

from ilrm_cli.capture.photos.folder import open_folder
from ilrm_cli.pipeline import fit_photos
from ilrm_cli.pipeline.optimize import course
from ilrm_cli.pipeline.optimize.course import (
    MOST_KEPT,
    PLANNED_SHARE,
    REHEARSED,
    SLOWER,
    Course,
    KeptState,
    Running,
    Taken,
    course_within,
)
from ilrm_cli.pipeline.optimize.fit import COARSE_SHARE, EFFORTS
from ilrm_cli.pipeline.optimize.judging import LAST_STAGE, Optimized, optimize
from ilrm_cli.pipeline.reconstruct import Reconstruction, reconstruct
from ilrm_cli.pipeline.settings import Settings
from ilrm_cli.runtime.progress import Report, Step, ignore
from tests.cli.conftest import SAMPLES
from tests.pipeline.test_optimize import QUICK, photos_of, scene, spoilt
from tests.support.command_line import ilrm

SMALL = ("--views", "3", "--size", "64", "--no-auto-scale")


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
    planned = course_within(1000.0, Work(clock), Event(), {})
    assert planned.plans == [(0, int(PLANNED_SHARE * (1000 - rehearsal_s) / (SLOWER * step_s)))]
    assert course_within(1.0, Work(clock), Event(), {}).steps == 1, "a fit takes a step, however short the time"


@pytest.mark.parametrize("slower", [0.5, 1.0, 3.0])
def test_it_is_planned_anew_at_each_look_and_ends_in_time(clock, slower):
    """Steps turn out to take more or less time than was rehearsed, and ever more as the scene grows."""
    work, begun_s = Work(clock), clock.now_s
    planned, done, ended, progress = course_within(1000.0, work, Event(), {}), 0, None, [0.0]
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


def test_a_state_is_kept_now_and_then_and_the_oldest_make_room(tmp_path, clock):
    for number in range(MOST_KEPT + 1):
        state = KeptState(tmp_path / "fits" / f"{number}.fit")
        assert state.found == {}
        state.keep(lambda: pytest.fail("it is too soon"))
        clock.now_s += course.KEEP_EVERY_S
        state.keep(lambda number=number: {"planned": number})
        state.keep(lambda: pytest.fail("it is too soon again"))
        os.utime(tmp_path / "fits" / f"{number}.fit", (number, number))
    assert sorted(file.name for file in (tmp_path / "fits").iterdir()) == ["1.fit", "2.fit", "3.fit"]
    left = KeptState(tmp_path / "fits" / "3.fit")
    assert left.found == {"planned": 3, "spent_s": course.KEEP_EVERY_S}
    assert left.spent_s == course.KEEP_EVERY_S
    left.drop()
    assert KeptState(tmp_path / "fits" / "3.fit").found == {}


def test_a_damaged_state_is_none_and_a_cache_that_cannot_be_written_keeps_none(tmp_path, clock):
    (tmp_path / "a.fit").write_bytes(b"PK\x03\x04 cut short")
    assert KeptState(tmp_path / "a.fit").found == {}
    state = KeptState(tmp_path / "a.fit" / "b.fit")
    clock.now_s += course.KEEP_EVERY_S
    state.keep(lambda: {"planned": 1})
    assert KeptState(None).found == {}


def small_fit(kept: KeptState | None = None, report: Report = ignore) -> Optimized:
    truth = scene()
    photos, start = photos_of(truth), spoilt(truth)
    others = photos[[0, 1, 3, 4, 5]]
    return optimize(start, start, others, photos[[2]], QUICK, keep_out=False, kept=kept, report=report)


@pytest.mark.parametrize(
    ("stage", "at"), [("optimize", 1), ("optimize", 37), ("optimize", 110), (LAST_STAGE, 1), (LAST_STAGE, 7)]
)
def test_a_killed_fit_goes_on_to_the_same_scene(tmp_path, monkeypatch, stage, at):
    monkeypatch.setattr(course, "KEEP_EVERY_S", 0.0)
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


def made(settings: Settings, running: Running = Running()) -> Reconstruction:
    quick = replace(settings, views=3, long_side_px=64, auto_scale=False)
    return reconstruct(open_folder(SAMPLES / "posed"), quick, running=running)


def told_to_stop() -> Running:
    stop = Event()
    stop.set()
    return Running(stopping=lambda: nullcontext(stop))


@pytest.mark.usefixtures("tiny_efforts")
def test_a_fit_that_is_told_to_end_keeps_its_best_state_and_says_so():
    result = made(Settings(), told_to_stop())
    fit = result.fit
    assert fit is not None
    assert (fit.optimized.ran, fit.optimized.plans, fit.optimized.ended) == (1, ((0, 16),), "stopped")
    assert fit.optimized.psnr_after >= fit.optimized.psnr_before
    assert result.warnings == ("the fit was stopped after 1 of 16 steps; `ilrm refine` goes on with the scene.",)


@pytest.mark.usefixtures("tiny_efforts")
def test_a_trial_that_is_told_to_end_is_all_there_is():
    fit = made(Settings(hold_out=0), told_to_stop()).fit
    assert fit is not None
    assert fit.cross_validated is not None
    assert (fit.optimized.ran, fit.optimized.photos, fit.stopped) == (1, 11, True)


@pytest.mark.usefixtures("tiny_efforts")
def test_photos_that_memory_cannot_hold_are_read_again_for_the_same_scene(monkeypatch):
    held = made(Settings()).gaussians
    monkeypatch.setattr(fit_photos, "MEMORY_SHARE", 0.0)
    again = made(Settings()).gaussians
    assert all(map(torch.equal, held.tensors(), again.tensors()))


@pytest.mark.usefixtures("tiny_efforts")
@pytest.mark.parametrize("options", [(), ("--hold-out", "0")])
def test_a_fit_by_time_can_be_made_again_though_the_clock_is_another(tmp_path, monkeypatch, options):
    output = tmp_path / "scene.ply"
    done = ilrm("reconstruct", SAMPLES / "posed", "-o", output, *SMALL, "--minutes", "0.02", *options, "--json")
    assert done.status == 0, done.err
    fit = done.json["optimize"]
    assert fit["plans"][0][1] != 16
    assert 0 < fit["ran"] <= sum(fit["plans"][-1])
    record = json.loads(output.with_suffix(".json").read_text())
    assert (record["optimize"], record["settings"]["minutes"]) == (fit, 0.02)
    monkeypatch.setattr(fit_photos, "course_within", lambda *_: pytest.fail("nothing is planned anew"))
    assert ilrm("replay", output, "--json").json["identical"]
    record["optimize"]["ran"] = "many"
    output.with_suffix(".json").write_text(json.dumps(record))
    assert "is damaged (optimize: " in ilrm("replay", output).sentence


@pytest.mark.usefixtures("tiny_efforts")
def test_a_preview_is_checked_beforehand_and_shows_the_fit(posed_copy, tmp_path):
    command = ("reconstruct", posed_copy, "-o", tmp_path / "s.ply", *SMALL)
    assert "a draft has not" in ilrm(*command, "--preview", tmp_path / "p.jpg", "--quality", "draft").sentence
    assert "would be taken for photos" in ilrm(*command, "--preview", posed_copy / "images" / "p.jpg").sentence
    assert "the picture is a .jpg" in ilrm(*command, "--preview", tmp_path / "p.gif").sentence
    assert not (tmp_path / "s.ply").exists()
    done = ilrm(*command, "--preview", tmp_path / "p.jpg")
    assert done.status == 0, done.err
    assert f"Preview: {tmp_path / 'p.jpg'}" in done.out
    assert (tmp_path / "p.jpg").stat().st_size > 1000
    again = ("refine", tmp_path / "s.ply", "-o", tmp_path / "t.ply", "--preview", tmp_path / "p.jpg")
    assert "p.jpg exists; pass -w" in ilrm(*again).sentence


@pytest.fixture
def posed_copy(tmp_path) -> Path:
    return shutil.copytree(SAMPLES / "posed", tmp_path / "posed")


LONG = """
import dataclasses, sys
from ilrm_cli.pipeline.optimize.fit import EFFORTS
EFFORTS["standard"] = dataclasses.replace(EFFORTS["standard"], steps=100_000, long_side_px=64)
from ilrm_cli.cli.app import app
app(sys.argv[1:])
"""


def test_ctrl_c_ends_a_fit_and_its_scene_can_be_made_again(tmp_path, monkeypatch):
    output, preview = tmp_path / "scene.ply", tmp_path / "fit.jpg"
    poses = ("--refine-poses", "off")  # the trial of which takes a tenth of the steps
    words = ("reconstruct", SAMPLES / "posed", "-o", output, *SMALL, *poses, "--preview", preview, "--json")
    run = subprocess.Popen(
        [sys.executable, "-c", LONG, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"FORCE_COLOR": "1", "TERM": "xterm"},  # bars are drawn while it works
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # shells may ignore it
    )  # fmt: skip
    try:
        assert run.stderr is not None
        assert any("optimize" in line for line in run.stderr)
        run.send_signal(signal.SIGINT)
        said, complained = run.communicate(timeout=60)
    finally:
        run.kill()
    assert run.returncode == 0, complained
    found = json.loads(said)
    assert found["optimize"]["ended"] == "stopped"
    assert 0 < found["optimize"]["ran"] < sum(found["optimize"]["plans"][0]) == 100_000
    assert any("the fit was stopped after" in warning for warning in found["warnings"])
    monkeypatch.setitem(EFFORTS, "standard", replace(EFFORTS["standard"], long_side_px=64))
    assert ilrm("replay", output, "--json").json["identical"]
