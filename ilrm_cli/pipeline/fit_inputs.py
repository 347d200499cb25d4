"""Post-prediction optimisation: the predicted Gaussians are fitted to the input photos for a few iterations.

The paper's "iLRM 10 / 20 / 50", with what helps when photos are few: larger steps that shrink, a mostly absolute error,
and other photos as judges of when to stop, since the fit overfits its inputs after 20 to 50 iterations. It begins with
doubt where views disagree, and with the sparse points of structure from motion as Gaussians of their own.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.views import Views
from ilrm_cli.pipeline.optimize.fit import fallen
from ilrm_cli.pipeline.optimize.parameters import Parameters, Rates
from ilrm_cli.pipeline.predict import Prediction
from ilrm_cli.pipeline.prepare import Prepared
from ilrm_cli.pipeline.select_inputs import Selection
from ilrm_cli.pipeline.starts import LEAST_TO_LEAVE_ONE_OUT, Predict, best_covered, start_of, without
from ilrm_cli.render.metrics import score
from ilrm_cli.render.rasterize import render
from ilrm_cli.runtime.progress import Report, Step, ignore

# First step sizes, means' in normalised world units (inputs within [-1, 1]): twenty times the paper's, and sixty times
# for opacities, since what must go is a surface seen at the wrong depth.
RATES = Rates(means=1.2e-2, quaternions=2e-2, scales=2e-2, opacities=6e-2, colors=2e-2, harmonics=2e-2)
FINAL_RATE = 0.2  # share of the first step size left at the end of a cosine: later steps jitter less
L1_WEIGHT, MSE_WEIGHT = 0.8, 0.2
JUDGE_EVERY = 5  # iterations between two evaluations of the judges
PATIENCE = 4  # evaluations without a better score before stopping


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
        report(Step("refining", done, iterations, f"best {best_score:.2f} dB"))
        if done % JUDGE_EVERY and done != iterations:
            continue
        now = scene.snapshot()
        now_score = score(now, judges)
        if now_score > best_score:
            best, best_score, best_at = now, now_score, done
        if now_score > top:
            top, top_at = now_score, done
        elif done - top_at >= PATIENCE * JUDGE_EVERY:
            report(Step("refining", done, done, f"best {best_score:.2f} dB after {best_at}"))
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
        report(Step("refining", done, trial.iterations, "with all inputs"))
        if done == trial.iterations:
            fitted = scene.snapshot()
    return replace(trial, gaussians=fitted)


def _fit(start: Gaussians, inputs: Views, iterations: int) -> Iterator[Parameters]:
    """Yield the scene after each iteration; the next one changes it."""
    scene = Parameters(start, start.sh_degree, RATES)
    for done in range(iterations):
        shown = scene.gaussians()
        drawn = shown.rebuilt(*(value.detach().requires_grad_() for value in shown.tensors()))
        for view in range(len(inputs)):  # one graph at a time: memory for a single view
            _photo_error(drawn, inputs[[view]]).div(len(inputs)).backward()
        # Backpropagate the accumulated gradients of all views to the parameters once.
        torch.autograd.backward(shown.tensors(), [value.grad for value in drawn.tensors()])
        scene.step(FINAL_RATE + (1 - FINAL_RATE) * fallen(done / iterations))
        yield scene


def _photo_error(gaussians: Gaussians, view: Views) -> Float[Tensor, ""]:
    difference = view.counted(render(gaussians, view.cameras).color - view.images)
    return L1_WEIGHT * difference.abs().mean() + MSE_WEIGHT * difference.square().mean()


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
