"""Fly-throughs: a scene and a camera path become a video."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from numpy import ndarray

from ilrm_cli.capture.checks import refuse_among_inputs, refuse_inputs
from ilrm_cli.capture.photos.folder import open_folder
from ilrm_cli.capture.photos.listing import is_video
from ilrm_cli.geometry.cameras import fitted
from ilrm_cli.geometry.fields import PlacedField
from ilrm_cli.pipeline.field_match import placed
from ilrm_cli.render.checks import check_video_output, existing_outputs, picture_folder
from ilrm_cli.render.paths.subject import visible_depth
from ilrm_cli.render.rasterize import prepare, renderer_for
from ilrm_cli.render.video import encoded_size, write_video
from ilrm_cli.runtime.devices import resolve_device
from ilrm_cli.runtime.errors import InputError, listed
from ilrm_cli.runtime.progress import Report, Step, ignore
from ilrm_cli.scene.opened import ShownScene, read_shown_scene
from ilrm_cli.visualize.checks import FilmSettings, check_path_output, check_settings
from ilrm_cli.visualize.film.camera_files import write_camera_path
from ilrm_cli.visualize.film.channels import Film, depth_range
from ilrm_cli.visualize.film.flight import Flight, flight_of, upright_cameras
from ilrm_cli.visualize.film.photo_panels import PhotoPanels, find_photos

VOLUME = "volume"  # the renderer of fields
SLOW = (
    "{scene} is a field, and every pixel of it is many passes of a network; its Gaussians are drawn far faster: ilrm "
    "export to a .ply."
)


@dataclass(frozen=True)
class FlythroughResult:
    """The properties of a finished film."""

    output: Path
    frames: int
    path: str  # one of `render.checks.PATHS`, or the name of the camera path file
    loops: bool  # the first frame follows the last without a jump
    fps: float
    width: int  # px, of whole frames
    height: int  # px
    channels: tuple[str, ...]
    depth_range: tuple[float, float] | None  # world units shown yellow and dark blue, if depth is shown
    renderer: str  # "cpu" or "gsplat", or VOLUME for a field
    gaussians: int  # in the scene
    timings_s: dict[str, float]  # "load", "render", "encode", "total"
    warnings: tuple[str, ...]  # one sentence each


def fly(
    scene: Path,
    settings: FilmSettings,
    *,
    output: Path,
    overwrite: bool = False,
    report: Report = ignore,
    warn: Callable[[Sequence[str]], None] = lambda sentences: None,
) -> FlythroughResult:
    """Film a scene along a path and write the video (see `render.video` for the kinds).

    A size of another aspect ratio crops the photos' view and never shows more than they saw. Frames are rendered one by
    one, so memory does not grow with their number. The result's warnings are told to `warn` before the first frame.
    Raises `InputError`.
    """
    start = time.perf_counter()
    shown, field, flight, drawn_by = _prepared(scene, settings, output, overwrite, report)
    warnings = (*shown.warnings, *flight.warnings, *((SLOW.format(scene=scene),) if field else ()))
    warn(warnings)
    width, height = encoded_size(output, *flight.size)
    flown = fitted(flight.cameras, width, height)
    cameras = flown.to(torch.float32)
    needs_range = "depth" in settings.channels  # that of the whole film
    film = Film(shown, settings.channels, depth_range(cameras, shown) if needs_range else None, field)
    panels = _photo_panels(shown, settings, width, height, report) if settings.side_by_side else None
    loaded = time.perf_counter()
    rendering = 0.0

    def frames() -> Iterator[UInt8[ndarray, "height width 3"]]:
        nonlocal rendering
        for i in range(len(cameras)):
            begin = time.perf_counter()
            frame = film.frame(cameras[[i]])
            if panels is not None:
                frame = np.concatenate([panels.beside(cameras[[i]], film), frame], axis=1)
            rendering += time.perf_counter() - begin
            report(Step("frames", i + 1, len(cameras)))
            yield frame

    made = write_video(output, frames(), flight.fps, overwrite=overwrite)
    if settings.save_path is not None:
        write_camera_path(settings.save_path, flown, flight.fps, flight.loops)
    end = time.perf_counter()
    return FlythroughResult(
        output=output,
        frames=made,
        path=flight.path,
        loops=flight.loops,
        fps=flight.fps,
        width=width * settings.panels,
        height=height,
        channels=settings.channels,
        depth_range=film.depth_range,
        renderer=drawn_by,
        gaussians=len(shown.file.gaussians),
        timings_s={
            "load": loaded - start,
            "render": rendering,
            "encode": end - loaded - rendering,
            "total": end - start,
        },
        warnings=warnings,
    )


def _prepared(
    scene: Path, settings: FilmSettings, output: Path, overwrite: bool, report: Report
) -> tuple[ShownScene, PlacedField | None, Flight, str]:
    """Check what is asked for; return the scene on its device, its field, its flight, and the renderer, ready."""
    check_settings(settings)
    check_video_output(output, overwrite)
    if settings.save_path is not None:
        check_path_output(settings.save_path, scene, settings, overwrite)
    shown = read_shown_scene(scene)
    check_against_scene(settings, shown, scene)
    _refuse_photos(output, settings.save_path, (shown.photos, settings.photos))
    device = resolve_device(settings.device)
    drawn_by = renderer_for(device)
    prepare(drawn_by, report=report)
    field = placed(scene, shown.file.field, device) if shown.file.field else None
    shown = replace(shown, file=shown.file.to(device))
    report(Step("camera path", 0, 1))
    flight = flight_of(shown, settings)
    report(Step("camera path", 1, 1))
    return shown, field, flight, VOLUME if field else drawn_by


def check_against_scene(settings: FilmSettings, shown: ShownScene, scene: Path) -> None:
    """Raise `InputError` for settings that need something this scene lacks."""
    if "confidence" in settings.channels and shown.file.confidence is None:
        raise InputError(
            f"--channels confidence: {scene} holds no confidence; make it again with `ilrm reconstruct --confidence` "
            "as a .ply or .glb."
        )
    if settings.photo is not None and settings.photo not in shown.names:
        known = f"its inputs are {listed(shown.names)}" if shown.names else "no record beside it names any"
        raise InputError(f"--at {settings.photo}: {scene} was not predicted from a photo of that name; {known}.")
    if settings.side_by_side and not shown.names:
        raise InputError(f"--side-by-side: no record beside {scene} names the photos that it was made from.")
    if settings.side_by_side and settings.photos is None and shown.photos is None:
        raise InputError(
            f"--side-by-side: the photos of {scene} are not where its record says; name their folder with --photos."
        )


def _refuse_photos(output: Path, cameras: Path | None, places: Iterable[Path | None]) -> None:
    """Raise InputError where a film, or its cameras, would replace photos or their poses, or frames join the photos."""
    outputs, pictures = existing_outputs(output), picture_folder(output)
    outputs = [*outputs, *([cameras] if cameras is not None and cameras.exists() else [])]
    for place in places if outputs or pictures else ():
        if place is not None and (place.is_dir() or is_video(place)):
            folder = open_folder(place)
            refuse_inputs(folder, outputs)
            refuse_among_inputs(folder, pictures)


def _photo_panels(shown: ShownScene, settings: FilmSettings, width: int, height: int, report: Report) -> PhotoPanels:
    folder = settings.photos or shown.photos
    assert folder is not None, "check_against_scene has seen to it"
    filmed = fitted(upright_cameras(shown), width, height)
    depth = visible_depth(filmed, shown.file.gaussians)
    root = None if settings.photos else shown.photo_root
    files = find_photos(folder, shown.names, shown.video, report, root=root)
    return PhotoPanels(files, shown.cameras, filmed, depth, shown.background, shown.quarter_turns)
