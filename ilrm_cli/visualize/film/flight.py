"""Where the camera of a film is in each frame: on a path of ours, or on one made in nerfstudio's viewer.

Such a path is one JSON file, one camera per frame. Keys read (nerfstudio 1.1, `get_path_from_json`): `render_width`,
`render_height` (px), `fps`, `camera_type`, `camera_path`: a list of `camera_to_world` (16 numbers row by row, OpenGL
axes: x right, y up, z backward) and `fov` (vertical, degrees). The poses are taken to be in the frame of the scene's
.ply file.
"""

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.frames import upright
from ilrm_cli.render.paths import auto, by_name
from ilrm_cli.render.paths.auto import supported
from ilrm_cli.render.probes import glance
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.scene.opened import ShownScene
from ilrm_cli.visualize.checks import FilmSettings, check_size

# Rendered by a laptop without a GPU in well under a minute.
DEFAULT_SECONDS = 4.0
DEFAULT_FPS = 24.0
DEFAULT_LONG_SIDE_PX = 640

MAX_FRAMES = 100_000  # over an hour; keeps a typing error from filling the memory with cameras

JUDGED_FRAMES = 48  # of a film along a path chosen by the user
MAX_UNSUPPORTED = 0.1  # share of them above which there is a warning

NERFSTUDIO_FPS = 24.0  # nerfstudio's own default, for files without `fps`


@dataclass(frozen=True)
class Flight:
    """The camera path of a film, before its size is settled."""

    cameras: Cameras  # one per frame, float64
    path: str  # one of `render.checks.PATHS`, or the name of the camera path file
    loops: bool  # the first frame follows the last
    fps: float
    size: tuple[int, int]  # (width, height) in px, unless the user asks for another
    warnings: tuple[str, ...] = ()


def flight_of(shown: ShownScene, settings: FilmSettings) -> Flight:
    """Follow the settings' path through the scene. Raises `InputError` for a broken path file or a film too long."""
    if settings.is_file:
        return _flight_from_file(settings)
    fps = settings.fps or DEFAULT_FPS
    length = (settings.seconds or DEFAULT_SECONDS) * fps
    if length > MAX_FRAMES:
        raise InputError(f"--seconds times --fps is {length:.3g} frames; {MAX_FRAMES:,} are the most.")
    count = max(1, round(length))
    gaussians, cameras = shown.file.gaussians, upright_cameras(shown)
    photo = None if settings.photo is None else shown.names.index(settings.photo)
    setting = by_name.setting_of(cameras, gaussians, shown.up, photo)
    size = default_size(shown.cameras)
    if settings.path == "auto" and not settings.full and shown.names:
        route, name = auto.choose(setting, gaussians, shown.near)
        return Flight(route.frames(count, loop=True), name, True, fps, size)
    # Without photos it is unknown from where a scene looks good: show it from all around.
    name = "orbit" if settings.full or settings.path == "auto" else settings.path
    route = by_name.route(name, setting, full=settings.full, loop=settings.loop)
    frames = route.frames(count, loop=settings.loop)
    judged = shown.names and not settings.full and name != "inputs"
    warnings = _doubts(frames, cameras, shown, settings) if judged else ()
    return Flight(frames, name, route.closed or settings.loop, fps, size, warnings)


def upright_cameras(shown: ShownScene) -> Cameras:
    """Return the photos' cameras, rotated by quarter turns so that none lies on its side in the film."""
    return shown.cameras.moved(upright(shown.cameras.world_from_cam, shown.up))


def default_size(cameras: Cameras) -> tuple[int, int]:
    """Return (width, height) with the photos' aspect ratio and DEFAULT_LONG_SIDE_PX, both even."""
    factor = DEFAULT_LONG_SIDE_PX / max(cameras.width, cameras.height)
    return (max(2, 2 * round(cameras.width * factor / 2)), max(2, 2 * round(cameras.height * factor / 2)))


def fitted(cameras: Cameras, width: int, height: int) -> Cameras:
    """Return the cameras at another image size: scaled to fill it, then cropped evenly to its aspect ratio."""
    factor = max(width / cameras.width, height / cameras.height)
    margin = torch.tensor([width - cameras.width * factor, height - cameras.height * factor]) / 2
    return replace(
        cameras,
        focal_px=cameras.focal_px * factor,
        center_px=cameras.center_px * factor + margin.to(cameras.center_px),
        width=width,
        height=height,
    )


def _flight_from_file(settings: FilmSettings) -> Flight:
    path = Path(settings.path)
    found = read_camera_path(path)
    size = (found.cameras.width, found.cameras.height)
    if settings.size is None:
        check_size(f"without --size, that of {path}", size, settings.panels)
    there = list(range(len(found.cameras)))
    frames = found.cameras[there + there[-2:0:-1]] if settings.loop else found.cameras
    return Flight(frames, path.name, settings.loop, settings.fps or found.fps, size)


def _doubts(frames: Cameras, photographed: Cameras, shown: ShownScene, settings: FilmSettings) -> tuple[str, ...]:
    """Return warnings if many frames are not supported by the photos; a chosen path is flown nevertheless."""
    judged = frames[:: -(-len(frames) // JUDGED_FRAMES)]
    views, photos = (glance(cameras, shown.file.gaussians, shown.near) for cameras in (judged, photographed))
    share = float((~supported(views, photos)).double().mean())
    if share <= MAX_UNSUPPORTED:
        return ()
    return (
        f"{math.ceil(100 * share)} % of the frames show what no photo saw, or pass close before or through something; "
        "--path auto stays where the photos support the film.",
    )


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
    fps = float(content.get("fps", NERFSTUDIO_FPS))
    if not (math.isfinite(fps) and fps > 0):
        raise ValueError(f"fps is {fps}")
    return CameraPath(cameras, fps)
