"""Whose surfaces are compared beside the prediction's: those of fits to the inputs, and COLMAP's of the sparse points.

Nobody judges a fit: all inputs are fitted in all steps.
"""

import numpy as np
import torch
from jaxtyping import Float64
from numpy import ndarray
from plyfile import PlyData, PlyElement
from scipy.spatial import KDTree

from ilrm_cli.capture.poses.colmap_library import pycolmap
from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.meshes import Mesh
from ilrm_cli.pipeline.optimize.fit import effort_for
from ilrm_cli.pipeline.optimize.judging import optimize
from ilrm_cli.pipeline.predict import Prediction
from ilrm_cli.pipeline.prepare import Prepared
from ilrm_cli.pipeline.settings import Quality
from ilrm_cli.pipeline.starts import MIN_POINTS, horizon, sparse_start
from ilrm_cli.runtime.files import scratch_folder
from ilrm_cli.runtime.progress import Report, ignore

FITTED, FITTED_SURFACES = "{quality} fit", "{quality} fit with --geometry"
POISSON = "COLMAP's Poisson mesh of sparse points"
# Octree levels of the Poisson reconstruction, and by how many levels its surface may be coarser than the spacing of
# points before it is cut away as too far from them. COLMAP's own numbers leave nothing of points as sparse as these.
LEVELS, COARSER = 8, 2.0
NEIGHBOURS = 12  # points whose plane tells a sparse point's normal


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
