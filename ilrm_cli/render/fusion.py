"""Depth maps fused in a truncated signed distance field (Curless and Levoy 1996), and the surface in it.

Every map says of each place of a grid how far it lies before the surface that the map shows there: along the ray, times
the cosine at which that meets the surface. The field is the mean of what all say, weighted by trust. What lies far
behind a surface is not known to be solid, only not seen: there a map says nothing, and little just behind it, where the
ray may have come out again at a corner (Bylow et al. 2013). The surface is where the field is 0, between seen places.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32
from numpy import ndarray
from torch import Tensor

from ilrm_cli.geometry.meshes import Mesh
from ilrm_cli.render.depth_maps import DepthMap
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.kernels import in_parallel, kernel
from ilrm_cli.runtime.progress import Report, in_one_step

# Cells before and behind a surface: thinner walls have their two sides mixed, and with fewer, noise tears surfaces.
TRUNCATION = 4.0
LARGEST_STEP = 1.3  # of the field between the corners of a cell on a surface: a larger one is a jump
BYTES_PER_PLACE = 30  # distance, weight, and what the search for crossed cells and marching cubes copy
SLABS_SHARE = 4  # slabs of the grid per work item of a thread
FARTHEST_BEHIND = np.float32(3)  # truncation lengths: where rays graze, little is known of what is behind
FAR = np.float32(1e30)  # farther than anything: the depth of a ray that meets nothing is infinite
ZERO, ONE, HALF = np.float32(0), np.float32(1), np.float32(0.5)


class NoSurface(InputError):
    """Raised if what was fused shows no surface."""


@dataclass(frozen=True)
class Grid:
    """The places at which distances are known."""

    least: Float[Tensor, "3"]  # the first place, world units
    cell: float  # world units between neighbours
    shape: tuple[int, int, int]  # places along x, y, z

    @staticmethod
    def over(least: Float[Tensor, "3"], most: Float[Tensor, "3"], cell: float) -> "Grid":
        """Return a grid over a box, with a margin of one cell around it."""
        x, y, z = (int(n) + 3 for n in ((most - least) / cell).ceil())
        return Grid(least - cell, cell, (x, y, z))

    @property
    def places(self) -> int:
        return self.shape[0] * self.shape[1] * self.shape[2]

    @property
    def bytes(self) -> int:
        """Memory that fusion and extraction take at most."""
        return BYTES_PER_PLACE * self.places


@dataclass(frozen=True)
class DistanceField:
    """What depth maps said: at each place of a grid the distance to the surface, and how much was said."""

    grid: Grid
    distance: Float32[ndarray, "x y z"]  # in truncation lengths, -1 to 1, positive in front of the surface
    weight: Float32[ndarray, "x y z"]  # sum of the squared trust of all maps that saw the place; 0: none did


@kernel
def integrate(start, stop, distance, weight, least, cell, pose, lens, depth, trust, near, over_truncation):
    """Add one map to slabs start:stop. Depth is interpolated within a surface; `near` as in `render`."""
    height, width = depth.shape
    for i in range(start, stop):
        x = least[0] + np.float32(i) * cell
        for j in range(distance.shape[1]):
            y = least[1] + np.float32(j) * cell
            for k in range(distance.shape[2]):
                z = least[2] + np.float32(k) * cell
                ahead = pose[2, 0] * x + pose[2, 1] * y + pose[2, 2] * z + pose[2, 3]
                if ahead < near:
                    continue
                right = pose[0, 0] * x + pose[0, 1] * y + pose[0, 2] * z + pose[0, 3]
                down = pose[1, 0] * x + pose[1, 1] * y + pose[1, 2] * z + pose[1, 3]
                u, v = lens[0] * right / ahead + lens[2], lens[1] * down / ahead + lens[3]
                if not (u >= ZERO and v >= ZERO and u < np.float32(width) and v < np.float32(height)):
                    continue
                row, column = int(v), int(u)
                shown = depth[row, column]
                if np.isnan(shown):
                    continue
                says, trusted = ONE, ONE  # of a ray that meets nothing
                if shown < FAR:
                    trusted = trust[row, column]
                    left, above = max(0, int(u - HALF)), max(0, int(v - HALF))
                    left, above = min(left, width - 2), min(above, height - 2)
                    a, b = depth[above, left], depth[above, left + 1]
                    c, d = depth[above + 1, left], depth[above + 1, left + 1]
                    spread = max(max(a, b), max(c, d)) - min(min(a, b), min(c, d))
                    if a + b + c + d < FAR and spread * over_truncation < ONE:  # not so if one is NaN
                        s = min(max(u - HALF - np.float32(left), ZERO), ONE)
                        t = min(max(v - HALF - np.float32(above), ZERO), ONE)
                        shown = (ONE - t) * ((ONE - s) * a + s * b) + t * ((ONE - s) * c + s * d)
                    behind = (shown - ahead) * over_truncation
                    steep = trusted * np.float32(math.sqrt(right * right + down * down + ahead * ahead)) / ahead
                    if behind < -FARTHEST_BEHIND or behind * steep < -ONE:
                        continue
                    says = min(behind * steep, ONE)
                    trusted *= ONE + min(says, ZERO)  # the farther behind, the likelier out on the other side
                    if trusted == ZERO:
                        continue
                trusted *= trusted
                before = weight[i, j, k]
                weight[i, j, k] = before + trusted
                distance[i, j, k] += (says - distance[i, j, k]) * trusted / (before + trusted)


def fused(maps: Iterable[DepthMap], grid: Grid, near: float) -> DistanceField:
    """Fuse depth maps, drawn from cameras that need not see all of the grid; `near` in world units."""
    distance, weight = np.zeros(grid.shape, np.float32), np.zeros(grid.shape, np.float32)
    least, cell = grid.least.cpu().float().numpy(), np.float32(grid.cell)
    over_truncation = np.float32(1 / (TRUNCATION * grid.cell))
    for seen in maps:
        camera = seen.camera.to("cpu").to(torch.float32)
        pose = camera.cam_from_world[0].contiguous().numpy()
        lens = torch.cat([camera.focal_px[0], camera.center_px[0]]).numpy()
        depth, trust = (value.cpu().float().contiguous().numpy() for value in (seen.depth, seen.trust))
        in_parallel(
            integrate, grid.shape[0], SLABS_SHARE,
            distance, weight, least, cell, pose, lens, depth, trust, np.float32(near), over_truncation,
        )  # fmt: skip
    return DistanceField(grid, distance, weight)


def surface_in(field: DistanceField, *, closed: bool, report: Report) -> Mesh:
    """Return the surface as a grey mesh: where it was seen, or with what no map saw counted as solid, which closes it.

    By marching cubes (Lewiner et al. 2003). Raises NoSurface if there is none.
    """
    found: list[Mesh] = []
    in_one_step("surface", lambda: found.append(_marched(field, closed)), report)
    return found[0]


def _marched(field: DistanceField, closed: bool) -> Mesh:
    from skimage.measure import marching_cubes

    seen = field.weight > 0
    level = np.where(seen, field.distance, -ONE if closed else ONE)
    if closed:  # nothing is solid at the outermost places
        for axis in range(3):
            edge = np.moveaxis(level, axis, 0)
            edge[0], edge[-1] = ONE, ONE
    cells = np.ones(level.shape, bool) if closed else _crossed(level, seen)
    try:
        places, triangles, _, _ = marching_cubes(level, 0.0, mask=cells, gradient_direction="descent")
    except (ValueError, RuntimeError) as error:  # the level is nowhere reached, or nowhere in these cells
        raise NoSurface("no surface was found in the part of the scene that was to become a mesh.") from error
    vertices = field.grid.least.cpu().double() + torch.from_numpy(places.astype(np.float64)) * field.grid.cell
    return Mesh.from_triangles(vertices.float(), torch.from_numpy(triangles.astype(np.int64)))


def _crossed(level: Float32[ndarray, "x y z"], seen: ndarray) -> ndarray:
    """Return the cells, named by their last corner, in which a surface was seen: no jump from free to hidden.

    The outermost cells are none: they lie beyond the box that the grid was laid over.
    """
    x, y, z = (side - 1 for side in level.shape)
    corners = [np.s_[i : x + i, j : y + j, k : z + k] for i in (0, 1) for j in (0, 1) for k in (0, 1)]
    least, most, all_seen = level[corners[0]].copy(), level[corners[0]].copy(), seen[corners[0]].copy()
    for corner in corners[1:]:
        np.minimum(least, level[corner], out=least)
        np.maximum(most, level[corner], out=most)
        all_seen &= seen[corner]
    cells = np.zeros(level.shape, bool)
    steep = np.subtract(most, least, out=most) > LARGEST_STEP
    cells[1:, 1:, 1:] = all_seen & ~steep
    for axis in range(3):
        of = np.moveaxis(cells, axis, 0)
        of[:2], of[-1] = False, False
    return cells
