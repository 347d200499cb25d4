"""Readers of what scanning apps of phones export: Polycam's raw data, Record3D, and ARKit frames of 3D Scanner App.

All state ARKit's camera in the world: x right, y up, z backward for the photo as the sensor delivers it.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from ilrm_cli.capture.poses.lenses import checked_lens, pinhole
from ilrm_cli.capture.poses.pose_set import OPENCV_FROM_OPENGL, Pose, PoseSet
from ilrm_cli.capture.poses.tools.reading import SizesOf, damage_named, numbers, pose_of, rotation_of
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.json_values import read_json


def read_polycam(files: Sequence[Path]) -> PoseSet:
    """Read one file per photo, of its name: t_00 to t_23 (a 3x4 pose), fx, fy, cx, cy, width, height."""
    poses = []
    for file in files:
        with damage_named(file):
            content = read_json(file)
            matrix = numbers([[content[f"t_{row}{column}"] for column in range(4)] for row in range(3)], 3, 4)
            size = int(content["width"]), int(content["height"])
            focal, center = (_pair(content, keys) for keys in (("fx", "fy"), ("cx", "cy")))
            lens = checked_lens(pinhole(focal, center, *size), str(file))
            poses.append(Pose(file.stem, lens, pose_of(matrix, str(file)) @ OPENCV_FROM_OPENGL))
    return PoseSet(tuple(poses), np.zeros((0, 3)), labels=True)


def read_arkit(files: Sequence[Path], sizes_of: SizesOf) -> PoseSet:
    """Read one file per photo, of its name: cameraPoseARFrame (4x4) and intrinsics (3x3), row by row or by columns."""
    sizes, poses, unmeasured = sizes_of([file.stem for file in files]), [], []
    for file in files:
        with damage_named(file):
            content = read_json(file)
            if "cameraPoseARFrame" not in content:
                continue
            if file.stem not in sizes:
                unmeasured.append(file.stem)
                continue
            pose = _by_rows(numbers(content["cameraPoseARFrame"], 4, 4))
            k = _by_rows(numbers(content["intrinsics"], 3, 3))
            lens = checked_lens(pinhole((k[0, 0], k[1, 1]), (k[0, 2], k[1, 2]), *sizes[file.stem]), str(file))
            poses.append(Pose(file.stem, lens, pose_of(pose, str(file)) @ OPENCV_FROM_OPENGL))
    return PoseSet(tuple(poses), np.zeros((0, 3)), unmeasured=tuple(unmeasured), labels=True)


def read_record3d(file: Path, photos: Sequence[Path]) -> PoseSet:
    """Read `poses` (quaternion x, y, z, w and position of each frame), `K` by columns, `w` and `h`.

    Frames are the photos, in the order of their numbers; where some are missing, the numbers tell which. The
    `perFrameIntrinsicCoeffs`, if there, have fx, fy, cx, cy of each.
    """
    with damage_named(file):
        content = read_json(file)
        rows = numbers(content["poses"], -1, 7)
        k = numbers(content["K"], 3, 3).T
        size = int(content["w"]), int(content["h"])
        own = content.get("perFrameIntrinsicCoeffs")
        frames = _frames(file, photos, len(rows))
        poses = []
        for photo, index in frames.items():
            fx, fy, cx, cy = own[index] if own else (k[0, 0], k[1, 1], k[0, 2], k[1, 2])
            lens = checked_lens(pinhole((float(fx), float(fy)), (float(cx), float(cy)), *size), str(file))
            matrix = np.column_stack([rotation_of(rows[index, :4]), rows[index, 4:]])
            poses.append(Pose(photo.name, lens, pose_of(matrix, f"{file}, frame {index}") @ OPENCV_FROM_OPENGL))
    numbered = f"{file} has {len(rows)} poses for {len(photos)} photos; the numbers in their names tell which."
    said = (numbered,) if len(rows) != len(photos) else ()
    return PoseSet(tuple(sorted(poses, key=lambda pose: pose.name)), np.zeros((0, 3)), said)


def _frames(file: Path, photos: Sequence[Path], count: int) -> dict[Path, int]:
    """Return the index of each photo's frame, among `count` of them, for those that have one."""
    if len(photos) == count:
        return {photo: index for index, photo in enumerate(photos)}
    endings = [re.search(r"\d+$", photo.stem, re.ASCII) for photo in photos]
    indices = [int(ending[0]) for ending in endings if ending is not None]
    if len(set(indices)) < len(photos):
        raise InputError(
            f"{file} has {count} poses for {len(photos)} photos, and no numbers in their names tell which is which; "
            "export it again."
        )
    return {photo: index for photo, index in zip(photos, indices, strict=True) if index < count}


def _pair(content: dict[str, Any], keys: tuple[str, str]) -> tuple[float, float]:
    return float(content[keys[0]]), float(content[keys[1]])


def _by_rows(matrix: Float64[ndarray, "side side"]) -> Float64[ndarray, "side side"]:
    """Return a matrix whose last row is (0, ..., 0, 1), also if it was written by columns."""
    return matrix.T if np.any(matrix[-1, :-1]) and not np.any(matrix[:-1, -1]) else matrix
