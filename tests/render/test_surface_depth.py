"""Depth of surfaces: exact on tilted walls, and blind to what lies behind them or floats before them."""

import math

import pytest
import torch

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.transforms import Similarity
from ilrm_cli.render.cpu.surface_depth import surface_depth
from ilrm_cli.render.depth_maps import depth_map
from ilrm_cli.render.rasterize import render
from tests.support.shelled import covered, patch

SIDE = 64
WHITE = torch.ones(3)
FAR_WALL = Gaussians.isotropic(torch.tensor([[0.0, 0.0, 50.0]]), torch.tensor([40.0]), torch.zeros(1, 3), 0.99)


def wall(tilt_deg: float, distance: float = 4.0) -> Gaussians:
    """Return a wall ahead of the camera, turned about the vertical axis."""
    points, normals, spacing = patch(40)
    angle = math.radians(tilt_deg)
    turn = torch.tensor([[math.cos(angle), 0, math.sin(angle)], [0, 1, 0], [-math.sin(angle), 0, math.cos(angle)]])
    ahead = Similarity(1.0, turn.double(), torch.tensor([0.0, 0.0, distance]).double())
    return covered(points, -normals, spacing).transformed(ahead)


@pytest.fixture
def camera() -> Cameras:
    return Cameras(torch.eye(4)[None], torch.full((1, 2), 160.0), torch.full((1, 2), SIDE / 2), SIDE, SIDE)


def true_depth(tilt_deg: float, camera: Cameras, distance: float = 4.0) -> torch.Tensor:
    """Return where the ray of each pixel meets the wall."""
    column = (torch.arange(SIDE) + 0.5 - SIDE / 2) / 160.0
    slope = math.tan(math.radians(tilt_deg))
    return (distance / (1 + slope * column)).expand(SIDE, SIDE)


@pytest.mark.parametrize("tilt_deg", [0.0, 40.0, 60.0])
def test_the_depth_of_a_wall_is_that_of_its_plane(camera, tilt_deg):
    _, _, depth = surface_depth(wall(tilt_deg), camera, WHITE, 0.01)
    truth = true_depth(tilt_deg, camera)
    within = slice(16, 48)
    assert (depth - truth)[within, within].abs().max() < 0.004 * 4
    assert (depth - truth)[within, within].mean().abs() < 0.0015 * 4


def test_what_lies_behind_does_not_count_nor_what_floats_before(camera):
    clean = surface_depth(wall(20.0), camera, WHITE, 0.01)[2]
    floater = Gaussians.isotropic(torch.tensor([[0.0, 0.0, 1.0]]), torch.tensor([0.2]), torch.zeros(1, 3), 0.3)
    scene = Gaussians.concatenated(wall(20.0), FAR_WALL, floater)
    depth = surface_depth(scene, camera, WHITE, 0.01)[2]
    within = slice(16, 48)
    assert torch.allclose(depth[within, within], clean[within, within], atol=0.01)
    plain = render(scene, camera).depth[0]
    assert (plain - clean)[within, within].abs().mean() > 0.1, "the mean of depth is led astray"


def test_colour_and_alpha_are_those_of_the_renderer(camera):
    color, alpha, _ = surface_depth(wall(30.0), camera, torch.tensor([0.1, 0.2, 0.3]), 0.01)
    drawn = render(wall(30.0), camera, background=torch.tensor([0.1, 0.2, 0.3]))
    assert torch.equal(color, drawn.color[0])
    assert torch.equal(alpha, drawn.alpha[0])


def test_where_less_than_half_of_the_light_is_stopped_there_is_no_depth(camera):
    faint = Gaussians.isotropic(torch.tensor([[0.0, 0.0, 2.0]]), torch.tensor([0.3]), torch.zeros(1, 3), 0.45)
    assert surface_depth(faint, camera, WHITE, 0.01)[2].isinf().all()


def test_a_map_knows_surfaces_emptiness_and_what_it_does_not_know(camera):
    seen = depth_map(wall(0.0, 8.0), camera, 0.01)  # the wall covers the middle 40 px of 64
    assert seen.depth[32, 32] == pytest.approx(8.0, rel=1e-3)
    assert seen.trust[32, 32] > 0.98
    assert seen.depth[2, 2].isinf()
    assert seen.trust[2, 2] == 0
    edge = seen.depth[32, :]
    assert edge.isnan().sum() <= 4, "only at the wall's rim"
    assert torch.allclose(seen.points()[:, 2], torch.tensor(8.0), atol=0.03)


def test_a_step_between_two_surfaces_is_not_a_surface(camera):
    near = wall(0.0, 4.0)
    half = near[near.means[:, 0] < 0]
    seen = depth_map(Gaussians.concatenated(half, wall(0.0, 6.0)), camera, 0.01)
    row = seen.depth[32]
    known = row[row.isfinite()]
    assert (((known - 4).abs() < 0.05) | ((known - 6).abs() < 0.05)).all()


@pytest.mark.parametrize("tilt_deg", [0.0, 30.0, 60.0])
def test_trust_is_the_cosine_at_which_a_ray_meets_the_wall(camera, tilt_deg):
    seen = depth_map(wall(tilt_deg), camera, 0.01)
    assert seen.trust[30:34, 30:34].mean() == pytest.approx(math.cos(math.radians(tilt_deg)), abs=0.05)
