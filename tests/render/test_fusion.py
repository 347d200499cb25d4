"""Depth maps fused: where the surface is, what is unknown, and how solids are closed."""

import pytest
import torch

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.render.depth_maps import DepthMap
from ilrm_cli.render.fusion import TRUNCATION, Grid, NoSurface, fused, surface_in
from ilrm_cli.runtime.progress import ignore

SIDE = 32


def seen_wall(depth: float, trust: float = 1.0, hole: slice | None = None) -> DepthMap:
    """Return what a camera at the origin sees of a wall; through a hole it sees nothing."""
    camera = Cameras(torch.eye(4)[None], torch.full((1, 2), 32.0), torch.full((1, 2), SIDE / 2), SIDE, SIDE)
    z, sure = torch.full((SIDE, SIDE), depth), torch.full((SIDE, SIDE), trust)
    if hole is not None:
        z[hole], sure[hole] = torch.inf, 0.0
    return DepthMap(camera, z, sure, torch.full((3, SIDE, SIDE), 0.5))


GRID = Grid.over(torch.tensor([-0.4, -0.4, 1.0]), torch.tensor([0.4, 0.4, 2.6]), 0.05)


def test_a_grid_holds_its_box_with_a_cell_around_it():
    last = GRID.least + GRID.cell * (torch.tensor(GRID.shape) - 1)
    assert torch.allclose(GRID.least, torch.tensor([-0.45, -0.45, 0.95]))
    assert (last >= torch.tensor([0.4, 0.4, 2.6]) + GRID.cell - 1e-6).all()
    assert GRID.bytes > GRID.places


def test_the_surface_is_where_the_map_shows_it_and_faces_the_camera():
    mesh = surface_in(fused([seen_wall(2.0)], GRID, 0.01), closed=False, report=ignore)
    assert torch.allclose(mesh.vertices[:, 2], torch.tensor(2.0), atol=1e-4)
    assert (mesh.normals[:, 2] < -0.99).all()


def test_two_maps_meet_in_their_mean_weighted_by_trust_squared():
    both = fused([seen_wall(2.0, 1.0), seen_wall(2.06, 0.5)], GRID, 0.01)
    z = surface_in(both, closed=False, report=ignore).vertices[:, 2].mean().item()
    # Trust 1/2 is a ray that meets its wall at 60 degrees: it tells half of its distances, at a quarter of the weight.
    # (2 - z) + (2.06 - z) / 2 / 4 = 0; with its plain trust for a weight it would be 2.012.
    assert z == pytest.approx(2 + 0.06 / 9, abs=0.0015)


def test_far_behind_a_surface_nothing_is_known():
    field = fused([seen_wall(2.0)], GRID, 0.01)
    behind = int((2.0 + 1.2 * TRUNCATION * GRID.cell - float(GRID.least[2])) / GRID.cell) + 1
    assert (field.weight[:, :, behind:] == 0).all()
    assert (field.distance[8, 8, : behind // 2] == 1).all()


def test_a_ray_that_meets_nothing_clears_its_way():
    field = fused([seen_wall(2.0, hole=slice(0, 16))], GRID, 0.01)
    assert (field.distance[8, 4, 5:] == 1).all(), "above the middle"
    assert field.distance[8, 12].min() < 0, "below it"


def test_the_mesh_is_open_where_nothing_was_seen_and_closed_if_asked():
    field = fused([seen_wall(2.0)], GRID, 0.01)
    assert not surface_in(field, closed=False, report=ignore).is_closed()
    solid = surface_in(field, closed=True, report=ignore)
    assert solid.is_closed()
    assert solid.volume > 0


def test_no_surface_is_told_in_one_sentence():
    with pytest.raises(NoSurface, match="no surface was found"):
        surface_in(fused([seen_wall(50.0)], GRID, 0.01), closed=False, report=ignore)
    behind = Grid.over(torch.tensor([-0.4, -0.4, 2.02]), torch.tensor([0.4, 0.4, 2.2]), 0.05)
    with pytest.raises(NoSurface):  # all that was seen here is solid
        surface_in(fused([seen_wall(1.95, hole=slice(0, 3))], behind, 0.01), closed=False, report=ignore)


def test_the_open_mesh_stays_within_the_box():
    mesh = surface_in(fused([seen_wall(2.0)], GRID, 0.01), closed=False, report=ignore)
    assert mesh.vertices[:, :2].abs().max() <= 0.4 + 1e-5
