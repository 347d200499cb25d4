"""How well surfaces lie where the true ones are: Chamfer distance, F-score, and depth in views that no method saw.

The surface of a scene is its mesh, as `ilrm mesh` makes it. Points drawn evenly from it are compared with points of the
true surface: precision is the share of the first that have a true point within a tolerance, recall the share of the
second that have one of ours, the F-score their harmonic mean (Knapitsch et al. 2017, Tanks and Temples, section 3.3).
Of both sides a random part is asked; each is looked for among all points of the other, which lie densely enough that
none is missed: a surface compared with itself is perfect.
Nothing is aligned: both are in the frame of the poses. What lies outside of the true points' box, or of the part of it
that a benchmark names, is left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from scipy.spatial import KDTree
from torch import Tensor

from ilrm_cli.geometry.cameras import Cameras, directions_through, pixel_centers
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.meshes import Mesh
from ilrm_cli.geometry.transforms import Similarity
from ilrm_cli.pipeline.mesh import mesh_of
from ilrm_cli.pipeline.settings import MeshSettings
from ilrm_cli.render.depth_maps import depth_map, far_limit
from ilrm_cli.render.fusion import NoSurface
from ilrm_cli.render.rasterize import NEAR
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.memory import free_bytes
from ilrm_cli.scene.formats.scans import CropVolume

THRESHOLD = 0.01  # of the size of the true surface, the diagonal of its box, where no tolerance is given
CURVE = tuple(step / 10 for step in range(1, 31))  # tolerances at which agreement is told, over the first of all
FARTHEST = 0.1  # of that size: distances count up to it, so that one stray part does not decide
SAMPLES, MOST_SAMPLES = 60_000, 1_000_000  # points that are asked for their neighbours; the latter with a tolerance
OURS_SEED, TRUE_SEED = 0, 1  # choose points: different ones, so that the same surface twice is not the same points
PER_SQUARE = 2.0  # points of a mesh on a square of half the tolerance; a place without one within it is one in 10^11
POINT_BYTES = 200  # that such a point takes while it is drawn and searched
USABLE = 0.6  # of the free memory
AT_ONCE = 4_000_000  # points in one tree
BEHIND = 10.0  # of a view's largest true depth: what a method draws farther away is background, and no surface
RESOLUTION = 160  # cells of the mesh along its longest side: about as large as THRESHOLD
FIGURES = ("f_score", "precision", "recall", "chamfer", "abs_rel", "delta")  # whose means over scenes are told
WITHIN = 1.25  # ratio of depths that counts as agreement (Eigen et al. 2014)


@dataclass(frozen=True)
class Agreement:
    """What of two surfaces agrees within a tolerance."""

    threshold: float  # share of the true surface's size
    precision: float
    recall: float

    @property
    def f_score(self) -> float:
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0


@dataclass(frozen=True)
class GeometryScore:
    """How far a surface is from the true one; lengths are shares of the true one's size."""

    accuracy: float  # mean distance from ours to the true one
    completeness: float  # mean distance from the true one to ours
    precision: float
    recall: float
    abs_rel: float | None  # mean of |depth - true depth| / true depth in the targets; None: no true depth
    rmse: float | None  # root of the mean squared difference there, share of the size
    delta: float | None  # share of pixels there whose depth is right within WITHIN; unknown depth is wrong
    threshold: float = THRESHOLD  # of precision and recall
    size: float = 1.0  # of the true surface, in its own unit
    curve: tuple[Agreement, ...] = ()  # at further tolerances, in their order
    cell: float | None = None  # of the grid that made the mesh: details are of this size; None: there was none

    @property
    def chamfer(self) -> float:
        return (self.accuracy + self.completeness) / 2

    @property
    def f_score(self) -> float:
        return Agreement(self.threshold, self.precision, self.recall).f_score

    def as_json(self) -> dict[str, Any]:
        curve = [{**vars(one), "f_score": one.f_score} for one in self.curve]
        return {**vars(self), "curve": curve, "chamfer": self.chamfer, "f_score": self.f_score}


@dataclass(frozen=True)
class TrueSurface:
    """What is known of a scene's surface, in the frame of its prepared views."""

    points: Float[Tensor, "point 3"]
    cameras: Cameras  # that draw the depth of which meshes are made
    targets: Cameras | None = None  # whose depth is known; None: no such
    depth: Float[Tensor, "target height width"] | None = None  # theirs; infinite where there is none
    tolerances: tuple[float, ...] = ()  # units of the frame; the first is that of precision and recall; none: THRESHOLD
    unit: float = 1.0  # units of the frame in one of the surface's own
    part: CropVolume | None = None  # that counts; None: all of it
    own_from_frame: Similarity | None = None  # to the frame of that part

    @property
    def box(self) -> tuple[Float[Tensor, "3"], Float[Tensor, "3"]]:
        return self.points.amin(0), self.points.amax(0)

    @property
    def size(self) -> float:
        least, most = self.box
        return float((most - least).norm())

    @property
    def tolerance(self) -> float:
        return self.tolerances[0] if self.tolerances else THRESHOLD * self.size

    def counted(self, points: Float[Tensor, "point 3"]) -> Float[Tensor, "counted 3"]:
        """Return the points within a tolerance of the box that lie in the part that counts, if there is such a part."""
        least, most = self.box
        points = points[((points >= least - self.tolerance) & (points <= most + self.tolerance)).all(1)]
        if self.part is None or self.own_from_frame is None:
            return points
        return points[self.part.holds(self.own_from_frame.points(points.double()))]

    @property
    def asked(self) -> int:
        """Return how many points of a surface are asked for their neighbours, at most."""
        return MOST_SAMPLES if self.tolerances else SAMPLES


def dense(area: float, tolerance: float) -> int:
    """Return how many points of a surface of that area make it one: its places have some within the tolerance.

    Raises InputError where they do not fit into the memory.
    """
    count = max(SAMPLES, PER_SQUARE * area / (tolerance / 2) ** 2)
    free = USABLE * free_bytes(torch.device("cpu"))
    if count * POINT_BYTES > free:
        raise InputError(
            f"comparing surfaces within this tolerance takes {count * POINT_BYTES / 1e9:.1f} GB of memory, of which "
            f"{free / 1e9:.1f} GB can be used; give a larger --tolerance."
        )
    return int(count)


def surface_seen(
    inputs: Cameras,
    depth: Float[Tensor, "view height width"],
    targets: Cameras,
    known: Float[Tensor, "target rows columns"],
) -> TrueSurface:
    """Return what the inputs see of a surface, by their exact depth, without the background."""
    rays = directions_through(inputs, pixel_centers(inputs.width, inputs.height, depth).expand(len(inputs), -1, -1, -1))
    points = (inputs.positions[:, None, None].to(rays) + depth[..., None] * rays)[depth <= far_limit(depth)]
    return TrueSurface(points.float().cpu(), inputs, targets, known)


def drawn_from(mesh: Mesh, count: int, seed: int) -> Float[Tensor, "point 3"]:
    """Return points spread evenly over a mesh; none if it has no triangles."""
    if not len(mesh.triangles):
        return torch.zeros(0, 3)
    rng = np.random.default_rng(seed)
    areas = mesh.areas.double().numpy()
    chosen = torch.from_numpy(rng.choice(len(areas), count, p=areas / areas.sum()))
    u, v = torch.from_numpy(rng.random((2, count))).float()
    inside = u + v <= 1
    u, v = torch.where(inside, u, 1 - u)[:, None], torch.where(inside, v, 1 - v)[:, None]
    a, b, c = mesh.vertices[mesh.triangles[chosen]].unbind(1)
    return a + u * (b - a) + v * (c - a)


def score(gaussians: Gaussians, truth: TrueSurface) -> GeometryScore:
    """Compare the surface of a scene, made as `ilrm mesh` makes it within the true one's box, with the true one.

    Where a tolerance is given, the mesh is as fine as it is there, see `MeshSettings`: that may be coarser than the
    tolerance, and `cell` tells.
    """
    corners = tuple(torch.cat(truth.box).tolist())
    resolution = None if truth.tolerances else RESOLUTION
    scene, asked = gaussians.to("cpu"), MeshSettings(crop=corners, resolution=resolution, faces=0)
    try:
        made = mesh_of(scene, [truth.cameras], NEAR, torch.ones(3), asked)
        mesh, cell = made.mesh, made.cell / truth.size
    except NoSurface:
        mesh, cell = Mesh.from_triangles(torch.zeros(0, 3), torch.zeros(0, 3, dtype=torch.long)), None
    return replace(compared_mesh(mesh, truth, _depth_errors(scene, truth)), cell=cell)


def compared_mesh(
    mesh: Mesh, truth: TrueSurface, depth_errors: tuple[float | None, float | None, float | None] = (None, None, None)
) -> GeometryScore:
    """Compare points spread evenly over a mesh with those of the true surface."""
    return compared(drawn_from(mesh, dense(float(mesh.areas.sum()), truth.tolerance), OURS_SEED), truth, depth_errors)


def compared(
    points: Float[Tensor, "point 3"],
    truth: TrueSurface,
    depth_errors: tuple[float | None, float | None, float | None] = (None, None, None),
) -> GeometryScore:
    """Compare points of a surface, as many as `dense` says or more, with those of the true one."""
    ours, true = truth.counted(points), truth.points
    size, limit = truth.size, truth.tolerance / truth.size
    if not len(ours):
        return GeometryScore(FARTHEST, FARTHEST, 0.0, 0.0, *depth_errors, limit, size / truth.unit)
    there = _distances(_some(ours, truth.asked, OURS_SEED), true) / size
    back = _distances(_some(true, truth.asked, TRUE_SEED), ours) / size
    within = sorted({limit * step for step in CURVE} | {given / size for given in truth.tolerances})
    curve = tuple(Agreement(one, float((there <= one).mean()), float((back <= one).mean())) for one in within)
    return GeometryScore(
        float(there.clip(max=FARTHEST).mean()),
        float(back.clip(max=FARTHEST).mean()),
        float((there <= limit).mean()),
        float((back <= limit).mean()),
        *depth_errors,
        limit,
        size / truth.unit,
        curve,
    )


def _some(points: Float[Tensor, "point 3"], most: int, seed: int) -> Float[Tensor, "some 3"]:
    if len(points) <= most:
        return points
    return points[torch.from_numpy(np.random.default_rng(seed).choice(len(points), most, replace=False))]


def _distances(points: Float[Tensor, "point 3"], others: Float[Tensor, "other 3"]) -> np.ndarray:
    """Return how far the nearest of the others is from each point."""
    asked, workers = points.numpy(), torch.get_num_threads()
    parts = (KDTree(part.numpy(), balanced_tree=False) for part in others.split(AT_ONCE))
    return np.minimum.reduce([tree.query(asked, workers=workers)[0] for tree in parts])


def _depth_errors(gaussians: Gaussians, truth: TrueSurface) -> tuple[float | None, float | None, float | None]:
    """Return the mean relative error, the root mean squared one and the share of right pixels, over all targets."""
    if truth.targets is None or truth.depth is None:
        return None, None, None
    relative, squared, right = list[Tensor](), list[Tensor](), list[Tensor]()
    for index in range(len(truth.targets)):
        true = truth.depth[index].cpu()
        counts = true <= far_limit(truth.depth.cpu())
        if not counts.any():
            continue
        seen = depth_map(gaussians, truth.targets[[index]], NEAR, BEHIND * float(true[counts].max()))
        known = counts & (seen.trust > 0)
        ours, real = seen.depth[known], true[known]
        relative.append((ours - real).abs() / real)
        squared.append((ours - real).square())
        right.append(
            torch.cat(
                [(ours / real <= WITHIN) & (real / ours <= WITHIN), torch.zeros(int((counts & ~known).sum())) > 0]
            )
        )
    if not sum(map(len, right)):
        return None, None, None
    pixels = torch.cat(relative)
    if not len(pixels):
        return None, None, 0.0
    rmse = float(torch.cat(squared).mean().sqrt()) / truth.size
    return float(pixels.mean()), rmse, float(torch.cat(right).float().mean())


def means(scores: Sequence[GeometryScore]) -> dict[str, float]:
    """Return the mean of each of FIGURES over the scenes that have it."""
    known = {name: [value for one in scores if (value := getattr(one, name)) is not None] for name in FIGURES}
    return {name: float(np.mean(values)) for name, values in known.items() if values}
