"""The surfaces that are compared: true ones of scans, those of fits to the inputs, and COLMAP's of the sparse points.

Nobody judges a fit: all inputs are fitted in all steps.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float64, Int
from numpy import ndarray
from plyfile import PlyData, PlyElement
from scipy.spatial import KDTree
from torch import Tensor

from ilrm_cli.capture.poses.colmap_library import pycolmap
from ilrm_cli.evaluate.surface_scores import SAMPLES, THRESHOLD, TRUE_SEED, TrueSurface, dense, drawn_from
from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.meshes import Mesh
from ilrm_cli.geometry.transforms import Similarity
from ilrm_cli.pipeline.optimize.fit import effort_for
from ilrm_cli.pipeline.optimize.judging import optimize
from ilrm_cli.pipeline.predict import Prediction
from ilrm_cli.pipeline.prepare import Prepared
from ilrm_cli.pipeline.settings import Quality
from ilrm_cli.pipeline.starts import MIN_POINTS, horizon, sparse_start
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.files import scratch_folder
from ilrm_cli.runtime.progress import Report, ignore
from ilrm_cli.scene.formats.scans import read_alignment, read_crop, read_scan_project

FITTED, FITTED_SURFACES = "{quality} fit", "{quality} fit with --geometry"
POISSON = "COLMAP's Poisson mesh of sparse points"
# Octree levels of the Poisson reconstruction, and by how many levels its surface may be coarser than the spacing of
# points before it is cut away as too far from them. COLMAP's own numbers leave nothing of points as sparse as these.
LEVELS, COARSER = 8, 2.0
# Tolerances of published benchmarks, in metres. Tanks and Temples (Knapitsch et al. 2017) has one for each scene; of
# ETH3D's (Schöps et al. 2017) the first here is the one that papers tell.
TANKS_AND_TEMPLES_M = {
    "barn": 0.01, "caterpillar": 0.005, "church": 0.025, "courthouse": 0.025, "ignatius": 0.003,
    "meetingroom": 0.01, "truck": 0.005,
}  # fmt: skip
ETH3D_M = (0.02, 0.01, 0.05, 0.1, 0.2, 0.5)
LEAST_POINTS = 100  # of a surface to compare with
NEIGHBOURS = 12  # points whose plane tells a sparse point's normal


def scanned(file: Path, to_frame: Similarity, cameras: Cameras, tolerance: float | None = None) -> TrueSurface:
    """Read a scan or a mesh (.ply), or several scans (.mlp), in the frame of the poses. Raises InputError.

    Beside NAME.ply may lie, as of Tanks and Temples, NAME_trans.txt, which leads from the frame of the poses to that of
    the scan, and with it NAME.json, the part that counts. Scans of an .mlp are those of ETH3D. `tolerance` is in the
    unit of the scan; None: that of the benchmark, if there is one.

    As Tanks and Temples does, points are thinned: those in a cube of half the tolerance become their mean.
    """
    moved, part = file.with_name(f"{file.stem}_trans.txt"), file.with_suffix(".json")
    if file.suffix.lower() == ".mlp":
        scans = [(_read(scan), where) for scan, where in read_scan_project(file)]
        given: tuple[float, ...] = ETH3D_M
    else:
        scans = [(_read(file), Similarity.identity())]
        known = TANKS_AND_TEMPLES_M.get(file.stem.lower()) if moved.is_file() else None  # else it is any truck
        given = () if known is None else (known,)
    frame_from_own = to_frame.after(read_alignment(moved).inverse()) if moved.is_file() else to_frame
    volume = read_crop(part) if moved.is_file() and part.is_file() else None

    def counted(near: float | None) -> Float[Tensor, "point 3"]:
        """Return the points that count, with some of each mesh, or if a tolerance is given as many as it needs."""
        places = torch.cat([where.points(scan.points(near and near / where.scale)) for scan, where in scans])
        finite = places[places.isfinite().all(1)]
        return finite if volume is None else finite[volume.holds(finite)]

    rough = counted(None)
    if len(rough) < LEAST_POINTS:
        raise InputError(
            f"{file} holds {len(rough)} points that count; a surface to compare with needs at least {LEAST_POINTS}."
        )
    tolerances = given if tolerance is None else (tolerance,)
    near = tolerances[0] if tolerances else THRESHOLD * float((rough.amax(0) - rough.amin(0)).norm())
    fine = counted(near) if any(scan.corners is not None for scan, _ in scans) else _thinned(rough, near / 2)
    return TrueSurface(
        frame_from_own.points(fine).float(),
        cameras,
        tolerances=tuple(frame_from_own.scale * one for one in tolerances),
        unit=frame_from_own.scale,
        part=volume,
        own_from_frame=frame_from_own.inverse(),
    )


@dataclass(frozen=True)
class _Scan:
    """What a .ply holds."""

    places: Float[Tensor, "place 3"]
    corners: Int[Tensor, "triangle 3"] | None  # places of a mesh's triangles; None: it is points

    def points(self, near: float | None) -> Float[Tensor, "point 3"]:
        """Return the points, or some of the mesh, spread evenly, and as many as this tolerance needs if it is given."""
        if self.corners is None:
            return self.places
        middle = self.places.mean(0)  # near which there is precision
        mesh = Mesh.from_triangles((self.places - middle).float(), self.corners)
        count = SAMPLES if near is None else dense(float(mesh.areas.sum()), near)
        return drawn_from(mesh, count, TRUE_SEED).double() + middle


def _thinned(points: Float[Tensor, "point 3"], side: float) -> Float[Tensor, "cube 3"]:
    """Return the mean of the points in each cube of a grid."""
    cubes = ((points - points.amin(0)) / side).floor().long()
    counts = cubes.amax(0) + 1
    if math.prod(counts.tolist()) >= 1 << 62:  # cubes this small hold no two points
        return points
    numbers = (cubes[:, 0] * counts[1] + cubes[:, 1]) * counts[2] + cubes[:, 2]
    _, cube, many = torch.unique(numbers, return_inverse=True, return_counts=True)
    return torch.zeros(len(many), 3, dtype=points.dtype).index_add_(0, cube, points) / many[:, None]


def _read(file: Path) -> _Scan:
    """Read a .ply of points or triangles. Raises InputError."""
    try:
        content = PlyData.read(str(file))
        vertex = content["vertex"]
        places = torch.from_numpy(np.stack([vertex[axis] for axis in "xyz"], -1).astype(np.float64))
        if "face" not in content or not len(content["face"]):
            return _Scan(places, None)
        faces = content["face"].data
        name = next(name for name in ("vertex_indices", "vertex_index") if name in faces.dtype.names)
        corners = torch.from_numpy(np.stack(faces[name]).astype(np.int64))
        if corners.shape[1] != 3 or not ((corners >= 0) & (corners < len(places))).all():
            raise ValueError("no triangles between its vertices")
        finite = places.isfinite().all(1)
        return _Scan(places.where(finite[:, None], places[finite].mean(0)), corners[finite[corners].all(1)])
    except MemoryError:
        raise
    except Exception as error:  # plyfile and numpy raise a different type for every kind of damage
        raise InputError(f"{file}: cannot be read as a .ply of points or triangles; give another scan.") from error


def fitted_to_inputs(
    predicted: Prediction,
    prepared: Prepared,
    quality: Quality,
    seed: int,
    report: Report = ignore,
    *,
    geometry: bool = False,
) -> Gaussians:
    """Return the scene that a fit of this quality to the inputs makes of a prediction; `geometry` as in `Effort`."""
    start = sparse_start(predicted, prepared, seed)
    count, beyond = len(prepared.inputs), horizon(prepared)
    how = effort_for(quality, count, horizon=beyond, geometry=geometry, seed=seed)
    return optimize(predicted.gaussians, start, prepared.inputs, None, how, report=report).gaussians


def poisson_mesh(points: Float64[ndarray, "point 3"], cameras: Cameras) -> Mesh | None:
    """Return the mesh that COLMAP's Poisson reconstruction (Kazhdan and Hoppe 2013) makes of sparse points.

    Normals are those of planes through neighbours, towards the nearest camera. None if there are too few points, or if
    it finds no surface. Without CUDA this is as much of COLMAP's dense pipeline as its wheel has.
    """
    if len(points) < MIN_POINTS:
        return None
    cloud = np.empty(len(points), [(name, "f4") for name in ("x", "y", "z", "nx", "ny", "nz")])
    for name, column in zip(cloud.dtype.names or (), np.hstack([points, normals(points, cameras)]).T, strict=True):
        cloud[name] = column
    with scratch_folder() as place:
        given, made = place / "points.ply", place / "mesh.ply"
        PlyData([PlyElement.describe(cloud, "vertex")]).write(str(given))
        options = pycolmap.PoissonMeshingOptions()
        options.depth, options.trim, options.color = LEVELS, level_of(points) - COARSER, False
        options.num_threads = torch.get_num_threads()
        pycolmap.poisson_meshing(given, made, options)
        if not made.is_file():
            return None
        content = PlyData.read(str(made))
        vertex, faces = content["vertex"], content["face"]["vertex_indices"]
        if not len(faces):
            return None
        places = torch.from_numpy(np.stack([vertex[axis] for axis in "xyz"], -1).astype(np.float32))
        return Mesh.from_triangles(places, torch.from_numpy(np.stack(faces).astype(np.int64)))


def level_of(points: Float64[ndarray, "point 3"]) -> float:
    """Return the level of an octree around points whose cells are as large as their distance from each other."""
    spacing = np.median(KDTree(points).query(points, 2)[0][:, 1])
    return float(np.log2(np.ptp(points, axis=0).max() / spacing))


def normals(points: Float64[ndarray, "point 3"], cameras: Cameras) -> Float64[ndarray, "point 3"]:
    """Return the direction in which the plane through each point and its neighbours faces the nearest camera."""
    near = points[KDTree(points).query(points, min(NEIGHBOURS, len(points)))[1]]  # [N, K, 3]
    spread = near - near.mean(1, keepdims=True)
    across: ndarray = np.linalg.eigh(spread.swapaxes(1, 2) @ spread)[1][:, :, 0]  # of the least variance
    eyes = cameras.positions.double().cpu().numpy()
    toward = eyes[KDTree(eyes).query(points)[1]] - points
    return across * np.where((across * toward).sum(1, keepdims=True) < 0, -1.0, 1.0)
