"""What a finished scene is scored on, and from where it is looked at."""

from dataclasses import replace

import pytest
import torch

from ilrm_cli.pipeline.optimize.poses import PoseCorrections
from ilrm_cli.pipeline.refine_poses import corrected
from ilrm_cli.pipeline.scoring import Judged, judged
from ilrm_cli.pipeline.settings import Settings
from ilrm_cli.render.metrics import score
from ilrm_cli.runtime.progress import Stopwatch
from tests.support.small_reconstruction import reconstruction


@pytest.fixture
def result(tmp_path):
    return reconstruction(tmp_path, fitted=True)


def of_fit(result, settings: Settings = Settings(), **changed: object) -> Judged:
    """Judge a scene after a fit of which something is different; the scene that was measured is a fainter one."""
    scene = result.gaussians
    fainter = replace(scene, opacities=0.5 * scene.opacities)
    fit = replace(result.fit, optimized=replace(result.fit.optimized, gaussians=scene, measured=fainter), **changed)
    return judged(scene, result.prepared, result.selection, settings, Stopwatch(), fit=fit)


def moves(names: tuple[str, ...], shift: float) -> PoseCorrections:
    return PoseCorrections(names, torch.eye(3).expand(len(names), 3, 3), torch.full((len(names), 3), shift))


def test_the_score_is_that_of_the_scene_before_it_was_fitted_to_the_held_out_photos(result):
    targets, scene = result.prepared.targets, result.gaussians
    found = of_fit(result)
    assert found.score.psnr == pytest.approx(score(replace(scene, opacities=0.5 * scene.opacities), targets))
    assert found.score.psnr < score(scene, targets) - 3
    assert found.trusted.gaussians is scene
    assert found.score_as_given is None
    alone = judged(scene, result.prepared, result.selection, Settings(), Stopwatch())
    assert alone.score.psnr == pytest.approx(score(scene, targets))


def test_refined_poses_are_scored_beside_those_that_were_given(result):
    names = tuple(photo.name for photo in (*result.selection.fitted, *result.selection.scored))
    found = of_fit(result, corrections=moves(names, 0.3), measured_with=moves(names, 0.1))
    assert found.score_as_given is not None
    assert found.score.psnr < found.score_as_given.psnr, "these poses are worse"


def test_confidence_is_told_from_refined_poses_where_no_photo_scores(result):
    names = tuple(photo.name for photo in result.selection.fitted)
    unscored = replace(
        result, prepared=replace(result.prepared, targets=None), selection=replace(result.selection, scored=())
    )
    wanted = Settings(confidence=True)
    found = of_fit(unscored, wanted, corrections=moves(names, 0.3), measured_with=None).trusted.confidence
    prepared = corrected(unscored.prepared, unscored.selection, moves(names, 0.3))
    same = judged(result.gaussians, prepared, unscored.selection, wanted, Stopwatch()).trusted.confidence
    assert torch.equal(found, same)
    assert not torch.equal(found, of_fit(unscored, wanted).trusted.confidence)
