"""Reader of `transforms.json` files (nerfstudio and instant-ngp).

Their cameras look along -z with y up (OpenGL); ours along +z with y down. The world frame of the file is kept as is:
transforms of an earlier frame that `applied_transform` or `scale` record are not undone.
"""

import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from ilrm_cli.capture.poses.brown import brown_lens
from ilrm_cli.capture.poses.colmap import PinholePhoto, mask_name
from ilrm_cli.capture.poses.lenses import PANORAMA, checked_lens, panorama_lens
from ilrm_cli.capture.poses.pose_set import LARGEST, OPENCV_FROM_OPENGL, Pose, PoseSet, rigid
from ilrm_cli.geometry.cameras import Lens
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.json_values import read_json

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".PNG", ".JPG", ".JPEG", ".WEBP")  # tried for paths without one
PERSPECTIVE = ("PINHOLE", "SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL", "OPENCV", "FULL_OPENCV")
FISHEYE = ("OPENCV_FISHEYE", "FISHEYE")
ARIA, ARIA_COUNT = "FISHEYE624", 12  # of Project Aria: k0 to k5, p0, p1, s0 to s3, as in COLMAP's model of that lens
LISTED = ("k1", "k2", "k3", "k4", "p1", "p2")  # what "distortion_params" of other lenses are, in nerfstudio
# Keys of angles of view, of nerfstudio and of instant-ngp, half a turn in their unit, and which that is.
ANGLES = (("camera_angle_{}", math.pi, "radians, between 0 and pi"), ("{}_fov", 180.0, "degrees, between 0 and 180"))
OTHER_LENSES = ("ftheta_p0", "latlong", "equirectangular", "orthographic")  # keys of instant-ngp
SizeOf = Callable[[Path], tuple[int, int] | None]  # (width, height) of a photo, px; None if it cannot be measured


def read_transforms(file: Path, size_of: SizeOf) -> PoseSet:
    """Read poses, lenses and masks of a transforms.json; names are relative to its folder.

    `size_of` measures the photos if the file does not state their size. A frame's intrinsics take precedence over those
    of the whole file. Raises InputError naming the file and the missing or invalid key.
    """
    try:
        content = read_json(file)
    except ValueError as error:
        raise InputError(f"{file} {error}; export it again.") from error
    poses, unmeasured = [], []
    for name, pose in posed_frames(content, file, size_of, panoramas=True):
        if pose is None:
            unmeasured.append(name)
        else:
            poses.append(pose)
    return PoseSet(tuple(sorted(poses, key=lambda pose: pose.name)), np.zeros((0, 3)), unmeasured=tuple(unmeasured))


def posed_frames(
    content: Any, file: Path, size_of: SizeOf, panoramas: bool = False
) -> Iterator[tuple[str, Pose | None]]:
    """Yield name and pose of each frame of the file's content, in its order; None where its size is unknown.

    Frames may be 360 degree photos only if `panoramas` are asked for.
    """
    frames = content.get("frames") if isinstance(content, dict) else None
    if not isinstance(frames, list) or not frames:
        raise InputError(f'{file} has no list "frames" with photos in it; export it again.')
    for index, frame in enumerate(frames):
        where = f"{file}, frame {index}"
        if not isinstance(frame, dict):
            raise InputError(f"{where} is not an object with keys; export the file again.")
        frame = {
            **{k: v for k, v in content.items() if k != "frames"},
            **{k: v for k, v in frame.items() if v is not None},
        }
        frame = {k: v for k, v in frame.items() if v is not None}  # null and no entry say the same
        name = _name(file.parent, frame, where)
        size = _stated_size(frame, where) or _measured_size(frame, size_of(file.parent / name), where)
        yield name, None if size is None else _pose(file, frame, name, size, where, panoramas)


def _pose(file: Path, frame: dict[str, Any], name: str, size: tuple[float, float], where: str, panoramas: bool) -> Pose:
    try:
        matrix = np.array(frame["transform_matrix"], dtype=np.float64)
    except KeyError as error:
        raise InputError(f'{where} has no "transform_matrix"; export the file again.') from error
    except (ValueError, TypeError) as error:
        raise InputError(f'{where}: "transform_matrix" is not a matrix of numbers.') from error
    world_from_cam = rigid(matrix)
    if world_from_cam is None:
        raise InputError(f'{where}: "transform_matrix" is not a 4x4 rotation and translation.')
    mask = frame.get("mask_path")  # as in nerfstudio: black is ignored
    if mask is not None and not isinstance(mask, str):
        raise InputError(f'{where}: "mask_path" is no path; export the file again.')
    mask = None if not mask else _relative(mask, file.parent).as_posix()
    lens = checked_lens(_lens(frame, size, where), where, panoramas)
    cut = "fisheye_crop_radius" in frame and lens.model.endswith("FISHEYE")
    circle = _number(frame, "fisheye_crop_radius", where) if cut else None
    if circle is not None and circle <= 0:
        raise InputError(f'{where}: "fisheye_crop_radius" is {circle}, which leaves nothing; remove it.')
    return Pose(name, lens, world_from_cam @ OPENCV_FROM_OPENGL, mask=mask, circle_px=circle)


def _name(folder: Path, frame: dict[str, Any], where: str) -> str:
    """Return the photo's path relative to the folder, with its missing suffix completed."""
    path = frame.get("file_path")
    if not isinstance(path, str) or not path:
        raise InputError(f'{where} has no "file_path"; export the file again.')
    relative = _relative(path, folder)
    if not relative.name:
        raise InputError(f'{where}: "file_path" {path!r} names no file; export the file again.')
    if not os.path.isfile(folder / relative):
        suffixed = (relative.with_name(relative.name + suffix) for suffix in SUFFIXES)
        relative = next((candidate for candidate in suffixed if os.path.isfile(folder / candidate)), relative)
    return relative.as_posix()


def _relative(path: str, folder: Path) -> Path:
    """Return a path from the file, possibly a Windows or absolute one, relative to the folder if it lies in it."""
    relative = Path(path.replace("\\", "/"))
    if relative.is_absolute() and relative.is_relative_to(folder.absolute()):
        return relative.relative_to(folder.absolute())
    return relative


def _number(frame: dict[str, Any], key: str, where: str, otherwise: float | None = None) -> float:
    value = frame.get(key, otherwise)
    if value is None:
        raise InputError(f'{where} has no "{key}", nor has the file; add it or export the file again.')
    if isinstance(value, str):  # as nerfstudio's reader of RealityCapture copied them
        with suppress(ValueError):
            value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= LARGEST:
        raise InputError(f'{where}: "{key}" is {value!r}, not a number.')
    return float(value)


def _stated_size(frame: dict[str, Any], where: str) -> tuple[float, float] | None:
    """Return the stated (width, height) in px, or None."""
    if "w" in frame and "h" in frame:
        return _number(frame, "w", where), _number(frame, "h", where)
    return None


def _measured_size(frame: dict[str, Any], stored: tuple[int, int] | None, where: str) -> tuple[int, int] | None:
    """Return (width, height) in px of the photo as stored or as upright, in whose middle the principal point is."""
    if stored is None or not {"cx", "cy"} <= frame.keys():
        return stored
    center = _number(frame, "cx", where), _number(frame, "cy", where)

    def off_middle(size: tuple[int, int]) -> float:
        return max(abs(place / side - 0.5) for place, side in zip(center, size, strict=True))

    return min(stored, stored[::-1], key=off_middle)


def _lens(frame: dict[str, Any], size: tuple[float, float], where: str) -> Lens:
    """Return the equivalent COLMAP lens. k3 and k4 multiply, as in nerfstudio, unless k5 or k6 make it a quotient."""
    model = str(frame.get("camera_model", "OPENCV")).upper()
    width, height = size
    whole = int(width), int(height)
    if odd := next((key for key in OTHER_LENSES if frame.get(key, False) is not False), None):
        raise InputError(f'{where}: the lens that "{odd}" stands for is not read; undistort, or add --poses sfm.')
    if model == PANORAMA:
        return panorama_lens(*whole)
    listed = _listed(frame, ARIA_COUNT if model == ARIA else len(LISTED), where)
    frame = frame if model == ARIA or listed is None else frame | dict(zip(LISTED, listed, strict=True))

    def number(key: str, otherwise: float | None = None) -> float:
        return _number(frame, key, where, otherwise)

    focal = _focal(frame, number, width, height, where)
    center = number("cx", width / 2), number("cy", height / 2)
    radial = tuple(number(f"k{i}", 0.0) for i in range(1, 7))
    tangential = (number("p1", 0.0), number("p2", 0.0))
    if model == ARIA:
        if listed is None:
            raise InputError(f'{where} has no "distortion_params", as {ARIA} needs; export the file again.')
        return Lens("RAD_TAN_THIN_PRISM_FISHEYE", (*focal, *center, *listed), *whole)
    if frame.get("is_fisheye") or model in FISHEYE:
        return Lens("OPENCV_FISHEYE", (*focal, *center, *radial[:4]), *whole)
    if model not in PERSPECTIVE:
        known = ", ".join((*PERSPECTIVE, *FISHEYE[:1], PANORAMA, ARIA))
        raise InputError(f'{where}: "camera_model" {model} is not supported; use one of {known}.')
    if model.endswith("PINHOLE"):
        return Lens("PINHOLE", (*focal, *center), *whole)
    if any(radial[4:]) or (model == "FULL_OPENCV" and radial[3]):
        return Lens("FULL_OPENCV", (*focal, *center, *radial[:2], *tangential, *radial[2:]), *whole)
    return brown_lens(focal, center, radial[:4], tangential, whole, where)


def _listed(frame: dict[str, Any], count: int, where: str) -> tuple[float, ...] | None:
    """Return the `count` numbers of "distortion_params"; None if the frame has none, or no distortion.

    An empty list counts for nothing, nor does one of another length, as of OpenCV, where its numbers have keys.
    """
    stated = frame.get("distortion_params")
    if stated is None or str(frame.get("camera_model")).upper().endswith("PINHOLE"):
        return None
    fitting = isinstance(stated, list) and len(stated) == count
    if not fitting and count == len(LISTED) and (stated == [] or any(key in frame for key in LISTED)):
        return None
    if not fitting:
        raise InputError(f'{where}: "distortion_params" are not {count} numbers; export the file again.')
    return tuple(_number({"distortion_params": one}, "distortion_params", where) for one in stated)


def _focal(
    frame: dict[str, Any], number: Callable[..., float], width: float, height: float, where: str
) -> tuple[float, float]:
    """Return focal lengths in px, as stated or from angles of view; one axis serves for both if needed."""
    by_axis: list[float | None] = []
    for axis, side in (("x", width), ("y", height)):
        focal = number(f"fl_{axis}") if f"fl_{axis}" in frame else None
        for form, half_turn, unit in ANGLES:
            if focal is None and (key := form.format(axis)) in frame:
                angle = number(key)
                if not 0 < angle < half_turn:
                    raise InputError(f'{where}: "{key}" is {angle}: these angles of view are in {unit}.')
                focal = side / (2 * math.tan(angle / half_turn * math.pi / 2))
        by_axis.append(focal)
    focal_x, focal_y = by_axis
    if focal_x is None and focal_y is None:
        number("fl_x")  # raises, naming the key
    first = focal_x if focal_x is not None else focal_y
    second = focal_y if focal_y is not None else focal_x
    assert first is not None
    assert second is not None
    return first, second


def transforms_of(photos: Sequence[PinholePhoto], folder: str, masks: str | None = None) -> dict[str, Any]:
    """Return the content of a transforms.json (nerfstudio) beside the image folder `folder`.

    If `masks` is given, it is the folder with a mask for each image.
    """
    frames = []
    for photo in photos:
        focal_x, focal_y, center_x, center_y = photo.lens.params
        frames.append(
            {
                "file_path": f"{folder}/{photo.name}",
                **({} if masks is None else {"mask_path": f"{masks}/{mask_name(photo)}"}),
                "w": photo.lens.width,
                "h": photo.lens.height,
                "fl_x": focal_x,
                "fl_y": focal_y,
                "cx": center_x,
                "cy": center_y,
                "transform_matrix": (photo.world_from_cam @ OPENCV_FROM_OPENGL).tolist(),
            }
        )
    return {"camera_model": "PINHOLE", "frames": frames}
