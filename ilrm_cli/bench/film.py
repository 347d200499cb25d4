"""A row of the suite `raster`: the time of a whole film relative to drawing its frames alone."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from jaxtyping import Float, UInt8
from numpy import ndarray
from torch import Tensor

from ilrm_cli.bench.timing import BenchRow, seconds
from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.render.rasterize import pixels_of, render
from ilrm_cli.render.video import write_video
from ilrm_cli.runtime.progress import Report, Step, ignore

FPS = 30.0
SWAY = 0.3  # world units that the camera moves to each side, so that the encoder has something to encode


@dataclass(frozen=True)
class FilmCase:
    """The size of a film and its time limit."""

    frames: int = 150
    width: int = 960  # px
    height: int = 540  # px
    limit: float = 1.2  # ratio of drawing with encoding to drawing alone


def film_row(gaussians: Gaussians, lens: Cameras, case: FilmCase, report: Report = ignore) -> BenchRow:
    """Film a scene with one swaying camera, encode it, and divide by the time of drawing the same frames alone.

    `lens` has the size of the film. Half of the frames are drawn alone before the film and half after it, so that a
    machine that slows down meanwhile slows both.
    """
    poses = lens.world_from_cam.repeat(case.frames, 1, 1)
    poses[:, 0, 3] += SWAY * torch.sin(torch.linspace(0, 2 * torch.pi, case.frames))
    half, total, done = case.frames // 2, 2 * case.frames, 0

    def drawn(pose: Float[Tensor, "4 4"]) -> Float[Tensor, "3 height width"]:
        nonlocal done
        color = render(gaussians, replace(lens, world_from_cam=pose[None])).color[0]
        done += 1
        report(Step("film", done, total))
        return color

    def alone(some: Float[Tensor, "frame 4 4"]) -> float:
        return sum(seconds(partial(drawn, pose)) for pose in some)

    def frames() -> Iterator[UInt8[ndarray, "height width 3"]]:
        return (pixels_of(drawn(pose)) for pose in poses)

    with tempfile.TemporaryDirectory(prefix="ilrm-") as folder, torch.inference_mode():
        drawing = alone(poses[:half])
        whole = seconds(lambda: write_video(Path(folder, "film.mp4"), frames(), FPS))
        drawing += alone(poses[half:])
    return BenchRow(
        name=f"film of {len(gaussians):,} Gaussians, {case.frames} frames at {case.width}x{case.height}, encoded",
        seconds=whole,
        unit=f"drawing its frames without an encoder, {drawing / case.frames:.3f} s each",
        ratio=whole / drawing,
        limit=case.limit,
    )
