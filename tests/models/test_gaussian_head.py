"""Known raw numbers through both mappings, and patches as tokens."""

import math

import pytest
import torch

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.harmonics import SH_C0
from ilrm_cli.models.layers.config import HeadConfig
from ilrm_cli.models.layers.gaussian_head import FOOTPRINT_FRACTION, GaussianHead, channels_of
from ilrm_cli.models.layers.plane_sweep import Matches
from ilrm_cli.models.layers.tokens import patchify, unpatchify

TURN = torch.tensor([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])  # a camera that looks along +x


def camera() -> Cameras:
    pose = torch.eye(4)[None].clone()
    pose[0, :3, :3] = TURN
    return Cameras(pose, torch.full((1, 2), 10.0), torch.full((1, 2), 0.5), width=1, height=1)


def gaussians_of(config: HeadConfig, raw: list[float], matches: Matches | None = None):
    head = GaussianHead(config, width=4, patch=1)
    gray = torch.full((1, 3, 1, 1), 0.75)
    return head.gaussians(torch.tensor(raw).view(1, 1, 1, -1), camera(), gray, matches)


def test_channels_of_the_published_heads():
    assert channels_of(HeadConfig(offset=False)) == 14
    assert channels_of(HeadConfig(offset=True)) == 16


def test_published_mapping():
    raw = [0, 0, *[math.log(1 / 4)] * 3, 0.1, 0.2, 0.3, -1.0, 0.0, 50.0, 0.0, 2.0, 0, 0, 2.0]
    g = gaussians_of(HeadConfig(), raw)
    torch.testing.assert_close(g.means, torch.tensor([[100.0, 0, 0]]), atol=1e-3, rtol=0)  # 500 * 1/5 along +x
    torch.testing.assert_close(g.scales, torch.tensor([[-7.9, -6.9, -1.2]]).exp())
    torch.testing.assert_close(g.quaternions, torch.tensor([[0.0, 1, 0, 0]]))
    torch.testing.assert_close(g.opacities, torch.tensor([0.5]))
    torch.testing.assert_close(g.harmonics, torch.tensor([[[0.1, 0.2, 0.3]]]))


def test_matched_mapping_of_zeros_is_the_plain_splat():
    """The best matches' depth, the pixel's colour and size, half opaque, upright in the camera."""
    config = HeadConfig(depth="matched", scale="footprint", opacity_shift=0.0, rotation="camera", color="pixel")
    depths = torch.tensor([4.0, 4.0]).log().view(1, 1, 1, 2)
    matches = Matches(torch.zeros(1, 1, 1, 2), depths, torch.tensor([[1.0, 100.0]]).log())
    g = gaussians_of(config, [0.0] * channels_of(config), matches)
    torch.testing.assert_close(g.means, torch.tensor([[4.0, 0, 0]]), atol=1e-5, rtol=0)
    torch.testing.assert_close(g.scales, torch.full((1, 3), FOOTPRINT_FRACTION * 4 / 10))
    torch.testing.assert_close(g.opacities, torch.tensor([0.5]))
    torch.testing.assert_close(0.5 + SH_C0 * g.harmonics, torch.full((1, 1, 3), 0.75))
    half = 0.5**0.5
    torch.testing.assert_close(g.quaternions, torch.tensor([[half, 0, half, 0]]))


def test_depth_stays_near_the_swept_range():
    config = HeadConfig(offset=False, depth="matched", scale="footprint", rotation="camera", color="pixel")
    matches = Matches(torch.zeros(1, 1, 1, 2), torch.zeros(1, 1, 1, 2), torch.tensor([[1.0, 2.0]]).log())
    far = gaussians_of(config, [1e3, 0.0] + [0.0] * 11, matches)
    assert 2.0 < float(far.means[0, 0]) < 4.1


def test_the_choice_moves_depth_from_the_best_to_the_mean():
    config = HeadConfig(offset=False, depth="matched", scale="footprint", rotation="camera", color="pixel")
    depths = torch.tensor([2.0, 8.0]).log().view(1, 1, 1, 2)
    matches = Matches(torch.zeros(1, 1, 1, 2), depths, torch.tensor([[1.0, 100.0]]).log())
    depth = [float(gaussians_of(config, [0.0, choice] + [0.0] * 11, matches).means[0, 0]) for choice in (-30, 2.0, 30)]
    assert depth == [pytest.approx(2.0), pytest.approx(4.0, abs=1e-4), pytest.approx(8.0)]


def test_order_is_row_column_channel():
    grid = torch.arange(2 * 4 * 2).reshape(1, 2, 4, 2).float()  # [V, H, W, C]
    tokens = patchify(grid, 2)
    assert tokens.shape == (1, 2, 8)
    assert tokens[0, 0].tolist() == [0, 1, 2, 3, 8, 9, 10, 11]
    assert tokens[0, 1].tolist() == [4, 5, 6, 7, 12, 13, 14, 15]


def test_unpatchify_undoes_patchify():
    grid = torch.randn(2, 8, 12, 5)
    torch.testing.assert_close(unpatchify(patchify(grid, 4), 4, columns=3), grid)
