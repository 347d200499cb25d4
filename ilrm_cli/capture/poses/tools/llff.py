"""Reader of poses_bounds.npy of LLFF (Mildenhall et al. 2019), which NeRFs of scenes that face forward are made from.

A row for each photo, in the order of their names: a matrix of 3x5, whose columns are the camera's axes down, right and
backward, its place, and height, width and focal length in px; then two depths. The principal point is the middle.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ilrm_cli.capture.poses.lenses import checked_lens, pinhole
from ilrm_cli.capture.poses.pose_set import Pose, PoseSet
from ilrm_cli.capture.poses.tools.reading import damage_named, numbers, pose_of
from ilrm_cli.runtime.errors import Damage

ROW = 17


def read_llff(file: Path, photos: Sequence[Path]) -> PoseSet:
    """Read poses and lenses of these photos, which are one for each row. Raises InputError."""
    poses = []
    with damage_named(file):
        rows = numbers(np.load(file, allow_pickle=False), -1, ROW)
        if len(rows) != len(photos):
            raise Damage(f"it has {len(rows)} poses for {len(photos)} photos")
        for photo, row in zip(sorted(photos, key=lambda path: path.name), rows, strict=True):
            down, right, backward, place, (height, width, focal) = row[:15].reshape(3, 5).T
            size = (round(width), round(height))
            lens = checked_lens(pinhole((focal, focal), (width / 2, height / 2), *size), str(file))
            matrix = np.column_stack([right, down, -backward, place])
            poses.append(Pose(photo.name, lens, pose_of(matrix, f"{file}, {photo.name}")))
    said = f"{file} names no photos: its {len(poses)} poses are taken in the order of the photos' names."
    return PoseSet(tuple(poses), np.zeros((0, 3)), (said,))
