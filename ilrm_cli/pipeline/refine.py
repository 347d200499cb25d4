"""Post-prediction optimisation: the predicted Gaussians are fitted to the input photos for a few iterations.

The paper's "iLRM 10 / 20 / 50", with what helps when photos are few: larger steps that shrink, a mostly absolute error,
and other photos as judges of when to stop, since the fit overfits its inputs after 20 to 50 iterations. It begins with
doubt where views disagree, and with the sparse points of structure from motion as Gaussians of their own.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ilrm_cli.capture.poses.overlap import gap_deg
from ilrm_cli.geometry.cameras import Cameras, directions_through, pixel_centers
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.views import Views
from ilrm_cli.pipeline.predict import Prediction
from ilrm_cli.pipeline.prepare import Prepared
from ilrm_cli.pipeline.select_inputs import Selection
from ilrm_cli.render.metrics import score
from ilrm_cli.render.rasterize import render
from ilrm_cli.runtime.progress import Report, Step, ignore

ADAM_EPS = 1e-15  # as in 3D Gaussian splatting: gradients of single Gaussians are tiny
# Adam's first step sizes on log-scales, logits and normalised world units (inputs within [-1, 1]): twenty times the
# paper's, and sixty times for opacities, since what must go is a surface seen at the wrong depth.
RATE_MEANS, RATE_OPACITIES, RATE_OTHERS = 1.2e-2, 6e-2, 2e-2
FINAL_RATE = 0.2  # share of the first step size left at the end of a cosine: later steps jitter less
L1_WEIGHT, MSE_WEIGHT = 0.8, 0.2
JUDGE_EVERY = 5  # iterations between two evaluations of the judges
PATIENCE = 4  # evaluations without a better score before stopping
OPACITY_MARGIN = 1e-4  # keeps the logit of a fully transparent or opaque Gaussian finite
SCALE_FLOOR = 1e-9  # keeps the logarithm of a vanished scale finite

# Exponent of the support that multiplies opacities. 2 beats 1 by 0.6 dB on an orbit and 0.3 dB on a still life, and
# loses 0.1 dB in a room, where what no other view sees is often right.
DOUBT = 2

FOOTPRINT_PX = 2.0  # standard deviation in px of the photo: with 3, refined orbit 0.3 dB worse, fox 0.2 dB better
OPACITY = 0.5  # free to become solid or to vanish

LEAST_TO_LEAVE_ONE_OUT = 3  # photos: two views remain to predict from

Predict = Callable[[Prepared], Prediction]  # what the model, or a baseline, makes of a scene


@dataclass(frozen=True)
class Refinement:
    """The result of the optimisation; scores are means over the judging views, in dB."""

    gaussians: Gaussians  # the best of all judged states, including the unrefined one
    iterations: int  # of that state; 0 if nothing was better than the start
    ran: int  # iterations run until patience ended or N was reached
    psnr_before: float | None  # None: nothing judged
    psnr_after: float | None
    # Name of the input that judged, left out of a trial: the scores are those of the trial. None: held-out photos did.
    cross_validated: str | None = None

    @property
    def figures(self) -> dict[str, Any]:
        """All but the scene, as JSON values."""
        return {name: value for name, value in vars(self).items() if name != "gaussians"}


def refine(
    gaussians: Gaussians,
    inputs: Views,
    judges: Views,
    iterations: int,
    *,
    start: Gaussians | None = None,
    report: Report = ignore,
) -> Refinement:
    """Fit to all `inputs` at once by Adam; return the best of all judged states, including the unrefined one.

    The fit begins at `start` if given, else at `gaussians`. Everything is in the normalised frame of the inputs. The
    judges decide only what to keep and when to stop. Masked pixels are used neither for fitting nor for judging.
    """
    before = score(gaussians, judges)
    best, best_score, best_at = gaussians, before, 0
    top, top_at, done = -math.inf, 0, 0  # of the fit itself, which may begin below the unrefined score
    for done, scene in enumerate(_fit(gaussians if start is None else start, inputs, iterations), 1):
        report(Step("refine", done, iterations, f"best {best_score:.2f} dB"))
        if done % JUDGE_EVERY and done != iterations:
            continue
        now = scene.snapshot()
        now_score = score(now, judges)
        if now_score > best_score:
            best, best_score, best_at = now, now_score, done
        if now_score > top:
            top, top_at = now_score, done
        elif done - top_at >= PATIENCE * JUDGE_EVERY:
            report(Step("refine", done, done, f"best {best_score:.2f} dB after {best_at}"))
            break
    return Refinement(best, best_at, done, before, best_score)


def refine_like(
    trial: Refinement,
    gaussians: Gaussians,
    inputs: Views,
    iterations: int,
    *,
    start: Gaussians | None = None,
    report: Report = ignore,
) -> Refinement:
    """Fit as `refine` does, but for as long as was best in a trial with fewer inputs; nothing judges.

    The figures of the trial are kept. `gaussians` are returned as they are if no iteration was of use.
    """
    fitted = gaussians
    states = islice(_fit(gaussians if start is None else start, inputs, iterations), trial.iterations)
    for done, scene in enumerate(states, 1):
        report(Step("refine", done, trial.iterations, "with all inputs"))
        if done == trial.iterations:
            fitted = scene.snapshot()
    return replace(trial, gaussians=fitted)


def _fit(start: Gaussians, inputs: Views, iterations: int) -> Iterator["_Raw"]:
    """Yield the scene after each iteration; the next one changes it."""
    scene = _Raw(start)
    optimizer = torch.optim.Adam(scene.groups(), eps=ADAM_EPS)
    rates = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda done: _rate(done / iterations))
    for _ in range(iterations):
        optimizer.zero_grad(set_to_none=True)
        shown = scene.gaussians()
        drawn = Gaussians(*(value.detach().requires_grad_() for value in shown.tensors()))
        for view in range(len(inputs)):  # one graph at a time: memory for a single view
            _photo_error(drawn, inputs[[view]]).div(len(inputs)).backward()
        # Backpropagate the accumulated gradients of all views to the raw parameters once.
        torch.autograd.backward(shown.tensors(), [value.grad for value in drawn.tensors()])
        optimizer.step()
        rates.step()
        yield scene


def _rate(progress: float) -> float:
    """Return the share of the first step size at a progress in [0, 1]."""
    return FINAL_RATE + (1 - FINAL_RATE) * (1 + math.cos(math.pi * progress)) / 2


def _photo_error(gaussians: Gaussians, view: Views) -> Float[Tensor, ""]:
    difference = render(gaussians, view.cameras).color - view.images
    if view.masks is not None:
        difference = difference * view.masks[:, None]
    return L1_WEIGHT * difference.abs().mean() + MSE_WEIGHT * difference.square().mean()


class _Raw:
    """The raw parameters for Adam: log-scales, opacity logits, un-normalised quaternions (paper)."""

    def __init__(self, gaussians: Gaussians):
        opacity = gaussians.opacities.clamp(OPACITY_MARGIN, 1 - OPACITY_MARGIN)
        self.means = gaussians.means.detach().clone().requires_grad_()
        self.quaternions = gaussians.quaternions.detach().clone().requires_grad_()
        self.log_scales = gaussians.scales.detach().clamp_min(SCALE_FLOOR).log().requires_grad_()
        self.logits = opacity.detach().logit().requires_grad_()
        self.harmonics = gaussians.harmonics.detach().clone().requires_grad_()

    def groups(self) -> list[dict]:
        return [
            {"params": [self.means], "lr": RATE_MEANS},
            {"params": [self.logits], "lr": RATE_OPACITIES},
            {"params": [self.quaternions, self.log_scales, self.harmonics], "lr": RATE_OTHERS},
        ]

    def snapshot(self) -> Gaussians:
        """Return copies: the optimizer changes its own numbers in place."""
        return Gaussians(*(value.detach().clone() for value in self.gaussians().tensors()))

    def gaussians(self) -> Gaussians:
        return Gaussians(
            means=self.means,
            quaternions=torch.nn.functional.normalize(self.quaternions, dim=-1),
            scales=self.log_scales.exp(),
            opacities=self.logits.sigmoid(),
            harmonics=self.harmonics,
        )


def refine_start(gaussians: Gaussians, support: Float[Tensor, " gaussian"], inputs: Views) -> Gaussians:
    """Return the prediction with Gaussians made fainter the less support they have, plus the inputs' sparse points.

    A surface at a wrong depth explains the photo that it was predicted from, so the fit keeps it and it occludes every
    other view. If made faint, it lets gradients reach what lies behind, and has to earn its opacity. Everything is in
    the frame of the inputs; `support` is in (0, 1], see `pipeline.predict`.
    """
    doubted = replace(gaussians, opacities=gaussians.opacities * support**DOUBT)
    return Gaussians.concatenated(doubted, point_splats(inputs))


@torch.no_grad()
def point_splats(inputs: Views) -> Gaussians:
    """Return round Gaussians at the points of `Views.sparse_depth`, in their pixel's colour; none if it is None."""
    cameras = inputs.cameras
    known = torch.zeros_like(inputs.images[:, 0]) if inputs.sparse_depth is None else inputs.sparse_depth
    view, row, column = known.nonzero().unbind(-1)
    depth = known[view, row, column]  # [N]
    pixels = pixel_centers(cameras.width, cameras.height, cameras.focal_px).expand(len(cameras), -1, -1, -1)
    directions = directions_through(cameras, pixels)[view, row, column]
    scales = FOOTPRINT_PX * depth / cameras.focal_px[view].mean(1)
    means = cameras.positions[view] + depth[:, None] * directions
    return Gaussians.isotropic(means, scales, inputs.images[view, :, row, column], OPACITY)


def fit_inputs(
    predict: Predict,
    predicted: Prediction,
    prepared: Prepared,
    chosen: Selection,
    iterations: int,
    report: Report = ignore,
) -> Refinement:
    """Fit a prediction to its inputs, judged by the targets, or by cross-validation if there are none.

    `predict` is what made the prediction. From two photos it stays as it is: from one there is none to be judged.
    """
    inputs = prepared.inputs
    if prepared.targets is not None:
        return refined(predicted, prepared, iterations, report)
    if len(inputs) < LEAST_TO_LEAVE_ONE_OUT:
        return Refinement(predicted.gaussians, 0, 0, None, None)
    left_out = best_covered(inputs.cameras, prepared.distance, range(len(inputs)))
    fold = without(prepared, left_out)
    trial = refined(predict(fold), fold, iterations, report)
    trial = replace(trial, cross_validated=chosen.used[left_out].name)
    start = start_of(predicted, inputs)
    return refine_like(trial, predicted.gaussians, inputs, iterations, start=start, report=report)


def refined(predicted: Prediction, prepared: Prepared, iterations: int, report: Report = ignore) -> Refinement:
    """Fit a prediction to its inputs; the targets, which there are, decide when to stop."""
    assert prepared.targets is not None, "somebody judges"
    start = start_of(predicted, prepared.inputs)
    return refine(predicted.gaussians, prepared.inputs, prepared.targets, iterations, start=start, report=report)


def start_of(predicted: Prediction, inputs: Views) -> Gaussians:
    """Return where a fit begins; see `refine_start`."""
    known = predicted.support
    return predicted.gaussians if known is None else refine_start(predicted.gaussians, known, inputs)


def best_covered(cameras: Cameras, distance: float, among: Sequence[int]) -> int:
    """Return which of the cameras `among` them is nearest to two others, as photos in between would be.

    It sees what others see. The last one by name, at the end of an orbit, found next to nothing to gain where held-out
    photos gained up to 3 dB. `distance` is that of the scene.
    """
    poses = cameras.world_from_cam
    gaps = torch.stack([gap_deg(poses, pose[None], distance) for pose in poses]).fill_diagonal_(math.inf)
    return among[int(gaps[list(among)].topk(2, largest=False).values.sum(dim=1).argmin())]


def without(prepared: Prepared, left_out: int) -> Prepared:
    """Return the scene with one input as its only target, in the same frame."""
    return replace(prepared, inputs=_but(prepared.inputs, left_out), targets=prepared.inputs[[left_out]])


def _but(views: Views, left_out: int) -> Views:
    return views[[i for i in range(len(views)) if i != left_out]]
