"""A wall at depth 4 seen by cameras side by side, and one Gaussian that is brought close."""

import pytest
import torch

from ilrm_cli.geometry.rays import directions_through, pixel_centers
from ilrm_cli.pipeline.predict import LEAST_SUPPORT, PRIOR, witnesses
from tests.models.test_plane_sweep import wall


def wall_means(cameras, depth: torch.Tensor) -> torch.Tensor:
    pixels = pixel_centers(cameras.width, cameras.height, cameras.focal_px).expand(len(cameras), -1, -1, -1)
    means = cameras.positions[:, None, None] + depth[..., None] * directions_through(cameras, pixels)
    return means.flatten(0, 2)


def test_a_wall_that_all_views_agree_on_stays():
    cameras = wall([0.0, 0.2, 0.4, 0.6]).cameras
    assert not witnesses(wall_means(cameras, torch.full((4, 32, 32), 4.0)), cameras).floating().any()


def test_what_three_others_see_through_floats():
    cameras = wall([0.0, 0.2, 0.4, 0.6]).cameras
    depth = torch.full((4, 32, 32), 4.0)
    depth[0, 16, 20] = 2.0
    found = witnesses(wall_means(cameras, depth), cameras).floating()
    assert found.nonzero().flatten().tolist() == [16 * 32 + 20]


def test_one_witness_is_not_enough():
    cameras = wall([0.0, 0.2]).cameras
    depth = torch.full((2, 32, 32), 4.0)
    depth[0, 16, 20] = 2.0
    assert not witnesses(wall_means(cameras, depth), cameras).floating().any()


def test_what_lies_behind_a_surface_is_merely_hidden():
    cameras = wall([0.0, 0.2, 0.4, 0.6]).cameras
    depth = torch.full((4, 32, 32), 4.0)
    depth[0, 16, 20] = 9.0
    assert not witnesses(wall_means(cameras, depth), cameras).floating().any()


def test_support_is_the_share_of_witnesses_that_confirm():
    cameras = wall([0.0, 0.2, 0.4, 0.6]).cameras
    depth = torch.full((4, 32, 32), 4.0)
    depth[0, 16, 20], depth[0, 16, 24] = 2.0, 9.0
    found = witnesses(wall_means(cameras, depth), cameras)
    support = found.support().view(4, 32, 32)
    assert found.confirming.view(4, 32, 32)[0, 16, 16] == 3
    assert float(support[0, 16, 16]) == pytest.approx((3 + PRIOR) / (3 + 2 * PRIOR))
    assert float(support[0, 16, 20]) == pytest.approx(max(LEAST_SUPPORT, PRIOR / (3 + 2 * PRIOR)))
    assert float(support[0, 16, 24]) == pytest.approx(0.5)  # hidden from all: nobody knows


def test_a_single_view_has_no_witness():
    cameras = wall([0.0]).cameras
    support = witnesses(wall_means(cameras, torch.full((1, 32, 32), 4.0)), cameras).support()
    assert torch.equal(support, torch.full_like(support, 0.5))


def test_masked_pixels_say_nothing():
    cameras = wall([0.0, 0.2, 0.4, 0.6]).cameras
    depth = torch.full((4, 32, 32), 4.0)
    depth[0, 16, 20] = 2.0
    known = torch.ones(4, 32, 32, dtype=torch.bool)
    known[1:3] = False
    found = witnesses(wall_means(cameras, depth), cameras, known.flatten())
    assert not found.floating().any()  # only the last view still sees through it
    assert found.seeing_through.view(4, 32, 32)[0, 16, 20] == 1
    assert found.confirming.view(4, 32, 32)[0, 16, 16] == 1
    assert found.confirming.view(4, 32, 32)[3, 16, 16] == 1  # by the first
