"""Where the camera of a film is in each frame: on a path of ours, or on one from a file."""

import math
from dataclasses import dataclass
from pathlib import Path

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.frames import upright
from ilrm_cli.render.paths import auto, by_name
from ilrm_cli.render.paths.auto import supported
from ilrm_cli.render.probes import glance
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.scene.opened import ShownScene
from ilrm_cli.visualize.checks import FilmSettings, check_size
from ilrm_cli.visualize.film.camera_files import read_camera_path

# Rendered by a laptop without a GPU in well under a minute.
DEFAULT_SECONDS = 4.0
DEFAULT_FPS = 24.0
DEFAULT_LONG_SIDE_PX = 640

MAX_FRAMES = 100_000  # over an hour; keeps a typing error from filling the memory with cameras

JUDGED_FRAMES = 48  # of a film along a path chosen by the user
MAX_UNSUPPORTED = 0.1  # share of them above which there is a warning


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


def _flight_from_file(settings: FilmSettings) -> Flight:
    path = Path(settings.path)
    found = read_camera_path(path)
    size = (found.cameras.width, found.cameras.height) if found.fps else default_size(found.cameras)
    if settings.size is None:
        check_size(f"without --size, that of {path}", size, settings.panels)
    there = list(range(len(found.cameras)))
    frames = found.cameras[there + there[-2:0:-1]] if settings.loop else found.cameras
    # Cameras of photos jump from one to the next: slowly enough that they can be seen.
    unhurried = min(DEFAULT_FPS, max(1.0, len(frames) / DEFAULT_SECONDS))
    return Flight(frames, path.name, settings.loop, settings.fps or found.fps or unhurried, size)


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
