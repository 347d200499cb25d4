"""The fit of a scene to all photos that are not held out, one photo a step, coarse to fine.

It begins at the prediction, whose surfaces at wrong depths have been made faint, with the sparse points. The error is
0.8 L1 + 0.2 (1 - SSIM), as in 3D Gaussian splatting (Kerbl et al. 2023). How long it takes is a number of steps, not of
seconds: the same photos give the same scene. Held-out photos judge a few times on the way, and the best state is kept,
the prediction included: a fit explains few photos far apart without getting the scene right, and goes too far.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import avg_pool2d

from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.views import Views
from ilrm_cli.pipeline.optimize.density import Density
from ilrm_cli.pipeline.optimize.parameters import Parameters, Rates
from ilrm_cli.render.metrics import mean_ssim, score
from ilrm_cli.render.rasterize import render
from ilrm_cli.runtime.progress import Report, Step, ignore

L1_WEIGHT, SSIM_WEIGHT = 0.8, 0.2
COARSE, COARSE_SHARE = 2, 0.3  # reduction of photos in the first share of the steps
FINAL_RATE = 0.02  # share of the first step sizes that a cosine leaves at the end
CONTROL_EVERY, CONTROL_SHARE = 100, 0.7  # steps between two changes of density, in the first share of the steps
LOOKS = 8  # of the judges, evenly over the fit
PATIENCE = 2  # looks without a better score after which the fit ends


@dataclass(frozen=True)
class Effort:
    """How far a fit goes."""

    steps: int
    long_side_px: int  # of the photos
    degree: int  # of the harmonics
    growth: float  # share of the Gaussians that is split at each change of density
    most: int  # Gaussians


EFFORTS = {
    "standard": Effort(steps=800, long_side_px=480, degree=1, growth=0.08, most=250_000),
    "high": Effort(steps=3000, long_side_px=768, degree=2, growth=0.06, most=600_000),
}


@dataclass(frozen=True)
class Optimized:
    """The result of a fit; scores are means over the judging views, in dB."""

    gaussians: Gaussians
    steps: int  # that led to it; 0 if nothing was better than the start
    ran: int  # until patience or the steps ran out
    photos: int  # that were fitted to
    width: int  # px of the photos
    height: int
    psnr_before: float | None  # of the prediction; None without judges
    psnr_after: float | None

    @property
    def figures(self) -> dict[str, Any]:
        """All but the scene, as JSON values."""
        return {name: value for name, value in vars(self).items() if name != "gaussians"}


def optimize(
    predicted: Gaussians,
    start: Gaussians,
    photos: Views,
    judges: Views | None,
    effort: Effort,
    *,
    seed: int = 0,
    report: Report = ignore,
) -> Optimized:
    """Fit to `photos`, beginning at `start`; return the best state that the judges saw, `predicted` included.

    Everything is in one normalised frame. Without judges the last state is returned. Masked pixels count neither for
    fitting nor for judging.
    """
    scene = Parameters(start, effort.degree, Rates())
    density = Density(len(scene), scene.means.device)
    levels = {1: photos, COARSE: _reduced(photos, COARSE)}
    before = None if judges is None else score(predicted, judges)
    best, best_score, best_at, done = predicted, -math.inf if before is None else before, 0, 0
    order, generator = list[int](), torch.Generator().manual_seed(seed)
    for done in range(1, effort.steps + 1):
        progress = done / effort.steps
        order = order or torch.randperm(len(photos), generator=generator).tolist()
        view = levels[COARSE if progress < COARSE_SHARE else 1][[order.pop()]]
        photo_error(scene.gaussians(), view).backward()
        density.record(scene.means, view.cameras)
        scene.step(_rate(progress))
        if done % CONTROL_EVERY == 0 and progress < CONTROL_SHARE:
            density = density.control(scene, effort.growth, effort.most)
        told = f"{len(scene):,} Gaussians" + (f", best {best_score:.2f} dB" if judges else "")
        report(Step("optimize", done, effort.steps, told))
        if judges is None or done % max(1, effort.steps // LOOKS):
            continue
        now = scene.snapshot()
        if (now_score := score(now, judges)) > best_score:
            best, best_score, best_at = now, now_score, done
        elif best_at and done - best_at >= PATIENCE * max(1, effort.steps // LOOKS):
            report(Step("optimize", done, done, f"best {best_score:.2f} dB after {best_at}"))
            break
    if judges is None:
        best, best_at = scene.snapshot(), done
    size = photos.cameras.width, photos.cameras.height
    return Optimized(best, best_at, done, len(photos), *size, before, None if judges is None else best_score)


def photo_error(gaussians: Gaussians, view: Views) -> Float[Tensor, ""]:
    """Return the error of a scene against one photo."""
    image = render(gaussians, view.cameras).color
    difference = (image - view.images).abs()
    if view.masks is not None:
        difference = difference * view.masks[:, None]
    return L1_WEIGHT * difference.mean() + SSIM_WEIGHT * (1 - mean_ssim(image, view.images, view.masks))


def _rate(progress: float) -> float:
    """Return the share of the first step sizes at a progress in [0, 1]."""
    return FINAL_RATE + (1 - FINAL_RATE) * (1 + math.cos(math.pi * progress)) / 2


def _reduced(views: Views, factor: int) -> Views:
    """Return the views at a size smaller by a whole factor; a pixel counts if all that it is made of does."""
    images = avg_pool2d(views.images, factor)
    cameras = views.cameras.resized(images.shape[-1], images.shape[-2])
    masks = None if views.masks is None else (avg_pool2d(views.masks[:, None], factor)[:, 0] == 1).to(images)
    return replace(views, images=images, cameras=cameras, masks=masks, sparse_depth=None, empty=None)
