"""Reader of COLMAP's images.txt without the cameras.txt that belongs to it: poses whose lenses come from elsewhere.

Two lines per photo: id, quaternion (w first) and translation from the world to the camera, id of the lens, name; then
points, which are passed over and may be missing.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ilrm_cli.capture.poses.colmap_files import image_lines
from ilrm_cli.capture.poses.pose_set import Pose, PoseSet
from ilrm_cli.capture.poses.tools.reading import damage_named, numbers, pose_of, rotation_of
from ilrm_cli.geometry.cameras import Lens
from ilrm_cli.runtime.files import read_text


def names_in_images_txt(file: Path) -> list[str]:
    """Return the names of the photos."""
    with damage_named(file):
        return [fields[9] for fields in _rows(file)]


def read_images_txt(file: Path, lenses: Mapping[str, Lens]) -> PoseSet:
    """Read the poses of the photos whose lenses are known, by name; the others are `unmeasured`."""
    poses, unmeasured = [], []
    with damage_named(file):
        for fields in _rows(file):
            name = fields[9].replace("\\", "/")
            if fields[9] not in lenses:
                unmeasured.append(name)
                continue
            w, x, y, z, *shift = numbers(fields[1:8], 7)
            matrix = np.column_stack([rotation_of(np.array([x, y, z, w])), shift])
            world_from_cam = np.linalg.inv(pose_of(matrix, f"{file}, {name}"))
            poses.append(Pose(name, lenses[fields[9]], world_from_cam))
    return PoseSet(tuple(sorted(poses, key=lambda pose: pose.name)), np.zeros((0, 3)), unmeasured=tuple(unmeasured))


def _rows(file: Path) -> list[list[str]]:
    """Return id, pose, lens and name of each photo."""
    rows = [line.split(maxsplit=9) for line, _ in image_lines(read_text(file))]
    if any(len(fields) < 10 for fields in rows):
        raise ValueError("a photo's line is cut short")
    return rows
