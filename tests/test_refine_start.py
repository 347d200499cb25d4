"""Doubtful Gaussians become faint, known points are added."""

from dataclasses import replace

import torch

from ilrm_cli.pipeline.refine import DOUBT, refine_start
from tests.models.test_plane_sweep import wall
from tests.test_refine import scene


def test_opacity_follows_support_and_points_come_after():
    known = torch.zeros(2, 32, 32)
    known[0, 3, 5] = known[1, 8, 9] = 4.0
    predicted, support = scene(), torch.linspace(0.1, 1, 300)
    start = refine_start(predicted, support, replace(wall([0.0, 0.5]), sparse_depth=known))
    assert len(start) == 302
    torch.testing.assert_close(start.opacities[:300], 0.8 * support**DOUBT)
    assert torch.equal(start.means[:300], predicted.means)
