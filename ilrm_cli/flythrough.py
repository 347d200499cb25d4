"""The fly-through: a scene and a camera path become a video."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from numpy import ndarray

from ilrm_cli.cameras import Cameras
from ilrm_cli.errors import InputError
from ilrm_cli.gaussians import Gaussians
from ilrm_cli.io.camera_path import read_camera_path
from ilrm_cli.io.video import check_video_output, encoded_size, write_video
from ilrm_cli.progress import Report, Step, ignore
from ilrm_cli.render import paths
from ilrm_cli.render.rasterize import Renderer, prepare, render, renderer_for
from ilrm_cli.render.subject import subject_of
from ilrm_cli.shown_scene import ShownScene, read_shown_scene
from ilrm_cli.up import up_direction, upright

# What a laptop without a GPU renders in well under a minute.
DEFAULT_SECONDS = 4.0
DEFAULT_FPS = 24.0
DEFAULT_LONG_SIDE_PX = 640
MAX_SIDE_PX = 8192  # what h264 players show


@dataclass(frozen=True)
class FlythroughResult:
    """What was made."""

    output: Path
    frames: int
    path: str  # the path flown: one of `paths.NAMES` but "auto", or the name of the camera path file
    fps: float
    width: int  # px
    height: int  # px
    renderer: str
    gaussians: int  # drawn
    timings_s: dict[str, float]  # "load", "render", "encode", "total"
    warnings: tuple[str, ...]  # one sentence each


@dataclass(frozen=True)
class _Flight:
    """What is filmed, before the size is settled."""

    cameras: Cameras  # one per frame
    path: str  # what `FlythroughResult.path` says
    fps: float
    size: tuple[int, int]  # (width, height) in px unless the user asks for another


def fly(
    scene: Path,
    path: str = "auto",
    *,
    output: Path,
    seconds: float | None = None,
    fps: float | None = None,
    size: tuple[int, int] | None = None,
    full: bool = False,
    renderer: Renderer = "auto",
    device: torch.device | str = "cpu",
    overwrite: bool = False,
    report: Report = ignore,
) -> FlythroughResult:
    """Film a .ply scene along a path and write the video (see `io.video` for the kinds).

    `path` is one of `paths.NAMES` or a nerfstudio camera path ending in .json, which sets its own frames. `size` is
    (width, height) in px; another shape than the photos' crops their view and never shows more than they saw.
    Frames are rendered one by one, so memory does not grow with their number. Raises `InputError`.
    """
    start = time.perf_counter()
    _check(path, seconds, fps, size, full)
    _check_renderer(renderer, device)
    if not scene.is_file():
        state = "is not a file; give the .ply" if scene.exists() else "does not exist"
        raise InputError(f"the scene {scene} {state}.")
    check_video_output(output, overwrite)
    stage = read_shown_scene(scene)
    gaussians = stage.file.gaussians.to(device)
    flight = _flight_from_file(Path(path), fps) if _is_file(path) else _flight(stage, path, seconds, fps, full)
    width, height = encoded_size(output, *(size or flight.size))
    cameras = fitted(flight.cameras, width, height).to(torch.float32)
    prepare(renderer_for(device, renderer), report=report)
    loaded = time.perf_counter()
    rendering = 0.0

    def frames() -> Iterator[UInt8[ndarray, "height width 3"]]:
        nonlocal rendering
        background = torch.tensor(stage.background)
        for i in range(len(cameras)):
            begin = time.perf_counter()
            frame = _frame(gaussians, cameras[[i]], background, stage.near, renderer)
            rendering += time.perf_counter() - begin
            report(Step("frames", i + 1, len(cameras)))
            yield frame

    made = write_video(output, frames(), flight.fps, overwrite=overwrite)
    end = time.perf_counter()
    return FlythroughResult(
        output=output,
        frames=made,
        path=flight.path,
        fps=flight.fps,
        width=width,
        height=height,
        renderer=renderer_for(device, renderer),
        gaussians=len(gaussians),
        timings_s={
            "load": loaded - start,
            "render": rendering,
            "encode": end - loaded - rendering,
            "total": end - start,
        },
        warnings=stage.warnings,
    )


def default_size(cameras: Cameras) -> tuple[int, int]:
    """(width, height): the photos' shape with DEFAULT_LONG_SIDE_PX, both even."""
    factor = DEFAULT_LONG_SIDE_PX / max(cameras.width, cameras.height)
    return (max(2, 2 * round(cameras.width * factor / 2)), max(2, 2 * round(cameras.height * factor / 2)))


def fitted(cameras: Cameras, width: int, height: int) -> Cameras:
    """The same cameras at another image size: scaled until it is filled, then cropped evenly to its shape."""
    factor = max(width / cameras.width, height / cameras.height)
    margin = torch.tensor([width - cameras.width * factor, height - cameras.height * factor]) / 2
    return replace(
        cameras,
        focal_px=cameras.focal_px * factor,
        center_px=cameras.center_px * factor + margin.to(cameras.center_px),
        width=width,
        height=height,
    )


def _check(path: str, seconds: float | None, fps: float | None, size: tuple[int, int] | None, full: bool) -> None:
    if not _is_file(path) and path not in paths.NAMES:
        raise InputError(f"--path {path} is unknown; use {', '.join(paths.NAMES)} or a camera path ending in .json.")
    if full and path not in ("auto", "orbit"):
        raise InputError(f"--full turns an orbit all the way round and does not go with --path {path}.")
    if _is_file(path) and seconds is not None:
        raise InputError(f"--seconds does not go with {path}, which sets its own frames; change --fps instead.")
    for flag, value in (("--seconds", seconds), ("--fps", fps)):
        if value is not None and not (math.isfinite(value) and value > 0):
            raise InputError(f"{flag} is {value}; give a number above 0.")
    if size is not None and not (min(size) >= 2 and max(size) <= MAX_SIDE_PX):
        raise InputError(f"--size is {size[0]}x{size[1]}; give 2 to {MAX_SIDE_PX} px on each side.")


def _check_renderer(renderer: Renderer, device: torch.device | str) -> None:
    if renderer == "gsplat" and torch.device(device).type != "cuda":
        raise InputError("--renderer gsplat needs a CUDA device; use --renderer auto or cpu.")


def _is_file(path: str) -> bool:
    return path.lower().endswith(".json")


def _flight_from_file(path: Path, fps: float | None) -> _Flight:
    found = read_camera_path(path)
    return _Flight(found.cameras, path.name, fps or found.fps, (found.cameras.width, found.cameras.height))


def _flight(stage: ShownScene, path: str, seconds: float | None, fps: float | None, full: bool) -> _Flight:
    fps = fps or DEFAULT_FPS
    count = max(1, round((seconds or DEFAULT_SECONDS) * fps))
    poses = stage.cameras.world_from_cam
    up = up_direction(poses) if stage.up is None else stage.up
    photographed = stage.cameras.moved(upright(poses, up))  # none lies on its side in the film
    subject = subject_of(photographed, stage.file.gaussians, up)
    cameras, chosen = paths.path("orbit" if full else path, photographed, subject, count, full=full)
    return _Flight(cameras, chosen, fps, default_size(stage.cameras))


@torch.inference_mode()
def _frame(
    gaussians: Gaussians, camera: Cameras, background: torch.Tensor, near: float, renderer: Renderer
) -> UInt8[ndarray, "height width 3"]:
    color = render(gaussians, camera, background=background, near=near, renderer=renderer).color[0]
    pixels = (color.clamp(0, 1) * 255).round().to(torch.uint8)
    return np.ascontiguousarray(pixels.permute(1, 2, 0).cpu().numpy())
