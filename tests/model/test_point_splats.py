"""Points that a wall shows, as Gaussians."""

from dataclasses import replace

import torch

from ilrm_cli.geometry.harmonics import SH_C0
from ilrm_cli.pipeline.refine import FOOTPRINT_PX, point_splats
from tests.models.test_plane_sweep import wall


def test_a_point_lies_where_its_pixel_looks_in_its_color():
    views = wall([0.0, 0.5])
    known = torch.zeros(2, 32, 32)
    known[1, 10, 20] = 4.0
    splats = point_splats(replace(views, sparse_depth=known))
    cameras = views.cameras
    assert len(splats) == 1
    local = splats.means[0] - cameras.positions[1]  # the cameras of the wall are not turned
    pixel = local[:2] / local[2] * cameras.focal_px[1] + cameras.center_px[1]
    torch.testing.assert_close(pixel, torch.tensor([20.5, 10.5]))
    torch.testing.assert_close(local[2], torch.tensor(4.0))
    torch.testing.assert_close(splats.harmonics[0, 0] * SH_C0 + 0.5, views.images[1, :, 10, 20])
    torch.testing.assert_close(splats.scales * cameras.focal_px[1].mean() / 4, torch.full((1, 3), FOOTPRINT_PX))


def test_without_points_there_are_none():
    assert len(point_splats(wall([0.0, 0.5]))) == 0
