"""Fits that end before their steps are taken: by Ctrl-C or in time; their scenes can be made again."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest
import torch

from ilrm_cli.capture.input_hash import inputs_sha256
from ilrm_cli.capture.photos.folder import open_folder
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.pipeline import fit_photos, judged_fits
from ilrm_cli.pipeline.export import export
from ilrm_cli.pipeline.optimize import pose_trial
from ilrm_cli.pipeline.optimize.course import (
    Running,
)
from ilrm_cli.pipeline.optimize.fit import EFFORTS
from ilrm_cli.pipeline.optimize.judging import LAST_STAGE, Judges, Opinion
from ilrm_cli.pipeline.reconstruct import Reconstruction, reconstruct
from ilrm_cli.pipeline.replay import replay
from ilrm_cli.pipeline.settings import Settings
from ilrm_cli.runtime.progress import Step
from tests.cli.conftest import SAMPLES
from tests.support.command_line import ilrm

SMALL = ("--views", "3", "--size", "64", "--no-auto-scale")


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
    assert (fit.optimized.ran, fit.optimized.photos, fit.optimized.ended) == (1, 11, "stopped")


def folder_of(tmp_path: Path, photos: int) -> Path:
    folder = shutil.copytree(SAMPLES / "posed", tmp_path / "few")
    for path in sorted((folder / "images").iterdir())[photos:]:
        path.unlink()
    return folder


def made_again(folder: Path, settings: Settings, when: Callable[[Step], bool], tmp_path: Path) -> Reconstruction:
    """Reconstruct, end the fit `when` a step of it is told, and require that a replay makes the same scene."""
    stop, opened = Event(), open_folder(folder)

    def report(step: Step) -> None:
        if when(step):
            stop.set()

    quick = replace(settings, views=3, long_side_px=64, auto_scale=False)
    result = reconstruct(opened, quick, report, running=Running(stopping=lambda: nullcontext(stop)))
    assert stop.is_set(), "it was told to end"
    export(result, tmp_path / "s.ply", photos=folder, inputs_sha256=inputs_sha256(opened, None))
    assert replay(tmp_path / "s.ply").identical
    return result


def judges_like_the_first(looks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let them like what they see in the first looks of each fit better than the rest, and than the prediction."""
    honest, counts = Judges.look, Counter[Judges]()

    def lying(judges: Judges, scene: Gaussians) -> Opinion | None:
        counts[judges] += 1
        opinion = honest(judges, scene)
        return opinion and replace(opinion, psnr=opinion.psnr + 50 * (counts[judges] <= looks))

    monkeypatch.setattr(Judges, "look", lying)


@pytest.mark.usefixtures("tiny_efforts")
@pytest.mark.parametrize(("stage", "done", "liked"), [("fitting", 9, 3), (LAST_STAGE, 1, 5)])
def test_a_best_state_before_the_end_is_made_again(tmp_path, monkeypatch, stage, done, liked):
    judges_like_the_first(liked, monkeypatch)
    settings = Settings(hold_out=3, refine_poses="off")
    fit = made_again(folder_of(tmp_path, 9), settings, lambda s: (s.stage, s.done) == (stage, done), tmp_path).fit
    assert 0 < fit.optimized.steps < fit.optimized.ran
    assert (fit.optimized.ended, fit.optimized.last_steps) == ("stopped", 0)


@pytest.mark.usefixtures("tiny_efforts")
def test_a_fit_after_a_trial_that_is_told_to_end_is_made_again(tmp_path, monkeypatch):
    judges_like_the_first(5, monkeypatch)
    seen = list[int]()

    def in_second_half(step: Step) -> bool:
        seen.extend([step.done] if step.stage == "fitting" else [])
        return seen.count(2) == 2

    settings = Settings(hold_out=0, refine_poses="off")
    result = made_again(folder_of(tmp_path, 5), settings, in_second_half, tmp_path)
    assert (result.fit.optimized.final_ended, result.fit.optimized.steps) == ("stopped", 2 + 1)
    assert any("the fit was stopped" in warning for warning in result.warnings)


@pytest.mark.usefixtures("tiny_efforts")
@pytest.mark.parametrize("wanted", ["auto", "on"])
def test_a_trial_of_poses_ends_at_once_and_is_left_out_again(tmp_path, monkeypatch, wanted):
    monkeypatch.setattr(pose_trial, "TRIAL_SHARE", 1.0)
    seen = list[Step]()

    def second(step: Step) -> bool:
        seen.extend([step] if step.stage == pose_trial.STAGE else [])
        return len(seen) == 2

    settings = Settings(hold_out=3, refine_poses=wanted)
    fit = made_again(folder_of(tmp_path, 9), settings, second, tmp_path).fit
    assert len(seen) == 2, "neither it nor the replay took another"
    assert fit.figures["poses_tried"] is False
    assert (fit.optimized.ran, fit.optimized.ended) == (1, "stopped")


@pytest.mark.usefixtures("tiny_efforts")
def test_a_trial_of_poses_takes_its_share_of_the_time(tmp_path, monkeypatch):
    monkeypatch.setitem(EFFORTS, "standard", replace(EFFORTS["standard"], steps=100_000))
    begun_s = time.monotonic()
    fit = made(Settings(minutes=0.05, refine_poses="on")).fit
    assert time.monotonic() - begun_s < 60, "a trial takes 10,000 steps"
    assert fit.figures["poses_tried"] is False


@pytest.mark.usefixtures("tiny_efforts")
def test_photos_that_memory_cannot_hold_are_read_again_for_the_same_scene(monkeypatch):
    held = made(Settings()).gaussians
    monkeypatch.setattr(fit_photos, "MEMORY_SHARE", 0.0)
    again = made(Settings()).gaussians
    assert all(map(torch.equal, held.tensors(), again.tensors()))


@pytest.mark.usefixtures("tiny_efforts")
@pytest.mark.parametrize("options", [(), pytest.param(("--hold-out", "0"), marks=pytest.mark.slow)])
def test_a_fit_by_time_can_be_made_again_though_the_clock_is_another(tmp_path, monkeypatch, options):
    output = tmp_path / "scene.ply"
    done = ilrm("reconstruct", SAMPLES / "posed", "-o", output, *SMALL, "--minutes", "0.05", *options, "--json")
    assert done.status == 0, done.err
    fit = done.json["optimize"]
    assert fit["plans"][0][1] != 16
    assert 0 < fit["ran"] <= sum(fit["plans"][-1])
    record = json.loads(output.with_suffix(".json").read_text())
    assert (record["optimize"], record["settings"]["minutes"]) == (fit, 0.05)
    monkeypatch.setattr(judged_fits, "course_within", lambda *_, **__: pytest.fail("nothing is planned anew"))
    assert ilrm("replay", output, "--json").json["identical"]
    record["optimize"]["ran"] = "many"
    output.with_suffix(".json").write_text(json.dumps(record))
    assert "is damaged (optimize: " in ilrm("replay", output).sentence


@pytest.mark.usefixtures("tiny_efforts")
def test_a_preview_is_checked_beforehand_and_shows_the_fit(posed_copy, tmp_path):
    command = ("reconstruct", posed_copy, "-o", tmp_path / "s.ply", *SMALL)
    assert "a draft has not" in ilrm(*command, "--preview", tmp_path / "p.jpg", "--quality", "draft").sentence
    assert "would be taken for photos" in ilrm(*command, "--preview", posed_copy / "images" / "p.jpg").sentence
    assert "name a file that ends in .jpg" in ilrm(*command, "--preview", tmp_path / "p.gif").sentence
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
        assert any("fitting" in line for line in run.stderr)
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
