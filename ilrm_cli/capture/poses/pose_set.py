"""The common result of all pose sources."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from ilrm_cli.geometry.cameras import Lens
from ilrm_cli.geometry.transforms import FARTHEST
from ilrm_cli.runtime.errors import InputError, listed

OPENCV_FROM_OPENGL = np.diag([1.0, -1.0, -1.0, 1.0])  # cameras that look along -z with y up; its own inverse
LEAST_QUATERNION = 1e-6  # shorter ones have no direction
LARGEST = 1e12  # no value in a camera file is larger
AXES_TOLERANCE = 1e-2  # relative difference of axis lengths explained by rounded text files


@dataclass(frozen=True)
class Pose:
    """Lens and pose of one photo, as stated by the source."""

    name: str  # path of the photo relative to the source's photo folder, with forward slashes
    lens: Lens  # for the source's pixels, which may be scaled or not yet rotated upright
    world_from_cam: Float64[ndarray, "4 4"]  # OpenCV axes, rigid
    points: Float64[ndarray, "point 3"] | None = None  # sparse points found in this photo; None: unknown
    mask: str | None = None  # path of its mask, like `name`, if the source states one
    circle_px: float | None = None  # radius about the middle of the lens's picture within which it shows something


@dataclass(frozen=True)
class PoseSet:
    """All poses of one source, in one frame."""

    poses: tuple[Pose, ...]  # sorted by name; several of one name where the source does not tell photos apart
    points: Float64[ndarray, "point 3"]  # sparse points in the same frame; may be empty
    warnings: tuple[str, ...] = ()  # one sentence each
    error_px: float | None = None  # mean reprojection error of the points; None: unknown
    unmeasured: tuple[str, ...] = ()  # photos whose size neither the source nor the file states
    labels: bool = False  # names are without suffixes, as this source always writes them
    bare: bool = False  # names are without folders, as this source writes them; what folders there are settle ties


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


def without_namesakes(poses: PoseSet, source: str) -> PoseSet:
    """Return the poses without those that have the name of another one, and a warning about these.

    Which photo such a pose belongs to nothing tells, but where all poses of a name are the same. `source` names their
    source. Raises InputError if none is left.
    """
    by_name: dict[str, list[Pose]] = {}
    for pose in poses.poses:
        by_name.setdefault(pose.name, []).append(pose)
    unclear = [name for name, (first, *others) in by_name.items() if not all(_same(first, one) for one in others)]
    if unclear and len(unclear) == len(by_name):
        raise InputError(
            f"{source} gives several photos each of its names ({listed(unclear)}), so none has a pose of its own; give "
            "the photos different names and export it again."
        )
    kept = tuple(by_name[name][0] for name in sorted(by_name.keys() - set(unclear)))
    said = f"{source} gives several photos the same name, whose poses are left out: {listed(unclear)}."
    return replace(poses, poses=kept, warnings=(*poses.warnings, said) if unclear else poses.warnings)


def _same(one: Pose, other: Pose) -> bool:
    return one.lens == other.lens and np.array_equal(one.world_from_cam, other.world_from_cam)


def sound(poses: PoseSet, source: str) -> PoseSet:
    """Return the poses, one of each name and each a rotation and a translation, and the points that are somewhere.

    What is left out is told in warnings. `source` names their source. Raises InputError if a pose is mirrored, sheared,
    not finite or farther away than anything is.
    """
    poses = without_namesakes(poses, source)
    check_poses(poses.poses, source)
    kept = _somewhere(poses.points)
    photos = tuple(
        pose if pose.points is None else replace(pose, points=_somewhere(pose.points)) for pose in poses.poses
    )
    lost = len(poses.points) - len(kept)
    told = (f"{lost} points of {source} are not finite or absurdly far away and are left out.",) if lost else ()
    return replace(poses, poses=photos, points=kept, warnings=(*poses.warnings, *told))


def check_poses(poses: Iterable[Pose], source: str) -> None:
    """Raise InputError if a pose is mirrored, sheared, not finite or farther away than anything is."""
    for pose in poses:
        if rigid(pose.world_from_cam) is None or not (np.abs(pose.world_from_cam) < FARTHEST).all():
            raise InputError(f"{source}: the pose of {pose.name} is no rotation and position; export it again.")


def _somewhere(points: Float64[ndarray, "point 3"]) -> Float64[ndarray, "some 3"]:
    return points[(np.abs(points) < FARTHEST).all(1)]
