"""Prediction of a prepared scene: forward pass, cleaning, optional refinement, score."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.model.backdrop import before_backdrop
from ilrm_cli.model.consistency import witnesses
from ilrm_cli.model.masking import in_empty_space, masked
from ilrm_cli.models.ilrm.config import IlrmConfig
from ilrm_cli.models.ilrm.model import Ilrm
from ilrm_cli.models.layers.passes import AttentionClock, LayerTime
from ilrm_cli.models.memory_plan import fit_to_memory
from ilrm_cli.preparation import Prepared
from ilrm_cli.refine import Refinement, refine
from ilrm_cli.refine_start import refine_start
from ilrm_cli.runtime.progress import Report, ignore


@dataclass(frozen=True)
class Prediction:
    """The result of one forward pass, ready to render."""

    gaussians: Gaussians  # normalised
    support: Float[Tensor, " gaussian"] | None = None  # by other views, in (0, 1]; None: unknown
    floating: int = 0  # number of Gaussians dropped because other views see through them
    layers: tuple[LayerTime, ...] = ()


@torch.inference_mode()
def predict(model: Ilrm, prepared: Prepared, report: Report = ignore) -> Prediction:
    """Run one forward pass, remove floaters and add a backdrop; published models are left unchanged.

    See `model.consistency` for what is removed and `model.backdrop` for what is added. If photos have masks or
    transparency, Gaussians from such pixels or in space seen as empty are removed, and no backdrop is added: the photos
    are white there, and so is the scene.
    """
    fit_to_memory(model, prepared.inputs)
    clock = AttentionClock(prepared.inputs.images.device)
    gaussians = model([prepared.inputs], [prepared.depth_range], clock, report)[0]
    return replace(cleaned(gaussians, prepared, model.config), layers=clock.layers())


@torch.no_grad()
def cleaned(gaussians: Gaussians, prepared: Prepared, config: IlrmConfig) -> Prediction:
    """Clean the output of a model of this configuration as described in `predict`."""
    cameras, content, factor = prepared.inputs.cameras, prepared.inputs.content, config.viewpoint_factor
    kept = torch.ones_like(gaussians.opacities, dtype=torch.bool) if content is None else ~masked(content, factor)
    if config.matching is None:
        return Prediction(gaussians[kept])
    grid = cameras.resized(cameras.width // factor, cameras.height // factor)
    seen = witnesses(gaussians.means, grid, kept)
    stray = kept & seen.floating()
    if prepared.inputs.empty is not None:
        stray |= kept & in_empty_space(gaussians.means, cameras, prepared.inputs.empty)
    kept = kept & ~stray
    solid, support = gaussians[kept], seen.support()[kept]
    if config.backdrop and content is None:
        solid = before_backdrop(solid, prepared.inputs, prepared.depth_range)
        support = pad(support, (0, len(solid) - len(support)), value=1.0)
    return Prediction(solid, support, int(stray.sum()))


def refined(predicted: Prediction, prepared: Prepared, iterations: int, report: Report = ignore) -> Refinement:
    """Fit to the inputs; the targets decide when to stop, or the last input if there are none."""
    inputs, targets = prepared.inputs, prepared.targets
    fitted, judges = (inputs, targets) if targets else (inputs[:-1], inputs[-1:])
    start = None if predicted.support is None else refine_start(predicted.gaussians, predicted.support, fitted)
    return refine(predicted.gaussians, fitted, judges, iterations, start=start, report=report)
