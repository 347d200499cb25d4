"""Solids whose surfaces are covered with discs, and cameras around them."""

import math
from pathlib import Path

import torch

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.harmonics import fibonacci_sphere
from ilrm_cli.geometry.meshes import Mesh
from ilrm_cli.geometry.transforms import Similarity
from ilrm_cli.render.paths.routes import look_at
from ilrm_cli.render.surface import Surface, discs
from ilrm_cli.scene.files import encode_scene
from ilrm_cli.scene.formats.scene_file import SceneFile
from ilrm_cli.scene.record import SceneRecord, recorded_views
from tests.support.records import write_record


def covered(points: torch.Tensor, normals: torch.Tensor, spacing: float) -> Gaussians:
    """Return a disc at each point, in colours that tell where it is."""
    mesh = Mesh(points, normals, points * 0.4 + 0.5, torch.zeros(0, 3, dtype=torch.long))
    return discs(Surface(mesh, torch.full((3,), spacing)))


def sphere(count: int = 6000) -> Gaussians:
    """Return the unit sphere."""
    points = fibonacci_sphere(count, torch.zeros(1))
    return covered(points, points, math.sqrt(4 * math.pi / count))


def patch(across: int = 60) -> tuple[torch.Tensor, torch.Tensor, float]:
    """Return points on the square of side 2 at z = 0, their normals along z, and their spacing."""
    spacing = 2 / across
    line = torch.linspace(-1 + spacing / 2, 1 - spacing / 2, across)
    points = torch.stack([*torch.meshgrid(line, line, indexing="ij"), torch.zeros(across, across)], -1).view(-1, 3)
    return points, torch.tensor([0.0, 0.0, 1.0]).expand_as(points), spacing


def box() -> Gaussians:
    """Return the cube of side 2; the discs on its edges stand out a little."""
    points, normals, spacing = patch()
    faces, outward = [], []
    for axis in range(3):
        for sign in (1.0, -1.0):
            faces.append(torch.roll(points + sign * normals, axis + 1, 1))
            outward.append(torch.roll(sign * normals, axis + 1, 1))
    return covered(torch.cat(faces), torch.cat(outward), spacing)


def around(count: int = 30, distance: float = 3.5, side_px: int = 256, focal_px: float = 300.0) -> Cameras:
    """Return cameras on a sphere that look at its middle, in float64."""
    positions = distance * fibonacci_sphere(count, torch.zeros(1)).double()
    poses = look_at(positions, torch.zeros(3).double(), torch.tensor([0.0, 0.0, 1.0]).double())
    lens = torch.full((count, 2), 1.0, dtype=torch.float64)
    return Cameras(poses, focal_px * lens, side_px / 2 * lens, side_px, side_px)


UNIT = 10.0  # a scene unit in the model's frame: near planes are not at the same numbers


def scene_of(gaussians: Gaussians, cameras: Cameras, scene: Path) -> Path:
    """Write a scene file with a record that names the cameras; return its path.

    The last camera is that of a photo that was held out, and its picture is twice as large.
    """
    names = [f"photo {index:02d}.jpg" for index in range(len(cameras))]
    last = cameras[[-1]].resized(2 * cameras.width, 2 * cameras.height)
    views = recorded_views(names[:-1], ["0" * 64] * (len(names) - 1), cameras[:-1], "input")
    views += recorded_views(names[-1:], ["0" * 64], last, "held_out")
    to_model = Similarity(UNIT, torch.eye(3).double(), torch.zeros(3).double())
    scene.write_bytes(encode_scene(SceneFile(gaussians), ".ply"))
    write_record(scene.with_suffix(".json"), SceneRecord(views, to_model, {}, 0, up=(0.0, 0.0, 1.0)))
    return scene
