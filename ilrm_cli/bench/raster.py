"""The suite `raster`: the CPU rasteriser on synthetic scenes, without and with gradients, and a whole film."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

import torch
from jaxtyping import Float, UInt8
from numpy import ndarray
from torch import Tensor

from ilrm_cli.bench.figures import Findings
from ilrm_cli.bench.timing import ROUNDS, BenchRow, Job, Unit, measure, seconds
from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.render.rasterize import pixels_of, render
from ilrm_cli.render.video import write_video
from ilrm_cli.runtime.files import scratch_folder
from ilrm_cli.runtime.progress import Report, Step, ignore

FPS = 30.0
SWAY = 0.3  # world units that the camera moves to each side, so that the encoder has something to encode


@dataclass(frozen=True)
class RasterCase:
    """A synthetic scene seen by one camera at the origin, and the time limits of drawing it."""

    gaussians: int
    scale: float  # median standard deviation of the Gaussians, world units
    width: int  # px; also the focal length
    height: int  # px
    forward_limit: float  # ratio to the matrix product
    both_limit: float  # ratio with gradients


RASTER_CASES = (
    RasterCase(gaussians=131_072, scale=0.01, width=512, height=512, forward_limit=0.35, both_limit=1.2),
    RasterCase(gaussians=688_128, scale=0.004, width=960, height=540, forward_limit=1.6, both_limit=5.0),
)


@dataclass(frozen=True)
class FilmCase:
    """The size of a film and its time limit."""

    frames: int = 150
    width: int = 960  # px
    height: int = 540  # px
    limit: float = 1.2  # ratio of drawing with encoding to drawing alone


FILM = FilmCase()


def raster_scene(case: RasterCase, seed: int = 0) -> tuple[Gaussians, Cameras]:
    """Return random Gaussians with means uniform in [-2, 2] x [-2, 2] x [2, 6], and a camera that sees them along z."""
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
    """Return the timed jobs of one case: name -> job."""
    gaussians, camera = raster_scene(case)
    parameters = gaussians.rebuilt(*(value.clone().requires_grad_() for value in gaussians.tensors()))
    leaves = parameters.tensors()
    name = f"{case.gaussians:,} Gaussians at {case.width}x{case.height}"

    def forward() -> object:
        return render(gaussians, camera)

    def both() -> object:
        return torch.autograd.grad(render(parameters, camera).color.sum(), leaves)

    return {
        f"{name}, forward": Job(forward, case.forward_limit),
        f"{name}, forward and backward": Job(both, case.both_limit),
    }


def plain_jobs(case: RasterCase) -> dict[str, Job]:
    """Return a job that compares a whole drawing with gsplat's plain-torch reference for the projection alone."""
    from gsplat.cuda import _torch_impl as reference

    gaussians, camera = raster_scene(case)

    def project() -> object:
        covariances, _ = reference._quat_scale_to_covar_preci(
            gaussians.quaternions, gaussians.scales, compute_preci=False
        )
        return reference._fully_fused_projection(
            gaussians.means, covariances, camera.cam_from_world, camera.intrinsics_px, camera.width, camera.height
        )

    unit = Unit("projecting alone by gsplat's reference functions", project)
    name = f"{case.gaussians:,} Gaussians at {case.width}x{case.height}, forward, against plain PyTorch"
    return {name: Job(lambda: render(gaussians, camera), unit=unit)}


def raster_suite(*, rounds: int = ROUNDS, report: Report = ignore) -> Findings:
    """Time the CPU rasteriser on two synthetic scenes, without and with gradients, and a film of the first one."""
    jobs = {name: job for case in RASTER_CASES for name, job in raster_jobs(case).items()} | plain_jobs(RASTER_CASES[0])
    rows = measure(jobs, rounds=rounds, report=report)
    gaussians, lens = raster_scene(replace(RASTER_CASES[0], width=FILM.width, height=FILM.height))
    return Findings((*rows, film_row(gaussians, lens, FILM, report)))


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

    with scratch_folder() as folder, torch.inference_mode():
        drawing = alone(poses[:half])
        whole = seconds(lambda: write_video(folder / "film.mp4", frames(), FPS))
        drawing += alone(poses[half:])
    return BenchRow(
        name=f"film of {len(gaussians):,} Gaussians, {case.frames} frames at {case.width}x{case.height}, encoded",
        seconds=whole,
        unit=f"drawing its frames without an encoder, {drawing / case.frames:.3f} s each",
        ratio=whole / drawing,
        limit=case.limit,
    )
