"""Reader of "Internal/External camera parameters" (CSV) of RealityCapture and RealityScan.

One row per photo: name, position x, y, alt (z up), heading, pitch and roll in degrees, focal length f in millimetres of
a 36 mm frame, principal point px, py from the middle as a share of the longer side, k1 to k4, t1, t2. With all angles 0
the camera looks down with the top of the photo to y. A first line "#cameras N", lines of comment, missing columns, and
decimal commas between semicolons are allowed.

Other programs write such tables with pitch and roll 0 for level photos. Angles do not tell these from photos of a drone
that looks down; the photos do, by features that two of them share.
"""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from ilrm_cli.capture.photos.other_tools import CSV_FOCAL, csv_header
from ilrm_cli.capture.poses.brown import brown_lens
from ilrm_cli.capture.poses.lenses import FRAME_MM
from ilrm_cli.capture.poses.pose_set import OPENCV_FROM_OPENGL, Pose, PoseSet
from ilrm_cli.capture.poses.tools.reading import LensesOf, SizesOf, damage_named, numbers
from ilrm_cli.geometry.cameras import Lens
from ilrm_cli.runtime.errors import InputError, listed
from ilrm_cli.runtime.files import read_text

Rotation = Callable[[float, float, float], Float64[ndarray, "3 3"]]  # of heading, pitch and roll in degrees


def read_reality_capture(
    file: Path, sizes_of: SizesOf, lenses_of: LensesOf, rotation: Rotation | None = None
) -> PoseSet:
    """Read poses and lenses, with angles as documented or as `rotation` takes them. Raises InputError.

    Tables without focal lengths have the lenses that `lenses_of` knows. Photos that cannot be measured, or whose lenses
    nothing tells, are `unmeasured`; those whose lenses are not known are left out with a warning, unless all are.
    """
    strange: dict[str, InputError] = {}
    with damage_named(file):
        lines = read_text(file).split("\n")
        header = csv_header("\n".join(lines).encode()[: 1 << 16])
        assert header is not None, "its finder has seen it"
        number, columns = header
        delimiter = ";" if ";" in lines[number] else ","
        rows = [
            dict(zip(columns, (part.strip() for part in row), strict=False))
            for row in csv.reader(lines[number + 1 :], delimiter=delimiter)
            if row and row[0].strip() and not (row[0].startswith("#") and len(row) < len(columns))
        ]
        if any(len(row) < len(columns) for row in rows):
            raise ValueError("a row is cut short")
        names = [row["name"] for row in rows]
        if CSV_FOCAL in columns:
            sizes, lenses = sizes_of(names), {}
            for row in rows:
                if (name := row["name"]) in sizes:
                    try:
                        lenses[name] = _lens(file, row, sizes[name])
                    except InputError as error:
                        strange[name] = error
        else:
            lenses = dict(lenses_of(names))
        poses = [
            _pose(row, lenses[row["name"]], rotation or world_from_camera) for row in rows if row["name"] in lenses
        ]
    if strange and not poses:
        raise next(iter(strange.values()))
    said = (
        f"{error} Without a lens that is known, these are left out: {listed(list(strange))}."
        for error in [*strange.values()][:1]
    )
    unmeasured = tuple(name for name in names if name not in lenses and name not in strange)
    poses.sort(key=lambda pose: pose.name)
    return PoseSet(tuple(poses), np.zeros((0, 3)), tuple(said), unmeasured=unmeasured)


def _lens(file: Path, row: dict[str, str], size: tuple[int, int]) -> Lens:
    def number(column: str) -> float:
        return _number(row.get(column) or "0")

    width, height = size
    longer = max(size)
    focal = number("f") * longer / FRAME_MM
    center = (width / 2 + number("px") * longer, height / 2 + number("py") * longer)
    radial, tangential = tuple(number(f"k{i}") for i in range(1, 5)), (number("t1"), number("t2"))
    return brown_lens((focal, focal), center, radial, tangential, size, f"{file}, {row['name']}")


def _pose(row: dict[str, str], lens: Lens, rotation: Rotation) -> Pose:
    world_from_cam = np.eye(4)
    world_from_cam[:3, :3] = rotation(*(_number(row[angle]) for angle in ("heading", "pitch", "roll")))
    world_from_cam[:3, 3] = [_number(row[axis]) for axis in ("x", "y", "alt")]
    return Pose(row["name"].replace("\\", "/"), lens, world_from_cam)


def _number(text: str) -> float:
    """Return the number in a cell, maybe with a decimal comma."""
    return float(numbers(text.replace(",", ".")))


def world_from_camera(heading_deg: float, pitch_deg: float, roll_deg: float) -> Float64[ndarray, "3 3"]:
    """Return the rotation: about y by the roll, about x by the pitch, about z by the heading, clockwise from above."""
    heading, pitch, roll = np.radians([-heading_deg, pitch_deg, roll_deg])
    about_z = [[np.cos(heading), -np.sin(heading), 0], [np.sin(heading), np.cos(heading), 0], [0, 0, 1]]
    about_x = [[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]]
    about_y = [[np.cos(roll), 0, np.sin(roll)], [0, 1, 0], [-np.sin(roll), 0, np.cos(roll)]]
    return np.array(about_z) @ np.array(about_x) @ np.array(about_y) @ OPENCV_FROM_OPENGL[:3, :3]


def level_from_behind(heading_deg: float, pitch_deg: float, roll_deg: float) -> Float64[ndarray, "3 3"]:
    """Return the rotation where pitch counts from the horizon, and heading to what lies behind the camera."""
    heading, pitch, roll = np.radians([heading_deg, pitch_deg, roll_deg])
    back = np.array([np.sin(heading) * np.cos(pitch), np.cos(heading) * np.cos(pitch), -np.sin(pitch)])
    level = np.array([-np.cos(heading), np.sin(heading), 0.0])
    right = np.cos(roll) * level + np.sin(roll) * np.cross(back, level)
    return np.column_stack([right, -np.cross(back, right), -back])


def level_ahead(heading_deg: float, pitch_deg: float, roll_deg: float) -> Float64[ndarray, "3 3"]:
    """Return the rotation where pitch counts from the horizon, and heading to what the camera looks at."""
    return level_from_behind(heading_deg + 180, pitch_deg, roll_deg)


OTHER_ROTATIONS: tuple[Rotation, ...] = (level_from_behind, level_ahead)
