"""Search for the scale that suits the model best: each candidate is one forward pass, judged by held-out photos.

A network sees a scene through numbers that have a unit (camera positions, moments of rays), and training covered some
scales better than others. Which one suits a scene is known only afterwards. Candidates are tried on images of half the
size, where a pass costs a quarter and the ranking is the same.

Measured on twenty real captures with the default model, whose depths come from matching and need no unit: eighteen keep
the usual scale, the others gain 0.15 and 0.13 dB on the judging photos; the search takes about half as long as the
prediction that follows. Models that place Gaussians at learned distances have more to gain, so that for them alone it
is the rule.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.transforms import Similarity
from ilrm_cli.geometry.views import Views
from ilrm_cli.models.base import Capabilities
from ilrm_cli.pipeline.prepare import Prepared, normalized_views
from ilrm_cli.render.metrics import score
from ilrm_cli.runtime.progress import Report, Step, ignore

MAX_JUDGES = 4  # held-out photos that decide, evenly chosen
MIN_GAIN_DB = 0.1  # below, the usual scale is kept: so small a gain is chance
TRIAL_SHRINK, TRIAL_LEAST_PX = 2, 96  # reduction of the trials' images, unless their long side falls below
FACTORS = (0.5, 3.0)  # candidates, relative to the usual scale
FARTHEST_RAW = 8.0  # a raw scale farther away is that of maps and satellites, which no model was trained on
TINY = 1e-12
SAME_SCALE = 1.15  # candidates closer than this factor to another one are skipped


@dataclass(frozen=True)
class ScaleChoice:
    """The result of the search."""

    factor: float  # from the usual scale, largest camera coordinate 1, to the chosen one
    gain_db: float  # gain in the trials: mean PSNR of the judges minus that at the usual scale, >= 0
    tried_db: dict[str, float]  # mean PSNR of the judges in each candidate's trial, by name; the usual one first
    judges: int  # held-out photos that decided


UNJUDGED = "--auto-scale changed nothing, since no photo is held out to judge by; leave some out of the inputs."


def search_pays(prepared: Prepared, model: Capabilities) -> bool:
    """Return whether the search is worth its time.

    Not if the model matches, and sparse points tell it where to; nor if every attempt must look through a whole field.
    """
    return model.output != "field" and (not model.sweeps or prepared.inputs.sparse_depth is None)


def scaled(prepared: Prepared, factor: float) -> Prepared:
    """Return the scene in a unit that is `factor` times smaller: coordinates and depths grow by it."""
    grow = Similarity.scaling(factor)
    near, far = prepared.depth_range
    return Prepared(
        inputs=normalized_views(prepared.inputs, grow),
        targets=normalized_views(prepared.targets, grow) if prepared.targets else None,
        depth_range=(factor * near, factor * far),
        normalized_from_world=grow.after(prepared.normalized_from_world),
    )


def candidates(prepared: Prepared) -> dict[str, float]:
    """Return factors of the usual scale worth a forward pass, by name, the usual one first.

    FACTORS, and the "raw" scale of the `re10k` model's evaluation: largest coordinate 1 before recentring. A scale by
    the scene's depth is not included: the best one correlates neither with the median nor with the nearest depth.
    """
    found = {"usual": 1.0}
    world = prepared.normalized_from_world.inverse().points(prepared.inputs.cameras.positions.double())
    extent = max(float(world.abs().max()), TINY)  # zero if all cameras are at the origin
    raw = 1 / (extent * prepared.normalized_from_world.scale)
    for name, factor in (*((f"x{factor:g}", factor) for factor in FACTORS), ("raw", raw)):
        apart = all(abs(math.log(factor / other)) > math.log(SAME_SCALE) for other in found.values())
        if apart and abs(math.log(factor)) <= math.log(FARTHEST_RAW):
            found[name] = factor
    return found


def for_trial(prepared: Prepared, multiple: int) -> Prepared:
    """Return the scene with smaller images for trials, sides multiples of `multiple` px; unchanged if it is small."""
    width, height = prepared.inputs.cameras.width, prepared.inputs.cameras.height
    if max(width, height) < TRIAL_SHRINK * TRIAL_LEAST_PX:
        return prepared
    size = tuple(max(1, round(side / TRIAL_SHRINK / multiple)) * multiple for side in (width, height))

    def smaller(views: Views) -> Views:
        images = interpolate(views.images, size[::-1], mode="bilinear", antialias=True)
        depth = None if views.sparse_depth is None else _smaller_sparse(views.sparse_depth, *size)
        masks, empty = (
            None if mask is None else interpolate(mask[:, None], size[::-1], mode="area")[:, 0]
            for mask in (views.masks, views.empty)
        )
        return Views(images, views.cameras.resized(*size), depth, masks, empty, views.quarter_turns)

    targets = smaller(prepared.targets) if prepared.targets else None
    return replace(prepared, inputs=smaller(prepared.inputs), targets=targets)


def best_scale(
    prepared: Prepared, predict: Callable[[Prepared], Gaussians], multiple: int = 1, report: Report = ignore
) -> tuple[Prepared, ScaleChoice]:
    """Return the scene at the scale whose prediction shows held-out photos best, and the choice.

    The usual scale is kept unless another clearly gains. `prepared` is at the usual scale and has at least one target;
    `predict` requires image sides that are multiples of `multiple` px.
    """
    assert prepared.targets is not None, "only held-out photos can judge"
    step = -(-len(prepared.targets) // MAX_JUDGES)
    judged = for_trial(replace(prepared, targets=prepared.targets[::step]), multiple)
    factors = candidates(prepared)
    tried: dict[str, float] = {}
    for number, (name, factor) in enumerate(factors.items()):
        report(Step("testing scales", number, len(factors), name))
        attempt = scaled(judged, factor)
        assert attempt.targets is not None
        tried[name] = score(predict(attempt), attempt.targets)
    report(Step("testing scales", len(factors), len(factors)))
    best = max(tried, key=lambda name: tried[name])
    if tried[best] - tried["usual"] < MIN_GAIN_DB:
        best = "usual"
    choice = ScaleChoice(factors[best], tried[best] - tried["usual"], tried, len(judged.targets or ()))
    return (prepared if best == "usual" else scaled(prepared, factors[best])), choice


def _smaller_sparse(depth: Float[Tensor, "view rows columns"], width: int, height: int) -> Float[Tensor, "view h w"]:
    """Move known depths to the pixels of a smaller image that they fall into."""
    view, row, column = depth.nonzero().unbind(-1)
    small = torch.zeros(len(depth), height, width).to(depth)
    small[view, row * height // depth.shape[1], column * width // depth.shape[2]] = depth[view, row, column]
    return small
