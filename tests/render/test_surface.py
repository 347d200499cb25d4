"""The surface of fields: a ball's mesh is a closed sphere, and Gaussians on it look like the field."""

import math
from dataclasses import replace

import pytest
import torch

from ilrm_cli.geometry.fields import Marching
from ilrm_cli.render.metrics import psnr
from ilrm_cli.render.rasterize import render
from ilrm_cli.render.surface import discs, levels, surface_of
from ilrm_cli.render.volume import render_field
from ilrm_cli.runtime.errors import InputError
from tests.render.test_volume import cameras
from tests.support.solid_fields import Ball, Solid


@pytest.fixture(scope="module")
def ball():
    return surface_of(Ball(0.0), 32).mesh


def test_vertices_lie_on_the_sphere_and_face_outward(ball):
    radius = ball.vertices.norm(dim=-1)
    assert torch.allclose(radius, torch.tensor(Ball.RADIUS), atol=0.01)
    assert ((ball.normals * ball.vertices).sum(-1) / radius).min() > 0.95


def test_the_mesh_is_closed_and_of_the_ball_s_volume(ball):
    edges = torch.cat([ball.triangles[:, pair] for pair in ([0, 1], [1, 2], [2, 0])])
    one_way = {tuple(edge) for edge in edges.tolist()}
    assert len(one_way) == len(edges), "no edge is used twice in one direction"
    assert all((b, a) in one_way for a, b in one_way), "each is used in the other direction as well"
    assert len(ball.vertices) - len(edges) // 2 + len(ball.triangles) == 2, "Euler's number of a sphere"
    a, b, c = ball.vertices[ball.triangles].unbind(1)
    volume = (a * torch.linalg.cross(b, c)).sum(-1).sum() / 6
    assert volume.item() == pytest.approx(4 / 3 * math.pi * Ball.RADIUS**3, rel=0.02)


def test_colours_are_the_field_s(ball):
    assert torch.allclose(ball.colors, Ball(0.0).sampled(ball.vertices, ball.normals)[1])


def test_looking_coarsely_first_changes_nothing_at_the_surface(monkeypatch):
    two_steps = levels(Ball(0.0), 32)
    monkeypatch.setattr("ilrm_cli.render.surface.COARSER", 64)
    in_one = levels(Ball(0.0), 32)
    near = in_one.abs() < 0.5
    assert near.any()
    assert torch.equal(two_steps[near], in_one[near])
    assert torch.equal(two_steps > 0, in_one > 0)


def test_what_fills_its_box_is_closed_by_it():
    cube = surface_of(Solid(50.0), 8).mesh
    assert cube.vertices.abs().max() <= 0.5 + 1 / 16
    assert len(cube.vertices) - 3 * len(cube.triangles) // 2 + len(cube.triangles) == 2
    assert len(surface_of(Solid(50.0), 16).mesh.vertices) > len(cube.vertices), "also where a coarse look finds no edge"


def test_an_empty_field_is_refused():
    with pytest.raises(InputError, match="found nothing solid: its density is nowhere above 10"):
        surface_of(Solid(1.0), 8)


def test_gaussians_on_the_surface_look_like_the_field():
    field, views = Ball(0.0, Marching(128)), cameras(48, 48)
    views = replace(views, focal_px=views.focal_px * 6)
    theirs, ours = render_field(field, views), render(discs(surface_of(field, 64)), views)
    assert psnr(ours.color, theirs.color).min() > 30
    middle = (slice(None), 24, 24)
    assert torch.allclose(theirs.depth[middle], ours.depth[middle], atol=0.06), "the field is soft"
