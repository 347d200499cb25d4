"""Triangle meshes with a colour at every vertex or a texture, clouds of points, and what can be asked of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor
from torch.nn.functional import normalize

from ilrm_cli.geometry.transforms import Similarity


@dataclass(frozen=True)
class Texture:
    """An image laid on a mesh."""

    uvs: Float[
        Tensor, "vertex 2"
    ]  # of each vertex, in [0, 1]: to the right and down from the image's upper left corner
    image: Float[Tensor, "3 height width"]  # in [0, 1]


@dataclass(frozen=True)
class Mesh:
    """Triangles between vertices, in one world frame; closed or open."""

    vertices: Float[Tensor, "vertex 3"]  # world units
    normals: Float[Tensor, "vertex 3"]  # unit, outward: towards whoever sees the surface
    colors: Float[Tensor, "vertex 3"]  # in [0, 1]
    triangles: Int[Tensor, "triangle 3"]  # counterclockwise, seen from outside
    texture: Texture | None = None  # shown instead of the colours, if there is one

    @staticmethod
    def from_triangles(vertices: Float[Tensor, "vertex 3"], triangles: Int[Tensor, "triangle 3"]) -> "Mesh":
        """Return a grey mesh whose normals are the mean of its triangles', weighted by their areas."""
        across = _across(vertices, triangles)
        normals = torch.zeros_like(vertices)
        for corner in triangles.unbind(1):
            normals.index_add_(0, corner, across)
        return Mesh(vertices, normalize(normals, dim=-1), torch.full_like(vertices, 0.5), triangles)

    @property
    def areas(self) -> Float[Tensor, " triangle"]:
        """Area of each triangle, in square world units."""
        return _across(self.vertices, self.triangles).norm(dim=-1) / 2

    @property
    def volume(self) -> float:
        """Enclosed volume in cubic world units, negative if normals point inward; meaningless for open meshes."""
        middle = self.vertices.mean(0)  # near the mesh, for the sake of precision
        a, b, c = (self.vertices[self.triangles] - middle).double().unbind(1)
        return float((a * torch.linalg.cross(b, c)).sum() / 6)

    def moved(self, to_from_from: Similarity) -> "Mesh":
        """Return the mesh in another frame."""
        turned = self.normals @ to_from_from.rotation.to(self.normals).T
        return replace(self, vertices=to_from_from.points(self.vertices), normals=turned)

    def of_triangles(self, kept: Bool[Tensor, " triangle"]) -> "Mesh":
        """Return some of the triangles, and the vertices that these use, of a mesh without texture."""
        assert self.texture is None, "a mesh is cut before it is painted"
        used, renumbered = torch.unique(self.triangles[kept], return_inverse=True)
        return Mesh(self.vertices[used], self.normals[used], self.colors[used], renumbered.view(-1, 3))

    def without_islands(self, least_share: float) -> "Mesh":
        """Return the mesh without connected parts of less than this share of the area; the largest always stays."""
        if not len(self.triangles):
            return self
        part = self._part_of_triangles()
        area = torch.zeros(int(part.max()) + 1, dtype=torch.float64).index_add_(0, part, self.areas.double().cpu())
        large = (area >= least_share * area.sum()) | (area == area.max())
        return self.of_triangles(large[part].to(self.triangles.device))

    def is_closed(self) -> bool:
        """Return whether every edge lies between exactly two triangles that run along it in opposite directions."""
        edges = self.triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
        numbered = edges[:, 0] * len(self.vertices) + edges[:, 1]
        backward = edges[:, 1] * len(self.vertices) + edges[:, 0]
        once = len(torch.unique(numbered)) == len(numbered)
        return once and bool((numbered.sort().values == backward.sort().values).all())

    def _part_of_triangles(self) -> Int[Tensor, " triangle"]:
        """Return the number of the connected part that each triangle belongs to."""
        ends = self.triangles[:, [0, 1, 1, 2]].reshape(-1, 2).cpu().numpy().T
        joined = coo_array((np.ones(ends.shape[1], bool), (ends[0], ends[1])), shape=(len(self.vertices),) * 2)
        part = torch.from_numpy(connected_components(joined, directed=False)[1]).long()
        return part[self.triangles[:, 0].cpu()]


@dataclass(frozen=True)
class PointCloud:
    """Places on surfaces, in one world frame."""

    points: Float[Tensor, "point 3"]  # world units
    normals: Float[Tensor, "point 3"]  # unit, towards whoever sees the surface
    colors: Float[Tensor, "point 3"]  # in [0, 1]

    @staticmethod
    def empty() -> "PointCloud":
        return PointCloud(*(torch.zeros(0, 3) for _ in range(3)))

    @staticmethod
    def together(clouds: Sequence["PointCloud"]) -> "PointCloud":
        """Return all points of several clouds, in this order."""
        parts = zip(*((cloud.points, cloud.normals, cloud.colors) for cloud in clouds), strict=True)
        return PointCloud(*(torch.cat(part) for part in parts))

    def __len__(self) -> int:
        return len(self.points)

    def thinned(self, cell: float) -> "PointCloud":
        """Return the first point in every cell of a grid, in the order of the points."""
        if not len(self) or cell <= 0:
            return self
        places = (self.points.double() / cell).floor().long().cpu().numpy()
        first = np.sort(np.unique(places, axis=0, return_index=True)[1])
        chosen = torch.from_numpy(first)
        return PointCloud(self.points[chosen], self.normals[chosen], self.colors[chosen])


def _across(vertices: Float[Tensor, "vertex 3"], triangles: Int[Tensor, "triangle 3"]) -> Float[Tensor, "triangle 3"]:
    """Return the outward direction of each triangle, twice as long as its area."""
    a, b, c = vertices[triangles].unbind(1)
    return torch.linalg.cross(b - a, c - a)
