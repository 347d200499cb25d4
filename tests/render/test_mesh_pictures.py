"""Pictures of meshes: depth of planes, what hides what, and what is too near."""

import pytest
import torch

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.meshes import Mesh
from ilrm_cli.render.mesh_pictures import mesh_picture

CAMERA = Cameras(torch.eye(4)[None], torch.full((1, 2), 40.0), torch.full((1, 2), 16.0), 32, 32)


def square(z: float, shade: float, lean: float = 0.0, half: float = 0.5) -> Mesh:
    """Return a square across the camera's axis; with `lean` it is farther on the right."""
    corners = torch.tensor([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]]) * half
    vertices = torch.cat([corners, z + lean * corners[:, :1]], dim=1)
    mesh = Mesh.from_triangles(vertices, torch.tensor([[0, 2, 1], [0, 3, 2]]))
    return Mesh(mesh.vertices, mesh.normals, torch.full((4, 3), shade), mesh.triangles)


def together(a: Mesh, b: Mesh) -> Mesh:
    pairs = ((a.vertices, b.vertices), (a.normals, b.normals), (a.colors, b.colors))
    return Mesh(*(torch.cat(pair) for pair in pairs), torch.cat([a.triangles, b.triangles + len(a.vertices)]))


def test_a_square_is_where_the_camera_sees_it():
    seen = mesh_picture(square(2.0, 0.25), CAMERA, 0.01)
    assert seen.depth.isfinite().sum() == 20 * 20  # 0.5 / 2 * 40 px to each side
    assert torch.allclose(seen.depth[16, 6:26], torch.tensor(2.0))
    assert torch.allclose(seen.color[:, 16, 16], torch.tensor(0.25))
    assert (seen.color[:, 0, 0] == 1).all()


def test_depth_within_a_leaning_square_is_that_of_its_plane():
    seen = mesh_picture(square(2.0, 0.5, lean=1.0), CAMERA, 0.01)
    column = (torch.arange(32) + 0.5 - 16) / 40
    truth = (2 / (1 - column)).expand(32, 32)
    drawn = seen.depth.isfinite()
    assert torch.allclose(seen.depth[drawn], truth[drawn], rtol=1e-5)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_nearer_square_hides_the_farther_one(order):
    squares = (square(2.0, 0.2, half=0.2), square(3.0, 0.8))
    seen = mesh_picture(together(*(squares[i] for i in order)), CAMERA, 0.01)
    assert seen.color[0, 16, 16] == pytest.approx(0.2)
    assert seen.color[0, 16, 10] == pytest.approx(0.8)


def test_what_is_nearer_than_near_is_left_out():
    assert mesh_picture(square(2.0, 0.5), CAMERA, 2.5).depth.isinf().all()


def test_a_square_behind_the_camera_is_not_seen():
    assert mesh_picture(square(-2.0, 0.5), CAMERA, 0.01).depth.isinf().all()
