"""The suite `fit`: a step of the fit to all photos, split into its parts, against the rasteriser alone.

Times are CPU seconds of the process over all threads, so that other work on the machine does not count. The scene is
procedural: random surface points of a heap of objects, fitted for a moment. It is no dearer to draw than real ones,
which would make the other parts look small: 77 CPU ms, where a real courtyard of 115,000 fitted Gaussians takes 78.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import torch

from ilrm_cli.bench.figures import Findings
from ilrm_cli.bench.timing import ROUNDS, BenchRow
from ilrm_cli.data.synthetic.dataset import HOLDOUT_SEED, Shooting, training_scene
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.views import Views
from ilrm_cli.pipeline.optimize.density import Density
from ilrm_cli.pipeline.optimize.fit import CONTROL_EVERY, CUTOFF, EFFORTS, photo_error
from ilrm_cli.pipeline.optimize.parameters import Parameters, Rates
from ilrm_cli.pipeline.starts import point_splats
from ilrm_cli.render.rasterize import render
from ilrm_cli.runtime.progress import Report, Step, ignore

SCENE = 0  # of the hold-out series: a heap of objects, which every photo shows
QUALITY = "standard"  # whose harmonics and density control are timed


@dataclass(frozen=True)
class FitCase:
    """The size of a fit, and the limit of what it does beside drawing."""

    gaussians: int = 150_000
    photos: int = 8
    width: int = 480  # px
    height: int = 320  # px
    warm_up: int = 16  # steps before any is timed
    limit: float = 0.35  # share of a step that is not drawing


FIT = FitCase()


def fit_suite(*, rounds: int = ROUNDS, report: Report = ignore) -> Findings:
    """Time steps on each photo, alternating with drawing the same photo alone, and the density control they share."""
    photos, start = fit_scene(FIT)
    scene, effort = Parameters(start, EFFORTS[QUALITY].degree, Rates()), EFFORTS[QUALITY]
    density = Density(len(scene), scene.means.device)
    parts = dict.fromkeys(("drawing forward", "loss forward", "drawing backward", "loss backward", "update"), 0.0)
    steps = rounds * len(photos)
    for done in range(FIT.warm_up + steps):
        photo = photos[[done % len(photos)]]
        alone, (forward_s, backward_s, update_s) = drawing_s(scene.snapshot(), photo), step_s(scene, density, photo)
        spent = (alone[0], forward_s - alone[0], alone[1], backward_s - alone[1], update_s)
        if done >= FIT.warm_up:
            parts = {name: parts[name] + seconds / steps for name, seconds in zip(parts, spent, strict=True)}
        report(Step("fit", done + 1, FIT.warm_up + steps))
    control_s = cpu_seconds(lambda: density.control(scene, effort.growth, 2 * FIT.gaussians))
    parts["density control"] = control_s / CONTROL_EVERY
    return Findings(tuple(rows_of(FIT, parts)), {"steps_per_cpu_second": 1 / sum(parts.values())})


def rows_of(case: FitCase, parts_s: Mapping[str, float]) -> Iterator[BenchRow]:
    """Yield a row for a whole step, one for each part, and one for all that is not drawing."""
    step = sum(parts_s.values())
    drawing = parts_s["drawing forward"] + parts_s["drawing backward"]
    name = f"a step of the fit, {case.gaussians:,} Gaussians at {case.width}x{case.height}"
    yield BenchRow(name, step, "drawing its photo alone, forward and backward, CPU seconds", step / drawing)
    for part, seconds in parts_s.items():
        yield BenchRow(part, seconds, "the step, CPU seconds", seconds / step)
    yield BenchRow("all but drawing", step - drawing, "the step, CPU seconds", 1 - drawing / step, case.limit)


def fit_scene(case: FitCase) -> tuple[Views, Gaussians]:
    """Return photos of a procedural scene, and as many random surface points of it as Gaussians."""
    made = training_scene(HOLDOUT_SEED, SCENE, Shooting(case.photos, case.width, case.height, samples=1))
    depth = made.depth.flatten()
    surface = depth.isfinite().nonzero()[:, 0]
    order = torch.randperm(len(surface), generator=torch.Generator().manual_seed(0))
    chosen = surface[order[: case.gaussians]]
    sparse = torch.zeros_like(depth)
    sparse[chosen] = depth[chosen]
    return made.views, point_splats(replace(made.views, sparse_depth=sparse.view_as(made.depth)))


def step_s(scene: Parameters, density: Density, photo: Views) -> tuple[float, float, float]:
    """Take a step of the fit; return the seconds of the error, of its gradients, and of the update."""
    began = time.process_time()
    error = photo_error(scene.gaussians(), photo)
    known = time.process_time()
    error.backward()
    back = time.process_time()
    density.record(scene.means, photo.cameras)
    scene.step(1.0)
    return known - began, back - known, time.process_time() - back


def drawing_s(gaussians: Gaussians, photo: Views) -> tuple[float, float]:
    """Draw a photo alone, as the fit does; return the seconds forward and backward."""
    leaves = [value.requires_grad_() for value in gaussians.tensors()]
    began = time.process_time()
    total = render(Gaussians(*leaves), photo.cameras, cutoff=CUTOFF).color.sum()
    drawn = time.process_time()
    torch.autograd.grad(total, leaves)
    return drawn - began, time.process_time() - drawn


def cpu_seconds(run: Callable[[], object]) -> float:
    """Return the CPU seconds of one run, over all threads."""
    began = time.process_time()
    run()
    return time.process_time() - began
