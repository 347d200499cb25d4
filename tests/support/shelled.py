"""Solids whose surfaces are covered with discs, and cameras around them."""

import math

import torch

from ilrm_cli.geometry.backdrop import fibonacci_sphere
from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.meshes import Mesh
from ilrm_cli.render.paths.routes import look_at
from ilrm_cli.render.surface import Surface, discs


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
