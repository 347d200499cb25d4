"""Volume rendering: what is known of a slab, of nothing, and of random numbers."""

import math
from dataclasses import replace

import pytest
import torch

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.fields import Box, Marching, Rays
from ilrm_cli.render import volume
from ilrm_cli.render.volume import Draws, between_midpoints, by_parts, march, render_field, stratified, weights_of
from tests.support.solid_fields import Ball, Solid

WAYS = {
    "sample": Marching(32),
    "interval": Marching(33, per="interval"),
    "with importance": Marching(24, importance=8, around_depth=4, refined=True),
    "interval with importance": Marching(24, importance=24, per="interval"),
}
AHEAD = Rays(torch.tensor([[-2.0, 0.1, 0.2]]), torch.tensor([[1.0, 0.0, 0.0]]))  # one unit of the cube
SLANTED = Rays(torch.tensor([[-2.0, -2.0, 0.0]]), torch.tensor([[1.0, 1.0, 0.0]]) / math.sqrt(2))  # sqrt(2) of it


def cameras(width: int = 6, height: int = 5) -> Cameras:
    """Return two cameras that look at the origin along +x and -x, from 2 away."""
    poses = torch.eye(4).repeat(2, 1, 1)
    for number, sign in enumerate((1.0, -1.0)):
        poses[number, :3, :3] = torch.tensor([[0.0, 0, sign], [-sign, 0, 0], [0, -1, 0]])
        poses[number, 0, 3] = -2 * sign
    focal, center = torch.full((2, 2), 8.0), torch.tensor([[width / 2, height / 2]]).repeat(2, 1)
    return Cameras(poses, focal, center, width, height)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("sigma", [0.3, 4.0])
def test_a_slab_of_constant_density(way, sigma):
    for rays, length in ((AHEAD, 1.0), (SLANTED, math.sqrt(2))):
        found = march(Solid(sigma, WAYS[way]), rays)
        assert found.alpha.item() == pytest.approx(1 - math.exp(-sigma * length), rel=2e-4 if "with" in way else 1e-5)
        assert found.weights.shape[-1] == WAYS[way].total - (WAYS[way].per == "interval")


def test_with_the_unit_step_the_length_of_the_slab_is_nothing():
    field = Solid(1.5, Marching(32, step="unit"))
    assert march(field, AHEAD).alpha.item() == pytest.approx(1 - math.exp(-1.5), rel=1e-6)
    assert march(field, SLANTED).alpha.item() == pytest.approx(1 - math.exp(-1.5), rel=1e-6)


@pytest.mark.parametrize("way", WAYS)
def test_where_nothing_is_the_background_shows(way):
    drawn = render_field(Solid(0.0, WAYS[way]), cameras(), background=torch.tensor([0.1, 0.5, 0.9]))
    assert torch.equal(drawn.color[:, 1], torch.full_like(drawn.color[:, 1], 0.5))
    assert not drawn.alpha.any()
    assert not drawn.depth.any()


def test_rays_that_miss_the_box_show_the_background():
    """As at elevations where others fail."""
    away = cameras()
    away = away.moved(away.world_from_cam + torch.tensor([[0, 0, 0, 0], [0, 0, 0, 9.0], [0, 0, 0, 0], [0, 0, 0, 0]]))
    drawn = render_field(Solid(50.0), away)
    assert torch.equal(drawn.color, torch.ones_like(drawn.color))
    assert drawn.depth.isfinite().all()


def test_a_solid_cube_has_its_colour_and_depth():
    drawn = render_field(Solid(1e4, Marching(256)), cameras(5, 5))
    middle = drawn.color[:, :, 2, 2]
    assert torch.allclose(middle, torch.tensor([0.2, 0.4, 0.8]).expand(2, 3), atol=1e-4)
    assert torch.allclose(drawn.depth[:, 2, 2], torch.tensor(1.5), atol=1 / 256)  # z to the face, both ways
    assert drawn.depth[0, 2, 1].item() == pytest.approx(1.5, abs=1 / 128)  # z, not the longer way along the ray


def test_chunks_bound_the_memory_and_change_nothing(monkeypatch):
    whole = render_field(Ball(0.0), cameras())
    monkeypatch.setattr(volume, "MOST_POINTS", 300)
    field = Ball(0.0)
    parts = render_field(field, cameras())
    assert field.most_points <= 300
    assert torch.equal(whole.color, parts.color)


def test_random_numbers_move_samples_and_are_followed():
    near, far = torch.zeros(1), torch.ones(1) * 2
    jitter = torch.tensor([[0.0, 0.25, 0.5, 0.75]])
    assert stratified(near, far, Marching(4), jitter).tolist() == [[0.0, 0.625, 1.25, 1.875]]
    assert stratified(near, far, Marching(5, per="interval"), None).tolist() == [[0.0, 0.5, 1.0, 1.5, 2.0]]
    field = Solid(2.0, Marching(4, importance=2))
    drawn = march(field, AHEAD, Draws(jitter, torch.tensor([[0.1, 0.9]]), torch.tensor([[0.0, 0.5]])))
    assert drawn.distances.shape == (1, 6)
    assert not torch.equal(drawn.distances, march(field, AHEAD).distances)


def test_further_samples_lie_where_weights_are():
    weights = torch.tensor([[0.0, 0.0, 1.0, 0.0, 0.0, 0.0]])
    quantile = torch.linspace(0.02, 0.98, 20)[None]
    chosen = by_parts(weights, quantile, None, torch.zeros(1), torch.full((1,), 6.0))
    assert ((chosen > 2) & (chosen < 3)).all()
    chosen = between_midpoints(torch.arange(7.0)[None], weights, quantile)
    assert (chosen.diff(dim=-1) > 0).all()
    assert ((chosen > 0.5) & (chosen < 3.5)).all(), "smoothing widens by a part on both sides"


def test_weights_sum_to_what_is_not_let_through():
    density, lengths = torch.rand(3, 9, dtype=torch.double) * 5, torch.rand(3, 9, dtype=torch.double)
    left = torch.exp(-(density * lengths).sum(-1))
    assert torch.allclose(weights_of(density, lengths).sum(-1), 1 - left)
    assert torch.autograd.gradcheck(weights_of, (density.requires_grad_(), lengths))


def test_the_box_says_where_rays_are_inside():
    box = Box.cube(0.5, torch.zeros(1))
    along = Rays(torch.tensor([[0.0, 0, 0], [-2, 2, 0], [2, 0, 0]]), torch.tensor([[0.0, 0, 1]]).repeat(3, 1))
    span = box.span(along)
    assert span.met.tolist() == [True, False, False]
    assert span.near.tolist() == [0, 0, 0]
    assert span.far.tolist() == pytest.approx([0.5, 0, 0])


def test_gradients_reach_the_field():
    field = Solid(2.0, replace(WAYS["interval with importance"], samples=8))
    field.color.requires_grad_()
    render_field(field, cameras(3, 3)).color.sum().backward()
    assert field.color.grad.abs().sum() > 0
