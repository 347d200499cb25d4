"""Camera paths from nerfstudio's viewer: one JSON file, one camera per frame.

Keys read (nerfstudio 1.1, `get_path_from_json`): `render_width`, `render_height` (px), `fps`, `camera_type`,
`camera_path`: a list of `camera_to_world` (16 numbers row by row, OpenGL axes: x right, y up, z backward) and `fov`
(vertical, degrees). The poses are taken to be in the frame of the scene's .ply file.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.runtime.errors import InputError

DEFAULT_FPS = 24.0  # nerfstudio's own default, for files without `fps`


@dataclass(frozen=True)
class CameraPath:
    """The frames of a fly-through."""

    cameras: Cameras  # one per frame, float64
    fps: float


def read_camera_path(path: Path) -> CameraPath:
    """Read a camera path. Raises `InputError` if the file is missing or broken or has non-perspective cameras."""
    if not path.is_file():
        raise InputError(f"the camera path {path} does not exist.")
    try:
        content = json.loads(path.read_bytes())
        kind = content.get("camera_type", "perspective")
        if kind != "perspective":
            raise InputError(
                f"the camera path {path} has camera type {kind!r}; only perspective cameras are supported."
            )
        return _camera_path(content)
    except KeyError as error:
        raise InputError(f"the camera path {path} lacks {error}; export it again from nerfstudio's viewer.") from error
    except (ValueError, TypeError, AttributeError, OverflowError) as error:  # json's error is a ValueError
        raise InputError(f"the camera path {path} is damaged ({error}).") from error


def _camera_path(content: dict[str, Any]) -> CameraPath:
    frames = content["camera_path"]
    width, height = int(content["render_width"]), int(content["render_height"])
    if not frames:
        raise ValueError("it has no cameras")
    if any(len(frame["camera_to_world"]) != 16 for frame in frames):
        raise ValueError("a camera_to_world has not 16 numbers")
    poses = torch.tensor([frame["camera_to_world"] for frame in frames], dtype=torch.float64).reshape(-1, 4, 4)
    poses[:, :, 1:3] *= -1  # OpenGL to OpenCV axes
    turn = poses[:, :3, :3]
    if not poses.isfinite().all() or not torch.allclose(turn @ turn.mT, torch.eye(3).double(), atol=1e-3):
        raise ValueError("a camera_to_world is not a rigid pose")
    fovs = [float(frame["fov"]) for frame in frames]
    if not all(0 < fov < 180 for fov in fovs) or min(width, height) < 1:
        raise ValueError("a field of view or the image size is out of range")
    focal_px = torch.tensor([height / 2 / math.tan(math.radians(fov) / 2) for fov in fovs], dtype=torch.float64)
    center_px = torch.tensor([width / 2, height / 2], dtype=torch.float64)
    cameras = Cameras(poses, focal_px[:, None].repeat(1, 2), center_px.repeat(len(frames), 1), width, height)
    fps = float(content.get("fps", DEFAULT_FPS))
    if not (math.isfinite(fps) and fps > 0):
        raise ValueError(f"fps is {fps}")
    return CameraPath(cameras, fps)
