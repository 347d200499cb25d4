"""Meshes: areas, volume, parts and whether they are closed, on solids whose numbers are known."""

import pytest
import torch

from ilrm_cli.geometry.meshes import Mesh
from ilrm_cli.geometry.transforms import Similarity, matrix_from_quaternion

CORNERS = torch.tensor([[x, y, z] for x in (0.0, 1.0) for y in (0.0, 1.0) for z in (0.0, 1.0)])
SQUARES = ((0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3))  # from outside
TRIANGLES = torch.tensor([corner for a, b, c, d in SQUARES for corner in ((a, b, c), (a, c, d))])


@pytest.fixture
def cube() -> Mesh:
    """Return the unit cube, away from the origin."""
    return Mesh.from_triangles(CORNERS + 5, TRIANGLES)


def test_a_cube_has_its_area_and_volume_and_is_closed(cube):
    assert cube.areas.sum().item() == pytest.approx(6)
    assert cube.volume == pytest.approx(1)
    assert cube.is_closed()


def test_turned_inside_out_its_volume_is_negative(cube):
    inward = Mesh.from_triangles(cube.vertices, cube.triangles.flip(1))
    assert inward.volume == pytest.approx(-1)
    assert inward.is_closed()


def test_without_a_triangle_or_with_one_turned_it_is_open(cube):
    assert not cube.of_triangles(torch.arange(12) > 0).is_closed()
    turned = cube.triangles.clone()
    turned[0] = turned[0].flip(0)
    assert not Mesh.from_triangles(cube.vertices, turned).is_closed()


def test_normals_point_outward(cube):
    outward = torch.nn.functional.normalize(cube.vertices - 5.5, dim=1)
    assert ((cube.normals * outward).sum(1) > 0.8).all()


def test_in_another_frame_area_and_volume_grow_and_normals_turn(cube):
    turn = matrix_from_quaternion(torch.tensor([0.5, 0.5, 0.5, 0.5], dtype=torch.float64))
    moved = cube.moved(Similarity(2.0, turn, torch.tensor([1.0, 2.0, 3.0]).double()))
    assert moved.areas.sum().item() == pytest.approx(24, rel=1e-5)
    assert moved.volume == pytest.approx(8, rel=1e-5)
    assert torch.allclose(moved.normals, cube.normals @ turn.float().T)


def test_small_islands_go_with_their_vertices(cube):
    small = Mesh.from_triangles(torch.cat([cube.vertices, CORNERS * 0.1]), torch.cat([TRIANGLES, TRIANGLES + 8]))
    kept = small.without_islands(0.02)  # the small one has a hundredth of the area
    assert len(kept.triangles) == 12
    assert torch.equal(kept.vertices, cube.vertices)
    assert len(small.without_islands(0.005).triangles) == 24


def test_the_largest_part_stays_whatever_its_share(cube):
    assert len(cube.without_islands(2.0).triangles) == 12


def test_no_triangles_are_a_mesh_too(cube):
    nothing = cube.of_triangles(torch.zeros(12, dtype=torch.bool))
    assert not len(nothing.vertices)
    assert not len(nothing.without_islands(0.1).triangles)
