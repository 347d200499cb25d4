"""Held-out photos beside the scene."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ilrm_cli.capture.poses.lenses import turned_pose
from ilrm_cli.geometry.views import Views
from ilrm_cli.render.metrics import score_of
from ilrm_cli.visualize.report.comparisons import ERROR_RAMP, comparisons, in_ramp, quarter_turns
from tests.support.small_reconstruction import NAMES, NORMAL_FROM_WORLD, reconstruction


def test_a_scene_that_is_right_shows_no_error(report):
    assert [compared.name for compared in report.comparisons] == list(NAMES[2:])
    for compared in report.comparisons:
        assert compared.psnr == 100  # the cap
        assert compared.ssim == pytest.approx(1, abs=1e-6)
        assert np.array_equal(compared.photo, compared.render)
        assert (compared.error == ERROR_RAMP[0]).all()


def test_scores_are_those_whose_mean_is_the_score(tmp_path):
    result = reconstruction(tmp_path)
    assert result.targets is not None
    result = replace(result, targets=Views(result.targets.images * 0.8, result.targets.cameras))
    made, mean = comparisons(result), score_of(result.gaussians, result.targets)
    assert len({round(compared.psnr, 3) for compared in made}) == 2
    assert np.mean([compared.psnr for compared in made]) == pytest.approx(mean.psnr, abs=1e-4)
    assert np.mean([compared.ssim for compared in made]) == pytest.approx(mean.ssim, abs=1e-5)


def test_masked_pixels_show_no_error(tmp_path):
    result = reconstruction(tmp_path)
    assert result.targets is not None
    masks = torch.ones(2, 48, 64)
    masks[:, :, :32] = 0
    wrong = Views(1 - result.targets.images, result.targets.cameras, masks=masks)
    for compared in comparisons(replace(result, targets=wrong)):
        assert (compared.error[:, :32] == ERROR_RAMP[0]).all()
        assert not (compared.error[:, 32:] == ERROR_RAMP[0]).all()


@pytest.mark.parametrize("turns", range(4))
def test_views_that_were_turned_to_fit_are_found(tmp_path, turns):
    photo = reconstruction(tmp_path).held_out[0].world_from_cam
    view = NORMAL_FROM_WORLD.poses(torch.from_numpy(turned_pose(photo, turns))).float()
    assert quarter_turns(photo, NORMAL_FROM_WORLD.rotation, view) == turns


def test_a_portrait_photo_that_was_turned_is_shown_upright(tmp_path):
    """The view as the model sees it lies on its side; the page shows it as it was taken."""
    result = reconstruction(tmp_path)
    assert result.targets is not None
    photo = replace(
        result.scored[0], world_from_cam=turned_pose(result.scored[0].world_from_cam, 3)
    )  # which three turns on stands as the view does
    shown = comparisons(replace(result, scored=(photo, result.scored[1])))
    upright = np.rot90(comparisons(result)[0].photo, -1)  # rot90(photo, 1) is what the view shows
    assert shown[0].photo.shape == (64, 48, 3)
    assert np.array_equal(shown[0].photo, upright)


def test_the_ramp_is_dark_where_nothing_is_wrong_and_ends_at_full_error():
    colours = in_ramp(torch.tensor([[0.0, 0.25, 0.5, 1.0, 9.0]]))
    assert colours[0].tolist() == [list(ERROR_RAMP[i]) for i in (0, 1, 2, 4, 4)]
    brightness = in_ramp(torch.linspace(0, 1, 50)[None]).astype(float).sum(-1)[0]
    assert (np.diff(brightness) >= -2).all()  # rounding
