"""A row of the suite `raster`: how much longer than drawing its frames a whole film takes."""

import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import UInt8
from numpy import ndarray

from ilrm_cli.bench.timing import BenchRow
from ilrm_cli.cameras import Cameras
from ilrm_cli.gaussians import Gaussians
from ilrm_cli.io.video import write_video
from ilrm_cli.progress import Report, Step, ignore
from ilrm_cli.render.channels import pixels_of
from ilrm_cli.render.rasterize import render

FPS = 30.0
SWAY = 0.3  # world units that the camera goes to the side and back: the encoder has something to follow


@dataclass(frozen=True)
class FilmCase:
    """What is filmed and what it may cost."""

    frames: int = 150
    width: int = 960  # px
    height: int = 540  # px
    limit: float = 1.2  # ratio of drawing and encoding together to drawing alone


def film_row(gaussians: Gaussians, lens: Cameras, case: FilmCase, report: Report = ignore) -> BenchRow:
    """Film a scene with one camera that sways, encode it, and divide by the sum of the renderer's own calls.

    `lens` has the size of the film. All is timed in one run, in which the encoder competes with the renderer.
    """
    sideways = SWAY * torch.sin(torch.linspace(0, 2 * torch.pi, case.frames))
    drawing: list[float] = []

    def frames() -> Iterator[UInt8[ndarray, "height width 3"]]:
        for i, x in enumerate(sideways):
            pose = lens.world_from_cam.clone()
            pose[:, 0, 3] += x
            start = time.perf_counter()
            drawn = render(gaussians, replace(lens, world_from_cam=pose), renderer="cpu")
            drawing.append(time.perf_counter() - start)
            report(Step("film", i + 1, case.frames))
            yield pixels_of(drawn.color[0])

    with tempfile.TemporaryDirectory(prefix="ilrm-") as folder, torch.inference_mode():
        start = time.perf_counter()
        write_video(Path(folder, "film.mp4"), frames(), FPS)
        whole = time.perf_counter() - start
    return BenchRow(
        name=f"film of {len(gaussians):,} Gaussians, {case.frames} frames at {case.width}x{case.height}, encoded",
        seconds=whole,
        unit=f"drawing its frames, {statistics.median(drawing):.3f} s each",
        ratio=whole / sum(drawing),
        limit=case.limit,
    )
