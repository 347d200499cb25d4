"""Camera paths from files: one camera per frame, in the frame of the scene's file.

| content | made by |
|---|---|
| `camera_path`, a list of `camera_to_world` (16 numbers, or four rows) and `fov` | nerfstudio's viewer, and us |
| a list of cameras with `position` and `rotation` | the trainer of 3D Gaussian splatting (INRIA): `cameras.json` |
| `frames` with `transform_matrix` | nerfstudio and instant-ngp: `transforms.json` |
| a folder with cameras and images, or its file of images | COLMAP |

The first kind says how large and how fast the film is: `render_width` and `render_height` (px), `fps`. Its axes are
OpenGL's: x right, y up, z backward; `fov` is vertical, in degrees (nerfstudio 1.1, `get_path_from_json`). The files
that we write also hold `fl_x`, `fl_y`, `cx` and `cy` in px, and are read back exactly.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ilrm_cli.capture.photos.header import stored_size
from ilrm_cli.capture.photos.listing import Listing, natural_order
from ilrm_cli.capture.photos.project_models import MODEL_SUFFIXES, find_model
from ilrm_cli.capture.poses.colmap import read_model
from ilrm_cli.capture.poses.inria_json import is_inria, poses_of_cameras
from ilrm_cli.capture.poses.lenses import colmap_camera
from ilrm_cli.capture.poses.pose_set import OPENCV_FROM_OPENGL, Pose, check_poses, rigid
from ilrm_cli.capture.poses.transforms_json import posed_frames
from ilrm_cli.geometry.cameras import MOST_PIXELS, Cameras, fitted, plausible, stack
from ilrm_cli.geometry.transforms import FARTHEST
from ilrm_cli.runtime.errors import Damage, InputError, clause
from ilrm_cli.runtime.files import atomic_write
from ilrm_cli.runtime.json_values import read_json

MOST_FPS = 1000.0
NERFSTUDIO_FPS = 24.0  # nerfstudio's own default, for files without `fps`
INTRINSICS = ("fl_x", "fl_y", "cx", "cy")


@dataclass(frozen=True)
class CameraPath:
    """The frames of a fly-through."""

    cameras: Cameras  # one per frame, float64
    fps: float | None = None  # None: the file does not say; its cameras are those of photos


def read_camera_path(path: Path) -> CameraPath:
    """Read a camera path. Raises `InputError` if it is missing or broken or has non-perspective cameras."""
    if path.is_dir() or (path.is_file() and path.suffix in MODEL_SUFFIXES):
        model = find_model(path if path.is_dir() else path.parent, Listing())
        if model is None:
            raise InputError(f"the camera path {path} holds no COLMAP model (cameras and images); name another.")
        poses = sorted(read_model(model).poses, key=lambda pose: natural_order(Path(pose.name)))
        return CameraPath(_cameras_of(poses, path))
    if not path.is_file():
        raise InputError(f"the camera path {path} does not exist.")
    try:
        content = read_json(path)
        if is_inria(content):
            return CameraPath(_cameras_of(poses_of_cameras(content, path), path))
        if isinstance(content, dict) and "frames" in content and "camera_path" not in content:
            return CameraPath(_cameras_of(_poses_of_transforms(content, path), path))
        kind = content.get("camera_type", "perspective")
        if kind != "perspective":
            raise InputError(
                f"the camera path {path} has camera type {kind!r}; only perspective cameras are supported."
            )
        return _camera_path(content)
    except KeyError as error:
        raise InputError(f"the camera path {path} lacks {error}; export it again from nerfstudio's viewer.") from error
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RuntimeError) as error:
        why = clause(error, "its cameras are not the numbers they should be")
        raise InputError(f"the camera path {path} is damaged ({why}).") from error


def write_camera_path(path: Path, cameras: Cameras, fps: float, loops: bool) -> None:
    """Write the frames of a film as a camera path that nerfstudio's viewer reads too."""
    poses = cameras.world_from_cam.double().numpy() @ OPENCV_FROM_OPENGL
    frames = []
    for pose, focal, center in zip(poses, cameras.focal_px.tolist(), cameras.center_px.tolist(), strict=True):
        fov = math.degrees(2 * math.atan(cameras.height / 2 / focal[1]))
        frame = {"camera_to_world": pose.ravel().tolist(), "fov": fov, "aspect": cameras.width / cameras.height}
        frames.append(frame | dict(zip(INTRINSICS, (*focal, *center), strict=True)))
    content = {
        "camera_type": "perspective",
        "render_width": cameras.width,
        "render_height": cameras.height,
        "fps": fps,
        "seconds": len(cameras) / fps,
        "is_cycle": loops,
        "camera_path": frames,
    }
    atomic_write(path, (json.dumps(content, indent=1) + "\n").encode())


def _camera_path(content: dict[str, Any]) -> CameraPath:
    frames = content["camera_path"]
    width, height = int(content["render_width"]), int(content["render_height"])
    if not frames:
        raise Damage("it has no cameras")
    matrices = [np.array(frame["camera_to_world"], dtype=np.float64) for frame in frames]
    if any(matrix.size not in (12, 16) for matrix in matrices):
        raise Damage("a camera_to_world has not 16 numbers")
    poses = [rigid(matrix.reshape(-1, 4)) for matrix in matrices]
    if any(pose is None or not (np.abs(pose) < FARTHEST).all() for pose in poses):
        raise Damage("a camera_to_world is not a rigid pose")
    fovs = [float(frame["fov"]) for frame in frames]
    if not all(0 < fov < 180 for fov in fovs) or min(width, height) < 1 or width * height > MOST_PIXELS:
        raise Damage("a field of view or the image size is out of range")
    lenses = [_lens(frame, fov, width, height) for frame, fov in zip(frames, fovs, strict=True)]
    focal_px, center_px = torch.tensor(lenses, dtype=torch.float64).split(2, dim=1)
    stated = zip(focal_px.tolist(), center_px.tolist(), strict=True)
    if not all(plausible(focal, center, width, height) for focal, center in stated):
        raise Damage("a focal length or centre is none that a camera can have")
    world_from_cam = torch.from_numpy(np.stack([pose @ OPENCV_FROM_OPENGL for pose in poses if pose is not None]))
    fps = float(content.get("fps", NERFSTUDIO_FPS))
    if not 0 < fps <= MOST_FPS:
        raise Damage(f"fps is {fps}")
    return CameraPath(Cameras(world_from_cam, focal_px, center_px, width, height), fps)


def _lens(frame: dict[str, Any], fov_deg: float, width: int, height: int) -> tuple[float, ...]:
    """Return focal lengths and principal point in px, as stated or by the angle of view."""
    if all(key in frame for key in INTRINSICS):
        return tuple(float(frame[key]) for key in INTRINSICS)
    focal_px = height / 2 / math.tan(math.radians(fov_deg) / 2)
    return focal_px, focal_px, width / 2, height / 2


def _poses_of_transforms(content: dict[str, Any], file: Path) -> list[Pose]:
    frames = [{"file_path": f"frame {i}", **f} if isinstance(f, dict) else f for i, f in enumerate(content["frames"])]
    poses = []
    for name, pose in posed_frames({**content, "frames": frames}, file, stored_size):
        if pose is None:
            raise InputError(f'{file} does not say how large {name} is; add "w" and "h".')
        poses.append(pose)
    return poses


def _cameras_of(poses: Sequence[Pose], path: Path) -> Cameras:
    """Return the poses with pinhole lenses of one size, that of the first: a film shows no distortion."""
    cameras = []
    check_poses(poses, f"the camera path {path}")
    for pose in poses:
        lens = colmap_camera(pose.lens)
        focal = torch.tensor([[lens.focal_length_x, lens.focal_length_y]], dtype=torch.float64)
        center = torch.tensor([[lens.principal_point_x, lens.principal_point_y]], dtype=torch.float64)
        world_from_cam = torch.from_numpy(pose.world_from_cam)[None]
        cameras.append(Cameras(world_from_cam, focal, center, lens.width, lens.height))
    first = cameras[0]
    if first.width * first.height > MOST_PIXELS:
        raise InputError(f"the camera path {path} is damaged (its pictures have {first.width}x{first.height} px).")
    return stack([fitted(camera, first.width, first.height) for camera in cameras])
