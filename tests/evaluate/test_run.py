"""Evaluation of the shipped model on the sample scene."""

import dataclasses
from pathlib import Path

import pytest

from ilrm_cli.capture.photos.folder import open_folder
from ilrm_cli.evaluate import run as stage
from ilrm_cli.evaluate.checks import Plan, Settings
from ilrm_cli.evaluate.protocols import find_scenes
from ilrm_cli.evaluate.results import CONSTANT_DEPTH, STARTS, SceneFailure, SceneResult
from ilrm_cli.geometry.backdrop import COUNT
from ilrm_cli.pipeline.reconstruct import reconstruct
from ilrm_cli.pipeline.settings import Settings as ReconstructSettings
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.train.config import TrainConfig
from ilrm_cli.train.state import new_trainer, write_weights
from tests.support.small_models import MATCHED, random_model
from tests.support.small_triposr import publish, small_triposr

SAMPLE = Path(__file__).parents[2] / "sample_scenes" / "posed"
PLAN = Plan(views=(3, 6), long_side_px=128)
SMALL = Plan(views=(3,), long_side_px=64)


def evaluated(refine: int, paths: list[Path] | None = None, plan: Plan = PLAN, **changes) -> list:
    settings = dataclasses.replace(Settings(refine=refine, device="cpu"), **changes)
    refs, _ = find_scenes(plan, paths or [SAMPLE])
    return list(stage.evaluate(stage.start(plan, settings), refs, plan, settings))


@pytest.fixture(scope="module")
def result() -> SceneResult:
    return evaluated(5)[0]


def test_every_method_is_scored_with_every_number_of_inputs(result):
    plain = {(t.method, t.views) for t in result.trials if not t.refined}
    refined = {(t.method, t.views) for t in result.trials if t.refined}
    assert plain == {(m, v) for v in (3, 6) for m in ("ilrm", "mean colour", "nearest photo", "plane-sweep splat")}
    assert refined == {(m, v) for v in (3, 6) for m in ("ilrm", *STARTS)}
    assert all(len(trial.scores) == len(result.targets) == 6 for trial in result.trials)
    assert set(result.inputs[0]) < set(result.inputs[1])
    assert not {*result.inputs[1]} & {*result.targets}


def test_it_scores_as_reconstruct_does(result):
    made = reconstruct(open_folder(SAMPLE), ReconstructSettings(views=6, long_side_px=128, refine=5, device="cpu"))
    ours, refined = result.trial("ilrm", 6, False), result.trial("ilrm", 6, True)
    assert made.score is not None
    assert made.refinement is not None
    assert (refined.psnr, refined.ssim) == pytest.approx((made.score.psnr, made.score.ssim), rel=1e-6)
    assert ours.psnr == pytest.approx(made.refinement.psnr_before, rel=1e-6)
    assert (ours.gaussians, refined.iterations) == (len(made.gaussians), made.refinement.iterations)


def test_the_model_beats_what_needs_no_model(result):
    for trial in result.trials:
        if trial.method != "ilrm":
            assert trial.psnr < result.trial("ilrm", trial.views, trial.refined).psnr


def test_refined_baselines_stand_before_the_backdrop_that_the_model_has(tmp_path):
    path = write_weights(new_trainer(TrainConfig(), random_model(MATCHED)), tmp_path)
    assert MATCHED.backdrop
    found = evaluated(1, plan=SMALL, model=str(path))[0]
    grid = (found.width // 2) * (found.height // 2)
    assert found.trial(CONSTANT_DEPTH, 3, True).gaussians == 3 * grid + COUNT


@pytest.mark.parametrize("own", [True, False])
def test_models_of_one_photo_are_refused_by_what_they_can(tmp_path, own):
    model, path = small_triposr(), tmp_path / "object.ckpt"
    if own:
        path = write_weights(new_trainer(TrainConfig(), model), tmp_path)
    else:
        publish(model, path)
    with pytest.raises(InputError, match=f"--model {path} takes one photo of an object"):
        stage.start(SMALL, Settings(model=str(path), device="cpu"))


def test_two_evaluations_give_the_same_numbers():
    first, again = (evaluated(2, plan=SMALL)[0] for _ in range(2))
    for one, two in zip(first.trials, again.trials, strict=True):
        assert one.scores == two.scores
        assert one.iterations == two.iterations


def test_refinement_never_lowers_the_score(result):
    assert result.trial("ilrm", 3, True).psnr >= result.trial("ilrm", 3, False).psnr


def test_a_scene_that_fails_does_not_stop_the_others(tmp_path):
    (tmp_path / "empty").mkdir()
    failure, good = evaluated(0, [tmp_path / "empty", SAMPLE], plan=SMALL, baselines=False)
    assert isinstance(failure, SceneFailure)
    assert "holds no photo" in failure.reason
    assert [t.method for t in good.trials] == ["ilrm"]
