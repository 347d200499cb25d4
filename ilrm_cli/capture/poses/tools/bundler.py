"""Reader of Bundler's bundle.out (Snavely et al. 2006), which many tools export, with its list of photos.

After a line of comment and the numbers of cameras and points: for each camera f, k1, k2 (f in px, the principal point
in the middle), a rotation of three rows and a translation, from the world to a camera with x right, y up, z backward;
for each point its position, its colour, and the photos that show it. f = 0 marks a photo without a pose.
"""

from pathlib import Path

import numpy as np

from ilrm_cli.capture.poses.brown import brown_lens
from ilrm_cli.capture.poses.pose_set import OPENCV_FROM_OPENGL, Pose, PoseSet
from ilrm_cli.capture.poses.tools.reading import SizesOf, damage_named, numbers, pose_of
from ilrm_cli.runtime.errors import Damage, InputError
from ilrm_cli.runtime.files import read_text

CAMERA_NUMBERS = 15


def read_bundler(file: Path, names_file: Path | None, sizes_of: SizesOf) -> PoseSet:
    """Read poses, lenses and points; `names_file` lists the photos in the order of the cameras. Raises InputError."""
    if names_file is None:
        raise InputError(f"{file} needs its list of photos, list.txt beside it; export both, or add --poses sfm.")
    with damage_named(file):
        names = [_name(line.strip()) for line in read_text(names_file).split("\n") if line.strip()]
        words = read_text(file).split("\n", 1)[1].split()
        cameras, count = int(words[0]), int(words[1])
        if cameras != len(names):
            raise Damage(f"it has {cameras} cameras and {len(names)} names")
        if 2 + CAMERA_NUMBERS * cameras + 7 * count > len(words):
            raise ValueError(f"{cameras} cameras and {count} points")
        rows = np.array(words[2 : 2 + CAMERA_NUMBERS * cameras], dtype=np.float64).reshape(cameras, CAMERA_NUMBERS)
        numbers(rows[rows[:, 0] != 0], -1, CAMERA_NUMBERS)
        points, shown_by = _points(words[2 + CAMERA_NUMBERS * cameras :], cameras, count)
        posed = [index for index in range(cameras) if rows[index, 0] > 0]
        sizes = sizes_of([names[index] for index in posed])
        poses = []
        for index in posed:
            if names[index] in sizes:
                visible = points[shown_by[index]]
                poses.append(_pose(file, names[index], rows[index], sizes[names[index]], visible))
    unmeasured = tuple(names[index] for index in posed if names[index] not in sizes)
    return PoseSet(tuple(sorted(poses, key=lambda pose: pose.name)), points, unmeasured=unmeasured)


def _name(line: str) -> str:
    """Return the name in a line of the list, which may also say whether it is a fisheye photo and its focal length."""
    parts = line.rsplit(maxsplit=2)
    more = len(parts) == 3 and parts[1] in ("0", "1") and parts[2].replace(".", "", 1).isdecimal()
    return (parts[0] if more else line).removeprefix("./")


def _points(words: list[str], cameras: int, count: int) -> tuple[np.ndarray, list[list[int]]]:
    """Return the positions of all points, and for each camera the points that it shows."""
    points, shown_by, at = np.empty((count, 3)), [list[int]() for _ in range(cameras)], 0
    for index in range(count):
        points[index] = [float(number) for number in words[at : at + 3]]
        views = int(words[at + 6])
        seen = words[at + 7 : at + 7 + 4 * views : 4]
        if views < 0 or len(seen) < views:
            raise ValueError(f"point {index} is cut short")
        for camera in seen:
            shown_by[int(camera)].append(index)
        at += 7 + 4 * views
    return points, shown_by


def _pose(file: Path, name: str, row: np.ndarray, size: tuple[int, int], visible: np.ndarray) -> Pose:
    focal, k1, k2 = (float(number) for number in row[:3])
    center = (size[0] / 2, size[1] / 2)
    lens = brown_lens((focal, focal), center, (k1, k2, 0.0), (0.0, 0.0), size, f"{file}, {name}")
    cam_from_world = OPENCV_FROM_OPENGL[:3, :3] @ np.column_stack([row[3:12].reshape(3, 3), row[12:]])
    rigid_pose = pose_of(cam_from_world, f"{file}, {name}")
    return Pose(name.replace("\\", "/"), lens, np.linalg.inv(rigid_pose), visible)
