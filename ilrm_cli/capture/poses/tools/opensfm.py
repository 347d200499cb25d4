"""Reader of reconstruction.json of OpenSfM and OpenDroneMap.

A list of models; the one with most photos is read. A shot has a rotation (axis times angle) and a translation, from the
world to a camera with x right, y down, z forward. Lengths of lenses are shares of the longer side of the photo.
"""

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from ilrm_cli.capture.poses.brown import brown_lens
from ilrm_cli.capture.poses.lenses import checked_lens, panorama_lens
from ilrm_cli.capture.poses.pose_set import Pose, PoseSet
from ilrm_cli.capture.poses.tools.reading import damage_named, numbers, pose_of
from ilrm_cli.geometry.cameras import Lens
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.json_values import read_json

FISHEYE = ("fisheye", "fisheye_opencv")
PERSPECTIVE = ("perspective", "simple_radial", "radial", "brown")
SPHERICAL = ("spherical", "equirectangular")  # 360 degree photos, the middle of which is ahead


def read_opensfm(file: Path) -> PoseSet:
    """Read poses, lenses and points of the largest model. Raises InputError."""
    with damage_named(file):
        models = read_json(file)
        model = max(models, key=lambda one: len(one["shots"]))
        used = {shot["camera"] for shot in model["shots"].values()}
        lenses = {key: _lens(file, key, model["cameras"][key]) for key in used}
        poses = [
            Pose(name.replace("\\", "/"), lenses[shot["camera"]], _world_from_cam(file, name, shot))
            for name, shot in sorted(model["shots"].items())
        ]
        stated = [point["coordinates"] for point in model.get("points", {}).values()]
        points = np.array(stated, dtype=np.float64).reshape(-1, 3)
    if not poses:
        raise InputError(f"{file} holds no photo with a pose; run OpenSfM again.")
    others = sum(len(one["shots"]) for one in models) - len(poses)
    said = (f"{file} has {len(models)} models apart; that of {len(poses)} photos is read, {others} photos are not.",)
    return PoseSet(tuple(poses), points, said if others else ())


def _world_from_cam(file: Path, name: str, shot: dict[str, Any]) -> Float64[ndarray, "4 4"]:
    turn = numbers(shot["rotation"], 3)
    shift = numbers(shot["translation"], 3)
    return np.linalg.inv(pose_of(np.column_stack([_rotation(turn), shift]), f"{file}, {name}"))


def _rotation(turn: Float64[ndarray, "3"]) -> Float64[ndarray, "3 3"]:
    """Return the rotation by the length of a vector, in radians, about it (Rodrigues)."""
    angle = float(np.linalg.norm(turn))
    if angle == 0:
        return np.eye(3)
    x, y, z = turn / angle
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def _lens(file: Path, key: str, camera: dict[str, Any]) -> Lens:
    def number(*names: str) -> float:
        return float(next((camera[name] for name in names if name in camera), 0.0))

    where, kind = f"{file}, camera {key[:40]}", camera.get("projection_type", "perspective")
    size = width, height = int(camera["width"]), int(camera["height"])
    longer = max(size)
    focal_x = number("focal_x", "focal") * longer
    focal_y = focal_x * number("aspect_ratio") if "aspect_ratio" in camera else number("focal_y", "focal") * longer
    center = (width / 2 + number("c_x") * longer, height / 2 + number("c_y") * longer)
    radial = (number("k1"), number("k2"), number("k3"))
    if kind in FISHEYE:
        params = (focal_x, focal_y, *center, *radial, number("k4"))
        return checked_lens(Lens("OPENCV_FISHEYE", params, width, height), where)
    if kind in SPHERICAL:
        return checked_lens(panorama_lens(width, height), where, panoramas=True)
    if kind not in PERSPECTIVE:
        raise InputError(
            f"{where} is of the type {kind}, which is not known; perspective, fisheye and spherical ones are."
        )
    return brown_lens((focal_x, focal_y), center, radial, (number("p1"), number("p2")), size, where)
