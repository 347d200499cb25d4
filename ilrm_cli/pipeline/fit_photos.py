"""The prediction fitted to its inputs, or to all posed photos that are not held out.

Photos that were neither predicted from nor fitted to judge how long a fit helps. Where no photo can be spared, the same
is done twice (cross-validation): without one input, which judges, and then with all of them for as long.
"""

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Int64
from torch import Tensor

from ilrm_cli.capture.load_views import common_size, load_views
from ilrm_cli.capture.poses.overlap import gap_deg
from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.views import PosedPhoto, Views
from ilrm_cli.models.base import Network
from ilrm_cli.pipeline.optimize.fit import EFFORTS, Optimized, optimize
from ilrm_cli.pipeline.predict import Prediction, predict
from ilrm_cli.pipeline.prepare import Prepared, normalized_views
from ilrm_cli.pipeline.refine import Refinement, refine, refine_like, refine_start
from ilrm_cli.pipeline.select_inputs import Selection
from ilrm_cli.runtime.progress import Report, Step, ignore

LEAST_TO_LEAVE_ONE_OUT = 3  # inputs: two views remain to predict from
MULTIPLE = 16  # px, of sides: tiles of the rasteriser, and photos that halve evenly


@dataclass(frozen=True)
class Fit:
    """A scene fitted to photos, and where those of them were taken that are no inputs."""

    optimized: Optimized
    cameras: Cameras  # normalised, of `Selection.only_fitted`, at the size of the fit
    quarter_turns: Int64[Tensor, " view"] | None  # see `Views`


def fit_inputs(
    model: Network,
    predicted: Prediction,
    prepared: Prepared,
    chosen: Selection,
    iterations: int,
    report: Report = ignore,
) -> Refinement:
    """Fit a prediction to its inputs, judged by the targets, or by cross-validation if there are none.

    A prediction from two photos stays as it is: from one photo there is none that could be judged.
    """
    if prepared.targets is not None:
        return refined(predicted, prepared, iterations, report)
    if len(prepared.inputs) < LEAST_TO_LEAVE_ONE_OUT:
        return Refinement(predicted.gaussians, 0, 0, None, None)
    left_out = best_covered(prepared)
    fold = without(prepared, left_out)
    trial = refined(predict(model, fold, report), fold, iterations, report)
    trial = replace(trial, cross_validated=chosen.used[left_out].name)
    start = start_of(predicted, prepared.inputs)
    return refine_like(trial, predicted.gaussians, prepared.inputs, iterations, start=start, report=report)


def refined(predicted: Prediction, prepared: Prepared, iterations: int, report: Report = ignore) -> Refinement:
    """Fit a prediction to its inputs; the targets, which there are, decide when to stop."""
    assert prepared.targets is not None, "somebody judges"
    start = start_of(predicted, prepared.inputs)
    return refine(predicted.gaussians, prepared.inputs, prepared.targets, iterations, start=start, report=report)


def start_of(predicted: Prediction, inputs: Views) -> Gaussians:
    """Return where a fit begins; see `refine_start`."""
    known = predicted.support
    return predicted.gaussians if known is None else refine_start(predicted.gaussians, known, inputs)


def best_covered(prepared: Prepared) -> int:
    """Return the input that is nearest to two others: it sees what others see, as photos in between would.

    The last one by name, at the end of an orbit, found next to nothing to gain where held-out photos gained up to 3 dB.
    """
    poses = prepared.inputs.cameras.world_from_cam
    gaps = torch.stack([gap_deg(poses, pose[None], prepared.distance) for pose in poses]).fill_diagonal_(math.inf)
    return int(gaps.topk(2, largest=False).values.sum(dim=1).argmin())


def without(prepared: Prepared, left_out: int) -> Prepared:
    """Return the scene with one input as its only target, in the same frame."""
    kept = [i for i in range(len(prepared.inputs)) if i != left_out]
    return replace(prepared, inputs=prepared.inputs[kept], targets=prepared.inputs[[left_out]])


def fit_photos(
    predicted: Prediction,
    prepared: Prepared,
    chosen: Selection,
    effort: str,
    *,
    seed: int = 0,
    report: Report = ignore,
) -> Fit:
    """Fit a prediction to `chosen.fitted` at the effort's size, judged by `chosen.scored`."""
    how = EFFORTS[effort]
    width, height = common_size(chosen.fitted, long_side=how.long_side_px, multiple=MULTIPLE)

    def load(photos: tuple[PosedPhoto, ...], stage: str) -> Views:
        views = normalized_views(load_views(photos, width, height), prepared.normalized_from_world)
        report(Step(stage, len(photos), len(photos)))
        return views.to(prepared.inputs.images.device)

    photos = load(chosen.fitted, "photos to fit")
    judges = load(chosen.scored, "photos that judge") if chosen.scored else None
    start = start_of(predicted, prepared.inputs)
    optimized = optimize(predicted.gaussians, start, photos, judges, how, seed=seed, report=report)
    inputs = {photo.name for photo in chosen.used}
    others = photos[[index for index, photo in enumerate(chosen.fitted) if photo.name not in inputs]]
    return Fit(optimized, others.cameras, others.quarter_turns)
