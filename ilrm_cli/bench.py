"""Speed on this machine, as ratios to its own matrix product, so that figures of different machines compare.

A suite is a function that returns rows; `SUITES` names them all.
"""

import resource
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields

import torch

from ilrm_cli.cameras import Cameras
from ilrm_cli.gaussians import Gaussians
from ilrm_cli.model.config import PRESETS
from ilrm_cli.model.ilrm import Ilrm
from ilrm_cli.progress import Report, Step, ignore
from ilrm_cli.render.rasterize import render
from ilrm_cli.views import Views

MATMUL_SIZE = 2048  # side of the square float32 matrices whose product is the unit
ROUNDS = 7  # measurements of each job; the median counts

Job = tuple[Callable[[], object], float | None]  # what to time, and the limit of its ratio


@dataclass(frozen=True)
class BenchRow:
    """One measured job."""

    name: str  # what was done, in words
    seconds: float  # median
    ratio_to_matmul: float  # median of the ratios to a product measured right before
    limit: float | None  # the ratio that must not be exceeded; None: it is only told

    @property
    def passed(self) -> bool:
        return self.limit is None or self.ratio_to_matmul <= self.limit


@dataclass(frozen=True)
class RasterCase:
    """A synthetic scene seen by one camera at the origin, and what drawing it may cost."""

    gaussians: int
    scale: float  # median standard deviation of the Gaussians, world units
    width: int  # px; also the focal length
    height: int  # px
    forward_limit: float  # ratio to the matrix product
    both_limit: float  # the same, with gradients


RASTER_CASES = (
    RasterCase(gaussians=131_072, scale=0.01, width=512, height=512, forward_limit=0.5, both_limit=1.8),
    RasterCase(gaussians=688_128, scale=0.004, width=960, height=540, forward_limit=1.6, both_limit=5.0),
)


def raster_scene(case: RasterCase, seed: int = 0) -> tuple[Gaussians, Cameras]:
    """Random Gaussians with means uniform in [-2, 2] x [-2, 2] x [2, 6], and the camera that looks at them along z."""
    generator = torch.Generator().manual_seed(seed)
    count = case.gaussians
    means = 4 * torch.rand(count, 3, generator=generator) + torch.tensor([-2.0, -2.0, 2.0])
    gaussians = Gaussians(
        means=means,
        quaternions=torch.nn.functional.normalize(torch.randn(count, 4, generator=generator), dim=-1),
        scales=case.scale * torch.exp(0.5 * torch.randn(count, 3, generator=generator)),
        opacities=0.05 + 0.9 * torch.rand(count, generator=generator),
        harmonics=torch.randn(count, 1, 3, generator=generator),
    )
    camera = Cameras(
        world_from_cam=torch.eye(4)[None],
        focal_px=torch.full((1, 2), float(case.width)),
        center_px=torch.tensor([[case.width / 2, case.height / 2]]),
        width=case.width,
        height=case.height,
    )
    return gaussians, camera


def raster_jobs(case: RasterCase) -> dict[str, Job]:
    """What is timed of one case: name -> (job, limit)."""
    gaussians, camera = raster_scene(case)
    parameters = Gaussians(*(getattr(gaussians, f.name).clone().requires_grad_() for f in fields(Gaussians)))
    leaves = [getattr(parameters, f.name) for f in fields(Gaussians)]
    name = f"{case.gaussians:,} Gaussians at {case.width}x{case.height}"

    def forward() -> object:
        return render(gaussians, camera, renderer="cpu")

    def both() -> object:
        return torch.autograd.grad(render(parameters, camera, renderer="cpu").color.sum(), leaves)

    return {
        f"{name}, forward": (forward, case.forward_limit),
        f"{name}, forward and backward": (both, case.both_limit),
    }


def seconds(job: Callable[[], object]) -> float:
    """Wall-clock time of one run."""
    start = time.perf_counter()
    job()
    return time.perf_counter() - start


def measure(jobs: Mapping[str, Job], *, rounds: int = ROUNDS, report: Report = ignore) -> list[BenchRow]:
    """Time every job by turns with the matrix product; one run of each beforehand is not counted."""
    factor = torch.randn(MATMUL_SIZE, MATMUL_SIZE, generator=torch.Generator().manual_seed(0))

    def product() -> object:
        return factor @ factor

    product()
    for job, _ in jobs.values():
        job()
    times: dict[str, list[float]] = {name: [] for name in jobs}
    ratios: dict[str, list[float]] = {name: [] for name in jobs}
    for done in range(rounds):
        for name, (job, _) in jobs.items():
            unit, spent = seconds(product), seconds(job)
            times[name].append(spent)
            ratios[name].append(spent / unit)
        report(Step("bench", done + 1, rounds))
    return [
        BenchRow(name, statistics.median(times[name]), statistics.median(ratios[name]), limit)
        for name, (_, limit) in jobs.items()
    ]


def peak_memory_gb() -> float:
    """The most memory this process has held so far, in 10⁹ bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024) / 1e9  # macOS counts bytes, Linux kibibytes


def raster_suite(*, rounds: int = ROUNDS, report: Report = ignore) -> list[BenchRow]:
    """The CPU rasteriser on two synthetic scenes, without and with gradients."""
    jobs = {name: job for case in RASTER_CASES for name, job in raster_jobs(case).items()}
    return measure(jobs, rounds=rounds, report=report)


MODEL_VIEWS, MODEL_SIDE_PX = 8, 256  # what the full-size model is timed on


def model_suite(*, rounds: int = ROUNDS, report: Report = ignore) -> list[BenchRow]:
    """One pass of the full-size `dl3dv` model with random weights, in both precisions."""
    preset = PRESETS["dl3dv"]
    model = Ilrm(preset.config).eval()
    pose = torch.eye(4).repeat(MODEL_VIEWS, 1, 1)
    pose[:, 0, 3] = torch.linspace(-1, 1, MODEL_VIEWS)
    side = float(MODEL_SIDE_PX)
    lens = torch.full((MODEL_VIEWS, 2), side)
    views = Views(
        torch.rand(MODEL_VIEWS, 3, MODEL_SIDE_PX, MODEL_SIDE_PX, generator=torch.Generator().manual_seed(0)),
        Cameras(pose, lens, lens / 2, MODEL_SIDE_PX, MODEL_SIDE_PX),
    )

    def one_pass(precision: torch.dtype) -> Callable[[], object]:
        def job() -> object:
            model.precision = precision
            with torch.inference_mode():
                return model([views])

        return job

    name = f"iLRM, {preset.parameters / 1e6:.0f} M parameters, {MODEL_VIEWS} views of {MODEL_SIDE_PX}x{MODEL_SIDE_PX}"
    precisions = {"bf16": torch.bfloat16, "fp32": torch.float32}
    return measure(
        {f"{name}, {key}": (one_pass(value), None) for key, value in precisions.items()}, rounds=rounds, report=report
    )


SUITES: dict[str, Callable[..., list[BenchRow]]] = {"raster": raster_suite, "model": model_suite}
