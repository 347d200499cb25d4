"""The prediction fitted to its inputs, or to all posed photos that are not held out.

Photos that were neither predicted from nor fitted to judge how long a fit helps. Where no photo can be spared, the same
is done twice (cross-validation): without one photo, which judges, and then with all of them for as long.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from ilrm_cli.capture.load_views import common_size, load_views
from ilrm_cli.capture.poses.overlap import gap_deg
from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.views import PosedPhoto, Views
from ilrm_cli.pipeline.backdrop import BEYOND
from ilrm_cli.pipeline.optimize.fit import EFFORTS, Effort
from ilrm_cli.pipeline.optimize.judging import Optimized, optimize
from ilrm_cli.pipeline.predict import Prediction
from ilrm_cli.pipeline.prepare import Prepared, normalized_views
from ilrm_cli.pipeline.refine import Refinement, refine, refine_like, refine_start
from ilrm_cli.pipeline.select_inputs import Selection
from ilrm_cli.runtime.progress import Report, Step, ignore

LEAST_TO_LEAVE_ONE_OUT = 3  # photos: two views remain to predict from
MULTIPLE = 16  # px, of sides: tiles of the rasteriser, and photos that halve evenly

# Share of the predicted Gaussians with which a fit to all photos begins; it splits them where that is needed. A tenth
# takes half the time of all of them, and what is seen by few photos is explained more simply: held-out photos gained
# 0.3 dB on fox, 0.9 on apple, 0.3 on toy; a quarter gained as much on fox and toy, and half of that on apple.
START_SHARE, LEAST_START = 0.1, 5000  # the latter a number of Gaussians, for small pictures


Predict = Callable[[Prepared], Prediction]  # what the model, or a baseline, makes of a scene


@dataclass(frozen=True)
class Fit:
    """A scene fitted to photos, and where those of them were taken that are no inputs."""

    optimized: Optimized
    cameras: Cameras  # normalised, of `Selection.only_fitted`, at the size of the fit
    quarter_turns: Int64[Tensor, " view"] | None  # see `Views`
    cross_validated: str | None = None  # as in `Refinement`

    @property
    def figures(self) -> dict[str, Any]:
        """The figures of the fit, as JSON values."""
        return {**self.optimized.figures, "cross_validated": self.cross_validated}


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


def sparse_start(predicted: Prediction, prepared: Prepared, seed: int) -> Gaussians:
    """Return where a fit to all photos begins: a share of the prediction, larger by as much, and the sparse points.

    Those that remain are chosen at random; the backdrop, and predictions without support, stay whole.
    """
    gaussians, known = predicted.gaussians, predicted.support
    if known is None:
        return gaussians
    near = gaussians.means.norm(dim=1) < horizon(prepared)
    share = min(1.0, max(START_SHARE, LEAST_START / max(1, int(near.sum()))))
    chosen = torch.rand(len(gaussians), generator=torch.Generator().manual_seed(seed)).to(known.device) < share
    scales = torch.where(near[:, None], gaussians.scales / math.sqrt(share), gaussians.scales)
    kept = chosen | ~near
    return refine_start(replace(gaussians, scales=scales)[kept], known[kept], prepared.inputs)


def horizon(prepared: Prepared) -> float:
    """Return the distance from the origin beyond which there is the backdrop alone, in normalised units."""
    return BEYOND / 2 * prepared.depth_range[1]


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


def fit_photos(
    predict: Predict,
    predicted: Prediction,
    prepared: Prepared,
    chosen: Selection,
    effort: str,
    *,
    seed: int = 0,
    report: Report = ignore,
) -> Fit:
    """Fit a prediction to `chosen.fitted` at the effort's size.

    `chosen.scored` judge, or cross-validation if there are none; then `predict` is what made the prediction. Two photos
    leave it as it is.
    """
    how = EFFORTS[effort]
    width, height = common_size(chosen.fitted, long_side=how.long_side_px, multiple=MULTIPLE)

    def load(photos: tuple[PosedPhoto, ...], stage: str) -> Views:
        views = normalized_views(load_views(photos, width, height), prepared.normalized_from_world)
        report(Step(stage, len(photos), len(photos)))
        return views.to(prepared.inputs.images.device)

    photos, name = load(chosen.fitted, "photos to fit"), None
    if chosen.scored:
        judges, start = load(chosen.scored, "photos that judge"), sparse_start(predicted, prepared, seed)
        optimized = optimize(
            predicted.gaussians, start, photos, judges, how, horizon=horizon(prepared), seed=seed, report=report
        )
    elif len(photos) < LEAST_TO_LEAVE_ONE_OUT:
        optimized = Optimized(predicted.gaussians, 0, 0, len(photos), width, height, None, None)
    else:
        name, optimized = _cross_validated(predict, predicted, prepared, chosen, photos, how, seed, report)
    inputs = {photo.name for photo in chosen.used}
    others = photos[torch.tensor([photo.name not in inputs for photo in chosen.fitted])]
    return Fit(optimized, others.cameras, others.quarter_turns, name)


def _cross_validated(
    predict: Predict,
    predicted: Prediction,
    prepared: Prepared,
    chosen: Selection,
    photos: Views,
    how: Effort,
    seed: int,
    report: Report,
) -> tuple[str, Optimized]:
    """Return the name of the photo that was left out of a trial, and the fit to all photos with the trial's scores.

    One that is no input is left out if there is any: the prediction then never saw it. The final fit has its own
    schedule over as many steps as were best in the trial.
    """
    names, inputs = [photo.name for photo in chosen.fitted], [photo.name for photo in chosen.used]
    spare = [i for i, name in enumerate(names) if name not in inputs]
    left_out = best_covered(photos.cameras, prepared.distance, spare or range(len(names)))
    fold, before = prepared, predicted
    if not spare:
        fold = without(prepared, inputs.index(names[left_out]))
        before = predict(fold)
    run = partial(optimize, horizon=horizon(prepared), seed=seed, report=report)
    start, judge = sparse_start(before, fold, seed), photos[[left_out]]
    trial = run(before.gaussians, start, _but(photos, left_out), judge, how)
    fitted = predicted.gaussians
    if trial.steps:
        start, how = sparse_start(predicted, prepared, seed), replace(how, steps=trial.steps)
        fitted = run(fitted, start, photos, None, how).gaussians
    return names[left_out], replace(trial, gaussians=fitted, photos=len(photos))
