"""Where the camera of a film is in each frame: on a path of ours, or on one from a file."""

import math
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.frames import upright
from ilrm_cli.render.paths import auto, by_name
from ilrm_cli.render.paths.auto import supported
from ilrm_cli.render.paths.routes import Route, fastest_deg
from ilrm_cli.render.probes import glance
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.scene.opened import ShownScene
from ilrm_cli.visualize.checks import FilmSettings, check_size
from ilrm_cli.visualize.film.camera_files import read_camera_path

LEAST_SECONDS, MOST_SECONDS = 4.0, 24.0  # of a film whose length is not given; the latter is a slow full circle
PACE_DEG_S = 20.0  # by which a view may change, so that eyes can follow
PACED_FRAMES = 96  # of a route, by which its pace is told
DEFAULT_FPS = 24.0
DEFAULT_LONG_SIDE_PX = 1280
FIELD_LONG_SIDE_PX = 256  # the same of a field, of which every pixel costs a hundred passes of a network

MAX_FRAMES = 100_000  # over an hour; keeps a typing error from filling the memory with cameras

JUDGED_FRAMES = 48  # of a film along a path chosen by the user
MAX_UNSUPPORTED = 0.1  # share of them above which there is a warning


@dataclass(frozen=True)
class Flight:
    """The camera path of a film, and the size of its pictures."""

    cameras: Cameras  # one per frame, float64
    path: str  # one of `render.checks.PATHS`, or the name of the camera path file
    loops: bool  # the first frame follows the last
    fps: float
    size: tuple[int, int]  # (width, height) in px of one panel
    warnings: tuple[str, ...] = ()


def flight_of(shown: ShownScene, settings: FilmSettings) -> Flight:
    """Follow the settings' path through the scene. Raises `InputError` for a broken path file or a film too long."""
    if settings.is_file:
        return _flight_from_file(settings, shown)
    fps = settings.fps or DEFAULT_FPS
    if (length := (settings.seconds or LEAST_SECONDS) * fps) > MAX_FRAMES:
        what = "--seconds times --fps is" if settings.seconds else f"--fps makes {LEAST_SECONDS:.0f} seconds of film"
        raise InputError(f"{what} {length:.3g} frames; {MAX_FRAMES:,} are the most.")
    gaussians, cameras = shown.file.gaussians, upright_cameras(shown)
    photo = None if settings.photo is None else shown.names.index(settings.photo)
    setting = by_name.setting_of(cameras, gaussians, shown.up, photo, shown.target)
    subject = setting.subject
    size = panel_size(settings, cameras, FIELD_LONG_SIDE_PX if shown.file.field else DEFAULT_LONG_SIDE_PX)
    if settings.path == "auto" and not settings.full and (shown.names or shown.target is not None):
        route, name = auto.choose(setting, gaussians, shown.near)
        count = frame_count(route, subject.depth, settings.seconds, fps, loop=True)
        return Flight(route.frames(count, loop=True), name, True, fps, size)
    # Without photos it is unknown from where a scene looks good: show it from all around.
    name = "orbit" if settings.full or settings.path == "auto" else settings.path
    route = by_name.route(name, setting, full=settings.full, loop=settings.loop)
    count = frame_count(route, subject.depth, settings.seconds, fps, loop=settings.loop)
    frames = route.frames(count, loop=settings.loop)
    judged = shown.names and not settings.full and name != "inputs"
    warnings = _doubts(frames, cameras, shown, settings) if judged else ()
    return Flight(frames, name, route.closed or settings.loop, fps, size, warnings)


def upright_cameras(shown: ShownScene) -> Cameras:
    """Return the photos' cameras, rotated by quarter turns so that none lies on its side in the film.

    Their pictures have the shape of most photos as they are looked at: portrait if most are.
    """
    lying = shown.cameras
    turned = lying.moved(upright(lying.world_from_cam, shown.up))
    down_along_x = (turned.world_from_cam[:, :3, 1] * lying.world_from_cam[:, :3, 0]).sum(dim=1)  # -1, 0 or 1
    if float((down_along_x.abs() > 0.5).double().mean()) <= 0.5:
        return turned
    x, y = lying.center_px.unbind(dim=1)
    counterclockwise = down_along_x < 0  # as the photo has to be turned
    center_px = torch.stack(
        [torch.where(counterclockwise, y, lying.height - y), torch.where(counterclockwise, lying.width - x, x)], dim=1
    )
    return replace(turned, focal_px=lying.focal_px.flip(1), center_px=center_px, width=lying.height, height=lying.width)


def frame_count(route: Route, depth: float, seconds: float | None, fps: float, *, loop: bool) -> int:
    """Return the number of frames of a film so long; None: as long as lets eyes follow.

    `depth` is that of the scene, in world units.
    """
    if seconds is None:
        unhurried_s = fastest_deg(route.frames(PACED_FRAMES, loop=loop), depth) / PACE_DEG_S
        seconds = min(MOST_SECONDS, max(LEAST_SECONDS, unhurried_s))
    return max(1, round(seconds * fps))


def panel_size(settings: FilmSettings, cameras: Cameras, usual: int = DEFAULT_LONG_SIDE_PX) -> tuple[int, int]:
    """Return (width, height) as the user wants it; if only the long side is known, with the cameras' aspect ratio.

    `usual` is the long side, px, that nobody asked for.
    """
    if isinstance(settings.size, tuple):
        return settings.size
    size = cameras.size_at(settings.size or usual, multiple=2)
    if settings.size is not None:
        check_size(f"--size {settings.size}", size, settings.panels)
    return size


def _flight_from_file(settings: FilmSettings, shown: ShownScene) -> Flight:
    path = Path(settings.path)
    found = read_camera_path(path)
    found = found if shown.origin is None else replace(found, cameras=_relative(found.cameras, shown.origin))
    size = panel_size(settings, found.cameras)
    if settings.size is None:
        size = (found.cameras.width, found.cameras.height) if found.fps else size
        check_size(f"without --size, that of {path}", size, settings.panels)
    there = list(range(len(found.cameras)))
    frames = found.cameras[there + there[-2:0:-1]] if settings.loop else found.cameras
    # Cameras of photos jump from one to the next: slowly enough that they can be seen.
    unhurried = min(DEFAULT_FPS, max(1.0, len(frames) / LEAST_SECONDS))
    return Flight(frames, path.name, settings.loop, settings.fps or found.fps or unhurried, size)


def _relative(cameras: Cameras, origin: tuple[float, float, float]) -> Cameras:
    """Return cameras in the scene's coordinates, if theirs are those of the input, from which the origin was moved."""
    point = torch.tensor(origin, dtype=cameras.world_from_cam.dtype)
    middle = cameras.positions.mean(0)
    if (middle - point).norm() > middle.norm():
        return cameras
    moved = cameras.world_from_cam.clone()
    moved[:, :3, 3] -= point
    return cameras.moved(moved)


def _doubts(frames: Cameras, photographed: Cameras, shown: ShownScene, settings: FilmSettings) -> tuple[str, ...]:
    """Return warnings if many frames are not supported by the photos; a chosen path is flown nevertheless."""
    judged = frames[:: -(-len(frames) // JUDGED_FRAMES)]
    views, photos = (glance(cameras, shown.file.gaussians, shown.near) for cameras in (judged, photographed))
    share = float((~supported(views, photos)).double().mean())
    if share <= MAX_UNSUPPORTED:
        return ()
    return (
        f"{math.ceil(100 * share)} % of the frames show what no photo saw, or pass close before or through something; "
        "--path auto stays where the photos support what it shows.",
    )
