"""Which photo a trial leaves out, and what fits do where no photo is held out."""

import json
import shutil
from contextlib import nullcontext
from dataclasses import replace
from threading import Event

import pytest
import torch

from ilrm_cli.capture.load_views import load_views
from ilrm_cli.capture.photos.folder import open_folder
from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.views import Views
from ilrm_cli.pipeline.fit_inputs import JUDGE_EVERY
from ilrm_cli.pipeline.fit_photos import MULTIPLE, PhotoFit, fit_photos
from ilrm_cli.pipeline.judged_fits import Fits
from ilrm_cli.pipeline.optimize.course import Running, Taken
from ilrm_cli.pipeline.optimize.fit import EFFORTS, Effort
from ilrm_cli.pipeline.predict import predict
from ilrm_cli.pipeline.prepare import Prepared, normalized_views, prepare_photos
from ilrm_cli.pipeline.reconstruct import Reconstruction, load, posed_photos, reconstruct_capture
from ilrm_cli.pipeline.select_inputs import photos_by_role
from ilrm_cli.pipeline.settings import Settings
from ilrm_cli.pipeline.starts import best_covered, without
from ilrm_cli.render.metrics import score
from tests.cli.conftest import SAMPLES
from tests.support.command_line import ilrm
from tests.support.small_reconstruction import NORMAL_FROM_WORLD

SIDE, ITERATIONS = 96, 25


def prepared(x: tuple[float, ...]) -> Prepared:
    """Return one grey view from each place on a line, all looking ahead at a scene 2 units away."""
    poses = torch.eye(4).repeat(len(x), 1, 1)
    poses[:, 0, 3] = torch.tensor(x)
    cameras = Cameras(poses, torch.full((len(x), 2), 8.0), torch.full((len(x), 2), 4.0), 8, 8)
    images = torch.linspace(0, 1, len(x))[:, None, None, None].expand(-1, 3, 8, 8)
    return Prepared(Views(images, cameras), None, (1.0, 4.0), NORMAL_FROM_WORLD)


def test_left_out_is_the_input_between_near_ones():
    scene = prepared((0.0, 0.1, 5.0, 5.3, 5.6, 6.5))
    assert best_covered(scene.inputs.cameras, scene.distance, range(6)) == 3
    assert best_covered(scene.inputs.cameras, scene.distance, [0, 4, 5]) == 4


def test_what_is_left_out_judges_and_is_no_input():
    whole = prepared((0.0, 1.0, 5.0))
    fold = without(whole, 1)
    assert torch.equal(fold.inputs.images, whole.inputs.images[[0, 2]])
    assert fold.targets is not None
    assert torch.equal(fold.targets.images, whole.inputs.images[[1]])
    assert torch.equal(fold.targets.cameras.world_from_cam, whole.inputs.cameras.world_from_cam[[1]])
    assert fold.depth_range == whole.depth_range


def reconstructed(count: int, settings: Settings) -> tuple[Reconstruction, Views]:
    """Return a scene from every other photo of the sample, and the photos in between in its frame."""
    capture = posed_photos(open_folder(SAMPLES / "posed"), Settings())
    settings = replace(settings, long_side_px=SIDE, auto_scale=False)
    kept, others = capture.photos[::2][:count], capture.photos[1::2]
    made = reconstruct_capture(replace(capture, photos=kept), load(settings), settings)
    size = made.prepared.inputs.cameras
    return made, normalized_views(load_views(others, size.width, size.height), made.prepared.normalized_from_world)


@pytest.fixture(scope="module")
def of_six() -> tuple[Reconstruction, Views]:
    return reconstructed(6, Settings(views=6, refine=ITERATIONS))


def test_without_held_out_photos_refinement_helps_photos_that_nobody_gave(of_six):
    made, others = of_six
    fit = made.refinement
    assert fit is not None
    assert fit.iterations in range(JUDGE_EVERY, ITERATIONS + 1, JUDGE_EVERY)
    assert fit.psnr_after > fit.psnr_before + 0.5
    assert score(fit.gaussians, others) > score(made.prediction.gaussians, others) + 0.5


def test_the_final_fit_is_to_all_inputs(of_six):
    """The scores are of the trial: the scene itself was fitted to the photo that judged, and explains it better."""
    made, _ = of_six
    fit, names = made.refinement, [photo.name for photo in made.selection.used]
    assert fit is not None
    judge = made.prepared.inputs[[names.index(fit.cross_validated)]]
    assert score(fit.gaussians, judge) > fit.psnr_after + 1
    assert made.score is None


def test_a_prediction_from_two_photos_stays():
    made, _ = reconstructed(2, Settings(views=2, refine=5))
    fit = made.refinement
    assert fit is not None
    assert fit.gaussians is made.prediction.gaussians
    assert fit.figures == {"iterations": 0, "ran": 0, "psnr_before": None, "psnr_after": None, "cross_validated": None}


def test_the_command_tells_who_judged(tmp_path):
    photos = shutil.copytree(SAMPLES / "posed", tmp_path / "posed")
    for path in sorted((photos / "images").iterdir())[3:]:
        path.unlink()
    command = ("reconstruct", photos, "--views", "3", "--size", "64", "--refine", "5", "-o", tmp_path / "scene.ply")
    outcome = ilrm(*command, "--json")
    assert outcome.status == 0, outcome.err
    fit = outcome.json["refine"]
    assert fit["cross_validated"] in outcome.json["views"]["used"]
    assert outcome.json["held_out"] == {"psnr": None, "ssim": None, "chose": []}
    record = json.loads((tmp_path / "scene.json").read_text())
    assert record["refine"] == fit
    assert "psnr" not in record["scores"]
    assert ilrm("replay", tmp_path / "scene.ply", "--json").json["identical"]
    assert f"trial without {fit['cross_validated']}" in ilrm(*command, "-w").out


QUICK = Effort(steps=120, long_side_px=SIDE, degree=0, growth=0.0, most=100_000)


def fitted(count: int, hold_out_inputs: int = 0) -> tuple[Reconstruction, Views]:
    return reconstructed(count, Settings(views=count - hold_out_inputs, quality="standard", hold_out=0))


def test_a_fit_to_all_photos_without_any_held_out_goes_as_far_as_a_trial_gained(monkeypatch):
    monkeypatch.setitem(EFFORTS, "standard", replace(QUICK, steps=200, growth=0.5))
    made, others = fitted(6)
    fit = made.fit
    assert fit is not None
    assert fit.cross_validated in [photo.name for photo in made.selection.used]
    assert (fit.optimized.photos, made.score) == (6, None)
    assert 0 < fit.optimized.steps <= 200
    assert score(made.gaussians, others) > score(made.prediction.gaussians, others) + 0.5


def test_a_trial_leaves_out_a_photo_that_is_no_input_if_there_is_one(monkeypatch):
    monkeypatch.setitem(EFFORTS, "standard", replace(QUICK, steps=8))
    made, _ = fitted(6, hold_out_inputs=2)
    assert made.fit is not None
    assert made.fit.cross_validated in [photo.name for photo in made.selection.only_fitted]


def test_a_trial_that_gained_nothing_leaves_the_prediction(monkeypatch):
    monkeypatch.setitem(EFFORTS, "standard", replace(QUICK, steps=8))
    monkeypatch.setattr("ilrm_cli.pipeline.optimize.fit.L1_WEIGHT", -1.0)  # every step makes it worse
    monkeypatch.setattr("ilrm_cli.pipeline.optimize.fit.SSIM_WEIGHT", -1.0)
    made, _ = fitted(4)
    assert made.fit is not None
    assert made.gaussians is made.prediction.gaussians
    assert made.fit.figures["steps"] == 0
    assert made.fit.figures["psnr_after"] == made.fit.figures["psnr_before"]


@pytest.fixture
def fit_of(monkeypatch):
    """Return a function that fits the sample, beginning at predicted depths that are wrong by a factor."""
    monkeypatch.setitem(EFFORTS, "standard", replace(EFFORTS["standard"], steps=100, long_side_px=SIDE))
    capture, settings = posed_photos(open_folder(SAMPLES / "posed"), Settings()), Settings(refine_poses="off")
    loaded = load(settings)
    can = loaded.model.capabilities
    chosen = photos_by_role(capture, settings, can)
    ready = prepare_photos(capture, chosen.used, chosen.scored, SIDE, can)
    right = predict(loaded.model, ready)

    def fitted(factor: float, running: Running = Running()) -> PhotoFit:
        wrong = replace(right, gaussians=replace(right.gaussians, means=factor * right.gaussians.means))
        return fit_photos(lambda fold: wrong, wrong, ready, chosen, settings, running=running)

    return fitted


def test_a_prediction_worse_than_the_sparse_points_is_no_start(fit_of):
    assert fit_of(1.0).figures["begun_at"] == "prediction"
    wrong = fit_of(0.5)
    assert wrong.figures["begun_at"] == "points"
    taken = Taken(wrong.optimized.plans, wrong.optimized.ran, wrong.optimized.ended, wrong.optimized.steps)
    from_wrong = fit_of(0.5, Running(begun_at="prediction"))
    assert from_wrong.figures["begun_at"] == "prediction", "as in the fit that is repeated"
    assert wrong.optimized.psnr_after > from_wrong.optimized.psnr_after + 1
    taken = replace(taken, last_steps=wrong.optimized.last_steps)
    again = fit_of(0.5, Running(taken=taken, begun_at="points"))
    assert torch.equal(again.optimized.gaussians.means, wrong.optimized.gaussians.means)


def test_a_fit_that_is_repeated_tries_no_start(fit_of, monkeypatch):
    monkeypatch.setattr(Fits, "points_are_better", lambda *_: pytest.fail("it is known where it began"))
    assert fit_of(0.5, Running(begun_at="prediction")).figures["begun_at"] == "prediction"


def test_a_trial_of_starts_that_is_told_to_end_prefers_nothing(fit_of):
    stop = Event()
    stop.set()
    assert fit_of(0.5, Running(stopping=lambda: nullcontext(stop))).figures["begun_at"] == "prediction"


def test_photos_are_not_enlarged(monkeypatch):
    monkeypatch.setitem(EFFORTS, "standard", replace(QUICK, steps=1, long_side_px=100_000))
    made, _ = fitted(3)
    assert made.fit is not None
    lens = made.selection.used[0].lens
    assert made.fit.optimized.width == pytest.approx(max(lens.width, lens.height), abs=MULTIPLE)


def test_photos_are_fitted_at_the_size_that_is_asked_for(monkeypatch):
    monkeypatch.setitem(EFFORTS, "standard", replace(QUICK, steps=1, long_side_px=16))
    made = reconstructed(3, Settings(views=3, quality="standard", hold_out=0, fit_side_px=32))[0]
    assert made.fit is not None
    assert max(made.fit.optimized.width, made.fit.optimized.height) == 32


def test_two_photos_are_not_fitted(monkeypatch):
    made, _ = fitted(2)
    assert made.fit is not None
    assert made.gaussians is made.prediction.gaussians
    assert made.fit.figures["psnr_before"] is None
