"""A wall at depth 4 seen by cameras side by side, and one Gaussian that is brought close."""

import torch

from ilrm_cli.model.consistency import floating
from ilrm_cli.model.rays import directions_through, pixel_centers
from tests.model.test_matching import wall


def wall_means(cameras, depth: torch.Tensor) -> torch.Tensor:
    pixels = pixel_centers(cameras.width, cameras.height, cameras.focal_px).expand(len(cameras), -1, -1, -1)
    means = cameras.positions[:, None, None] + depth[..., None] * directions_through(cameras, pixels)
    return means.flatten(0, 2)


def test_a_wall_that_all_views_agree_on_stays():
    cameras = wall([0.0, 0.2, 0.4, 0.6]).cameras
    assert not floating(wall_means(cameras, torch.full((4, 32, 32), 4.0)), cameras).any()


def test_what_three_others_see_through_floats():
    cameras = wall([0.0, 0.2, 0.4, 0.6]).cameras
    depth = torch.full((4, 32, 32), 4.0)
    depth[0, 16, 20] = 2.0
    found = floating(wall_means(cameras, depth), cameras)
    assert found.nonzero().flatten().tolist() == [16 * 32 + 20]


def test_one_witness_is_not_enough():
    cameras = wall([0.0, 0.2]).cameras
    depth = torch.full((2, 32, 32), 4.0)
    depth[0, 16, 20] = 2.0
    assert not floating(wall_means(cameras, depth), cameras).any()


def test_what_lies_behind_a_surface_is_merely_hidden():
    cameras = wall([0.0, 0.2, 0.4, 0.6]).cameras
    depth = torch.full((4, 32, 32), 4.0)
    depth[0, 16, 20] = 9.0
    assert not floating(wall_means(cameras, depth), cameras).any()
