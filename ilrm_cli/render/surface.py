"""The surface of a radiance field: where its density reaches a threshold; as a mesh, and as Gaussians that lie on it.

By naive surface nets (Gibson 1998): one vertex in every cell of a grid that the surface crosses, in the middle of its
crossings with the cell's edges, and one quadrilateral around every edge that is crossed. Vertices are thus about as far
apart everywhere, which suits discs of one size; marching cubes would put several small triangles into a cell.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import interpolate, max_pool3d, normalize

from ilrm_cli.geometry import harmonics
from ilrm_cli.geometry.fields import Field
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.meshes import Mesh
from ilrm_cli.geometry.transforms import quaternion_from_matrix
from ilrm_cli.render.volume import MOST_POINTS
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.progress import Report, Step, ignore

RESOLUTION = 256  # cells along the box, as in the original's meshes
COARSER = 4  # cells per direction in one of the grid that is looked at first
WORTH_A_LOOK = math.log(0.05)  # of the threshold: cells of the coarse grid that come near to it hold thin parts
FARTHEST_LEVEL = 12.0  # logarithms of density are clamped to this distance from the threshold
WITHIN, ACROSS = 0.6, 0.15  # standard deviations of a Gaussian along and across the surface, in cells
OPACITY = 0.9  # several lie behind each other
CORNERS = torch.tensor([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)])  # of a cell
EDGES = torch.tensor([[a, b] for a in range(8) for b in range(8) if (a ^ b) in (1, 2, 4) and a < b])  # of a cell


@dataclass(frozen=True)
class Surface:
    """What was found of a field."""

    mesh: Mesh  # closed, in the frame of the field
    cell: Float[Tensor, "3"]  # the grid's, of whose size details are


def discs(surface: Surface) -> Gaussians:
    """Return a flat Gaussian on every vertex, of the size of the grid's cells."""
    normal, size = surface.mesh.normals, surface.cell.mean()
    helper = torch.eye(3).to(normal)[normal.abs().argmin(-1)]  # an axis that is not along the normal
    first = normalize(torch.linalg.cross(normal, helper), dim=-1)
    turned = torch.stack([first, torch.linalg.cross(normal, first), normal], dim=-1)
    scales = torch.tensor([WITHIN, WITHIN, ACROSS]).to(normal) * size
    return Gaussians(
        means=surface.mesh.vertices,
        quaternions=quaternion_from_matrix(turned),
        scales=scales.expand(len(normal), 3).contiguous(),
        opacities=torch.full_like(normal[:, 0], OPACITY),
        harmonics=harmonics.from_color(surface.mesh.colors),
        antialiased=True,  # seen edge on, or from afar, they would be far too wide otherwise
    )


@torch.no_grad()
def surface_of(field: Field, resolution: int | None = None, report: Report = ignore) -> Surface:
    """Return the surface where the density is `field.surface`, found in `resolution` cells along the box (RESOLUTION).

    Raises InputError if that density is reached nowhere.
    """
    resolution = resolution or RESOLUTION
    level = levels(field, resolution, report)
    solid = level > 0
    if not solid.any():
        raise InputError(
            f"the model found nothing solid: its density is nowhere above {field.surface:g}; give a clearer photo."
        )
    cells = _mixed(solid).nonzero()  # [vertex, 3]
    cell = (field.box.most - field.box.least) / resolution
    places, normals = _vertices(level, cells)
    vertices = field.box.least + places * cell
    normals = normalize(normals / cell, dim=-1)
    parts = zip(vertices.split(MOST_POINTS), (-normals).split(MOST_POINTS), strict=True)
    colors = torch.cat([field.sampled(points, inward, field.marching.refined)[1] for points, inward in parts])
    return Surface(Mesh(vertices, normals, colors.clamp(0, 1), _triangles(solid, cells)), cell)


@torch.no_grad()
def levels(field: Field, resolution: int, report: Report = ignore) -> Float[Tensor, "x y z"]:
    """Return log(density / threshold) on a grid that reaches a cell beyond the box, where nothing is.

    Coarsely at first, then finely where the coarse grid comes near to the threshold; elsewhere it is interpolated.
    """
    finer = COARSER if resolution % COARSER == 0 and resolution > 2 * COARSER else 1
    coarse = _level_at(field, _grid(field, resolution // finer), report, "a first look at the field")
    fine = coarse
    if finer > 1:
        size = (resolution + 1,) * 3
        fine = interpolate(coarse[None, None], size=size, mode="trilinear", align_corners=True)[0, 0]
        near = _near(coarse).to(coarse)
        blocks = near.repeat_interleave(finer, 0).repeat_interleave(finer, 1).repeat_interleave(finer, 2)
        wanted = max_pool3d(blocks[None, None], 2, 1, padding=1)[0, 0] > 0  # the corners of these cells
        if wanted.any():  # else all of the box is solid, or nothing
            share = wanted.nonzero() / resolution  # as the whole grid would be many times larger
            fine[wanted] = _level_at(field, _in_box(field, share), report, "the surface")
    nothing = torch.full([side + 2 for side in fine.shape], -FARTHEST_LEVEL).to(fine)
    nothing[1:-1, 1:-1, 1:-1] = fine
    return nothing


def _grid(field: Field, resolution: int) -> Float[Tensor, "x y z 3"]:
    axes = [torch.linspace(0, 1, resolution + 1).to(field.box.least) for _ in range(3)]
    return _in_box(field, torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1))


def _in_box(field: Field, share: Float[Tensor, "*grid 3"]) -> Float[Tensor, "*grid 3"]:
    return field.box.least + share * (field.box.most - field.box.least)


def _level_at(field: Field, points: Float[Tensor, "*grid 3"], report: Report, stage: str) -> Float[Tensor, "*grid"]:
    flat, found = points.reshape(-1, 3), []
    for start in range(0, len(flat), MOST_POINTS):
        report(Step(stage, start, len(flat), "points"))
        part = flat[start : start + MOST_POINTS]
        away = torch.tensor([[0.0, 0.0, 1.0]]).to(part).expand_as(part)  # density is the same in all directions
        density = field.density(field.sampled(part, away, field.marching.refined)[0])
        found.append((density / field.surface).log().clamp(-FARTHEST_LEVEL, FARTHEST_LEVEL))
    report(Step(stage, len(flat), len(flat), "points"))
    return torch.cat(found).view(points.shape[:-1])


def _near(coarse: Float[Tensor, "x y z"]) -> Bool[Tensor, "x-1 y-1 z-1"]:
    """Return the cells of the coarse grid that may hold a part of the surface: with their neighbours."""
    high = max_pool3d(coarse[None, None], 2, 1)
    low = -max_pool3d(-coarse[None, None], 2, 1)
    may = ((high > WORTH_A_LOOK) & (low < 0)).to(coarse)
    return max_pool3d(may, 3, 1, padding=1)[0, 0] > 0


def _corners(values: Tensor) -> Tensor:
    """Return the values at the eight corners of every cell: [8, x-1, y-1, z-1]."""
    x, y, z = (side - 1 for side in values.shape)
    return torch.stack([values[i : x + i, j : y + j, k : z + k] for i, j, k in CORNERS.tolist()])


def _mixed(solid: Bool[Tensor, "x y z"]) -> Bool[Tensor, "x-1 y-1 z-1"]:
    corners = _corners(solid)
    return corners.any(0) & ~corners.all(0)


def _vertices(
    level: Float[Tensor, "x y z"], cells: Int[Tensor, "vertex 3"]
) -> tuple[Float[Tensor, "vertex 3"], Float[Tensor, "vertex 3"]]:
    """Return a vertex in each cell, in cells from the box's corner, and the outward direction per cell there."""
    corners = CORNERS.to(cells)
    at = level[tuple((cells[:, None] + corners).unbind(-1))]  # [vertex, 8]
    edges = EDGES.to(cells)
    low, high = at[:, edges[:, 0]], at[:, edges[:, 1]]  # [vertex, 12]
    crossed = (low > 0) != (high > 0)
    share = torch.where(crossed, low / torch.where(crossed, low - high, 1), 0)
    ends = corners.to(level)[edges]  # [12, 2, 3]
    crossings = ends[:, 0] + share[..., None] * (ends[:, 1] - ends[:, 0])
    inside = (crossings * crossed[..., None]).sum(1) / crossed.sum(1, keepdim=True)
    slope = torch.stack(
        [at[:, corners[:, axis] == 0].sum(1) - at[:, corners[:, axis] == 1].sum(1) for axis in range(3)], -1
    )
    return cells + inside - 1, slope  # the grid begins a cell outside of the box


def _triangles(solid: Bool[Tensor, "x y z"], cells: Int[Tensor, "vertex 3"]) -> Int[Tensor, "triangle 3"]:
    """Return two triangles between the vertices of the four cells around each edge that is crossed."""
    shape = [side - 1 for side in solid.shape]
    number = torch.full(shape, -1, dtype=torch.long, device=cells.device)
    number[tuple(cells.unbind(-1))] = torch.arange(len(cells), device=cells.device)
    parts = []
    for axis in range(3):
        start, end = solid.narrow(axis, 0, solid.shape[axis] - 1), solid.narrow(axis, 1, solid.shape[axis] - 1)
        across, up = torch.eye(3, dtype=torch.long, device=cells.device)[[(axis + 1) % 3, (axis + 2) % 3]]
        for found, turned in ((start & ~end, False), (end & ~start, True)):
            edge = found.nonzero()
            around = [number[tuple((edge - step).unbind(-1))] for step in (0 * up, across, across + up, up)]
            a, b, c, d = reversed(around) if turned else around
            parts += [torch.stack([a, b, c], -1), torch.stack([a, c, d], -1)]
    return torch.cat(parts)
