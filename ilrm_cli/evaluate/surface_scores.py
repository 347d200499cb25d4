"""How well surfaces lie where the true ones are: Chamfer distance, F-score, and depth in views that no method saw.

The surface of a scene is its mesh, as `ilrm mesh` makes it. Points drawn evenly from it are compared with points of the
true surface: precision is the share of the first that have a true point within THRESHOLD, recall the share of the
second that have one of ours, the F-score their harmonic mean (Knapitsch et al. 2017, Tanks and Temples, section 3.3).
Nothing is aligned: both are in the frame of the poses. What lies outside of the true points' box is left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from plyfile import PlyData
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

THRESHOLD = 0.01  # of the size of the true surface: the diagonal of its box
FARTHEST = 0.1  # of that size: distances count up to it, so that one stray part does not decide
SAMPLES, SEED = 60_000, 0  # points of each surface, and what chooses them
BEHIND = 10.0  # of a view's largest true depth: what a method draws farther away is background, and no surface
RESOLUTION = 160  # cells of the mesh along its longest side: about as large as THRESHOLD
WITHIN = 1.25  # ratio of depths that counts as agreement (Eigen et al. 2014)


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

    @property
    def chamfer(self) -> float:
        return (self.accuracy + self.completeness) / 2

    @property
    def f_score(self) -> float:
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0

    def as_json(self) -> dict[str, float | None]:
        return {**vars(self), "chamfer": self.chamfer, "f_score": self.f_score}


@dataclass(frozen=True)
class TrueSurface:
    """What is known of a scene's surface, in the frame of its prepared views."""

    points: Float[Tensor, "point 3"]
    cameras: Cameras  # that draw the depth of which meshes are made
    targets: Cameras | None = None  # whose depth is known; None: no such
    depth: Float[Tensor, "target height width"] | None = None  # theirs; infinite where there is none

    @property
    def box(self) -> tuple[Float[Tensor, "3"], Float[Tensor, "3"]]:
        return self.points.amin(0), self.points.amax(0)

    @property
    def size(self) -> float:
        least, most = self.box
        return float((most - least).norm())


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


def scanned(file: Path, to_frame: Similarity, cameras: Cameras) -> TrueSurface:
    """Read a scan or a mesh (.ply) in the frame of the poses. Raises InputError."""
    try:
        content = PlyData.read(str(file))
        vertex = content["vertex"]
        places = to_frame.points(torch.from_numpy(np.stack([vertex[axis] for axis in "xyz"], -1).astype(np.float64)))
        if "face" in content and len(content["face"]):
            faces = content["face"].data
            name = next(name for name in ("vertex_indices", "vertex_index") if name in faces.dtype.names)
            corners = torch.from_numpy(np.stack(faces[name]).astype(np.int64))
            places = drawn_from(Mesh.from_triangles(places.float(), corners), SAMPLES)
    except MemoryError:
        raise
    except Exception as error:  # plyfile and numpy raise a different type for every kind of damage
        raise InputError(f"{file}: cannot be read as a .ply of points or triangles; give another scan.") from error
    finite = places[places.isfinite().all(1)]
    if len(finite) < 100:
        raise InputError(f"{file} holds {len(finite)} points; a surface to compare with needs at least 100.")
    return TrueSurface(finite.float(), cameras)


def drawn_from(mesh: Mesh, count: int) -> Float[Tensor, "point 3"]:
    """Return points spread evenly over a mesh; none if it has no triangles."""
    if not len(mesh.triangles):
        return torch.zeros(0, 3)
    rng = np.random.default_rng(SEED)
    areas = mesh.areas.double().numpy()
    chosen = torch.from_numpy(rng.choice(len(areas), count, p=areas / areas.sum()))
    u, v = torch.from_numpy(rng.random((2, count))).float()
    inside = u + v <= 1
    u, v = torch.where(inside, u, 1 - u)[:, None], torch.where(inside, v, 1 - v)[:, None]
    a, b, c = mesh.vertices[mesh.triangles[chosen]].unbind(1)
    return a + u * (b - a) + v * (c - a)


def score(gaussians: Gaussians, truth: TrueSurface) -> GeometryScore:
    """Compare the surface of a scene, made as `ilrm mesh` makes it within the true one's box, with the true one."""
    corners = tuple(torch.cat(truth.box).tolist())
    scene, asked = gaussians.to("cpu"), MeshSettings(crop=corners, resolution=RESOLUTION, faces=0)
    try:
        points = drawn_from(mesh_of(scene, [truth.cameras], NEAR, torch.ones(3), asked).mesh, SAMPLES)
    except NoSurface:
        points = torch.zeros(0, 3)
    return compared(points, truth, _depth_errors(scene, truth))


def compared(
    points: Float[Tensor, "point 3"],
    truth: TrueSurface,
    depth_errors: tuple[float | None, float | None, float | None] = (None, None, None),
) -> GeometryScore:
    """Compare points of a surface with those of the true one."""
    least, most = truth.box
    margin = THRESHOLD * truth.size
    ours = points[((points >= least - margin) & (points <= most + margin)).all(1)]
    true = truth.points
    if len(true) > SAMPLES:
        true = true[torch.from_numpy(np.random.default_rng(SEED).choice(len(true), SAMPLES, replace=False))]
    if not len(ours):
        return GeometryScore(FARTHEST, FARTHEST, 0.0, 0.0, *depth_errors)
    there, back = (_distances(a, b) / truth.size for a, b in ((ours, true), (true, ours)))
    return GeometryScore(
        float(there.clip(max=FARTHEST).mean()),
        float(back.clip(max=FARTHEST).mean()),
        float((there <= THRESHOLD).mean()),
        float((back <= THRESHOLD).mean()),
        *depth_errors,
    )


def _distances(points: Float[Tensor, "point 3"], others: Float[Tensor, "other 3"]) -> np.ndarray:
    return np.asarray(KDTree(others.numpy()).query(points.numpy(), workers=torch.get_num_threads())[0])


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
    """Return the mean of each figure over the scenes that have it."""
    rows = [one.as_json() for one in scores]
    known = {name: [value for row in rows if (value := row[name]) is not None] for name in rows[0]}
    return {name: float(np.mean(values)) for name, values in known.items() if values}
