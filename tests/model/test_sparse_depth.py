"""Two surfaces of different colour, one sparse point on each."""

import torch

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.models.layers.plane_sweep import log_planes
from ilrm_cli.models.layers.sparse_points import spread_points

CAMERA = Cameras(torch.eye(4)[None], torch.full((1, 2), 20.0), torch.full((1, 2), 10.0), 20, 20)
PLANES = log_planes((1.0, 16.0), 5, torch.zeros(()))  # 1, 2, 4, 8, 16


def halves() -> tuple[torch.Tensor, torch.Tensor]:
    """Return left half black at depth 2, right half white at depth 8; the image has twice the grid's resolution."""
    colors = torch.zeros(3, 20, 20)
    colors[..., 10:] = 1.0
    sparse = torch.zeros(40, 40)
    sparse[20, 10], sparse[20, 22] = 2.0, 8.0
    return sparse, colors


def test_depth_spreads_over_its_colour():
    share, log_depth = spread_points(*halves(), CAMERA, PLANES, limit=100)
    assert (log_depth[..., :10].exp() - 2).abs().max() < 1e-3
    assert (log_depth[..., 10:].exp() - 8).abs().max() < 1e-3
    torch.testing.assert_close(share[10, 5, 1] / share[10, 5].sum(), torch.tensor(1.0), atol=1e-3, rtol=0)


def test_confidence_falls_with_distance():
    share = spread_points(*halves(), CAMERA, PLANES, limit=100)[0].sum(-1)
    assert share[10, 5] > 0.5
    assert share[0, 5] < 0.01
    assert (share <= 1 + 1e-6).all()


def test_a_depth_between_planes_is_shared_by_both():
    sparse, colors = halves()
    share, _ = spread_points(torch.where(sparse == 2, 2**1.5, sparse), colors, CAMERA, PLANES, limit=100)
    torch.testing.assert_close(share[10, 5, 1], share[10, 5, 2], rtol=1e-3, atol=0)
    beyond, _ = spread_points(torch.where(sparse == 2, 50.0, sparse), colors, CAMERA, PLANES, limit=100)
    assert beyond[10, 5].argmax() == 4


def test_no_point_and_too_many():
    sparse, colors = halves()
    assert spread_points(torch.zeros_like(sparse), colors, CAMERA, PLANES, limit=10) is None
    share, log_depth = spread_points(torch.full_like(sparse, 3.0), colors, CAMERA, PLANES, limit=7)
    torch.testing.assert_close(log_depth.exp(), torch.full_like(log_depth, 3.0))
    assert share.isfinite().all()
