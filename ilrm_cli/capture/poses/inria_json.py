"""Reader of `cameras.json`, as the trainer of 3D Gaussian splatting (INRIA) and those that follow it write it.

One object per photo: `img_name` (most often without its suffix), `width`, `height` and `fx`, `fy` in px, `position` of
the camera in the world, and `rotation`, whose columns are the camera's axes x right, y down, z forward. The principal
point is the middle of the picture unless `cx` and `cy` say otherwise.
"""

from pathlib import Path
from typing import Any

import numpy as np

from ilrm_cli.capture.poses.lenses import checked_lens, pinhole
from ilrm_cli.capture.poses.pose_set import Pose, rigid
from ilrm_cli.runtime.errors import InputError

KEYS = {"width", "height", "fx", "fy", "position", "rotation"}  # of every camera


def is_inria(content: Any) -> bool:
    """Return whether a JSON value is such a list of cameras."""
    return (
        isinstance(content, list) and bool(content) and all(isinstance(o, dict) and o.keys() >= KEYS for o in content)
    )


def poses_of_cameras(content: list[dict[str, Any]], file: Path) -> list[Pose]:
    """Return the poses in the order of the file. Raises InputError for values that make no camera."""
    poses = []
    for index, entry in enumerate(content):
        where = f"{file}, camera {index}"
        try:
            width, height = int(entry["width"]), int(entry["height"])
            focal = (float(entry["fx"]), float(entry["fy"]))
            center = (float(entry.get("cx", width / 2)), float(entry.get("cy", height / 2)))
            position = np.array(entry["position"], dtype=np.float64).reshape(3, 1)
            matrix = np.hstack([np.array(entry["rotation"], dtype=np.float64).reshape(3, 3), position])
        except (TypeError, ValueError, OverflowError) as error:
            raise InputError(f"{where} has values that are no numbers; export the file again.") from error
        world_from_cam = rigid(matrix)
        if world_from_cam is None:
            raise InputError(f'{where}: "rotation" is no rotation; export the file again.')
        lens = checked_lens(pinhole(focal, center, width, height), where)
        poses.append(Pose(str(entry.get("img_name") or f"camera {index}").replace("\\", "/"), lens, world_from_cam))
    return poses
