"""The common result of all pose sources."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from ilrm_cli.geometry.cameras import Lens

AXES_TOLERANCE = 1e-2  # relative difference of axis lengths explained by rounded text files


@dataclass(frozen=True)
class Pose:
    """Lens and pose of one photo, as stated by the source."""

    name: str  # path of the photo relative to the source's photo folder, with forward slashes
    lens: Lens  # for the source's pixels, which may be scaled or not yet rotated upright
    world_from_cam: Float64[ndarray, "4 4"]  # OpenCV axes, rigid
    points: Float64[ndarray, "point 3"] | None = None  # sparse points found in this photo; None: unknown
    mask: str | None = None  # path of its mask, like `name`, if the source states one


@dataclass(frozen=True)
class PoseSet:
    """All poses of one source, in one frame."""

    poses: tuple[Pose, ...]  # sorted by name
    points: Float64[ndarray, "point 3"]  # sparse points in the same frame; may be empty
    warnings: tuple[str, ...] = ()  # one sentence each
    error_px: float | None = None  # mean reprojection error of the points; None: unknown
    unmeasured: tuple[str, ...] = ()  # photos whose size neither the source nor the file states


def rigid(matrix: Float64[ndarray, "..."]) -> Float64[ndarray, "4 4"] | None:
    """Return the nearest rigid 4x4 pose of a 3x4 or 4x4 matrix; None if it has another shape or is not close to one.

    A uniform scale of the axes is removed; mirrored, sheared and non-finite matrices are rejected.
    """
    if matrix.shape not in ((3, 4), (4, 4)) or not np.isfinite(matrix).all():
        return None
    u, lengths, vh = np.linalg.svd(matrix[:3, :3])
    if lengths[2] < (1 - AXES_TOLERANCE) * lengths[0] or np.linalg.det(u @ vh) < 0 or lengths[0] == 0:
        return None
    pose = np.eye(4)
    pose[:3, :3] = u @ vh
    pose[:3, 3] = matrix[:3, 3]
    return pose
