"""Textures: finer than a mesh's vertices, painted by whoever sees a place best, and read by another library."""

import io
import math

import numpy as np
import pytest
import torch
import trimesh

from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.harmonics import fibonacci_sphere
from ilrm_cli.geometry.meshes import Mesh
from ilrm_cli.render import texture as stage
from ilrm_cli.render.mesh_pictures import flat_picture
from ilrm_cli.render.surface import Surface, discs
from ilrm_cli.render.texture import textured
from ilrm_cli.scene.formats.mesh import encode_mesh
from tests.support.shelled import around

NEAR, WHITE, REACH = 0.01, torch.ones(3), 0.05
COUNT = 20_000  # discs on the ball


def stripes(points: torch.Tensor) -> torch.Tensor:
    """Return colours whose first channel changes far within a triangle of the mesh."""
    return torch.stack([0.5 + 0.4 * torch.sin(15 * points[:, 2]), *(points[:, :2].T * 0.4 + 0.5)], dim=1)


def ball() -> tuple[Gaussians, Mesh]:
    """Return a striped unit ball as a scene, and as a coarse mesh without colours."""
    points = fibonacci_sphere(COUNT, torch.zeros(1))
    surface = Mesh(points, points, stripes(points), torch.zeros(0, 3, dtype=torch.long))
    made = trimesh.creation.icosphere(subdivisions=2)
    mesh = Mesh.from_triangles(torch.from_numpy(made.vertices).float(), torch.from_numpy(made.faces).long())
    return discs(Surface(surface, torch.full((3,), math.sqrt(4 * math.pi / COUNT)))), mesh


def painted(scene: Gaussians, mesh: Mesh, cameras: int = 24) -> Mesh:
    groups = [around(cameras, side_px=192, focal_px=225.0).to(torch.float32)]
    return textured(mesh, scene, groups, NEAR, WHITE, reach=REACH)


def test_the_texture_shows_what_a_colour_per_vertex_cannot():
    scene, mesh = ball()
    made = painted(scene, mesh)
    found = made.texture
    assert float(made.areas.sum()) == pytest.approx(float(mesh.areas.sum()), rel=1e-5), "it is cut, not changed"
    height, width = found.image.shape[1:]
    pixels = found.uvs * torch.tensor([width, height])
    on_mesh, places = flat_picture(pixels, made.vertices, made.triangles, width, height)
    truth = stripes(torch.nn.functional.normalize(places[:, on_mesh].T, dim=1))
    by_vertex = flat_picture(pixels, stripes(made.vertices), made.triangles, width, height)[1][:, on_mesh].T
    error, error_by_vertex = ((colors - truth).abs().mean(0) for colors in (found.image[:, on_mesh].T, by_vertex))
    assert (error < 0.04).all()
    assert error[0] < 0.4 * error_by_vertex[0]


def test_what_no_camera_sees_keeps_the_colours_of_the_vertices():
    scene, mesh = ball()
    one = around(1, side_px=192, focal_px=225.0).to(torch.float32)
    made = textured(mesh, scene, [one], NEAR, WHITE, reach=REACH)
    toward = torch.nn.functional.normalize(one.positions[0], dim=0)
    height, width = made.texture.image.shape[1:]
    column, row = (made.texture.uvs * torch.tensor([width - 1, height - 1])).round().long().unbind(1)
    shown = made.texture.image[:, row, column].T
    behind = made.normals @ toward < -0.3
    assert (shown[behind] == 0.5).all(), "the grey of a mesh without colours"
    assert (shown[made.normals @ toward > 0.5] - 0.5).abs().mean() > 0.05


def test_another_library_reads_the_texture_of_a_glb(monkeypatch):
    monkeypatch.setattr(stage, "MOST_PX", 300)
    scene, mesh = ball()
    made = painted(scene, mesh, cameras=12)
    assert max(made.texture.image.shape) == 300
    read = trimesh.load(io.BytesIO(encode_mesh(made, ".glb")), file_type="glb", force="mesh", process=False)
    assert read.visual.kind == "texture"
    image = np.asarray(read.visual.material.baseColorTexture.convert("RGB"))
    assert image.shape == (*made.texture.image.shape[1:], 3)
    colors = np.asarray(read.visual.to_color().vertex_colors)[:, :3] / 255
    expected = stripes(torch.from_numpy(np.array(read.vertices)).float()).numpy()
    assert np.abs(colors - expected).mean() < 0.06
