"""What the model makes of a prepared scene: the prediction, cleaned.

Other views say about each predicted Gaussian whether they found a surface there, or see through the place. This is our
addition to iLRM, in the way of depth-map fusion (Merrell et al. 2007): every view's Gaussians are a depth map. A
Gaussian that lies clearly in front of what other views found at its place hides their surfaces; one that lies at the
depth they found is confirmed. Gaussians of masked pixels, and those that lie where photos show nothing, go as well.
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

from ilrm_cli.geometry.backdrop import before_backdrop
from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.fields import PlacedField
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.models.base import Capabilities, Network
from ilrm_cli.models.layers.passes import AttentionClock, LayerTime
from ilrm_cli.models.memory_plan import fit_to_memory
from ilrm_cli.pipeline.field_match import SampledField, sampled_field
from ilrm_cli.pipeline.prepare import Prepared
from ilrm_cli.runtime.progress import Report, ignore

IN_FRONT = 0.85  # of the other view's depth: a nearer Gaussian occludes it
AGREES = 0.1  # relative depth difference within which the other view confirms it
# Floating: more views see through than twice the confirming ones plus one, as depths are noisy.
SEEN_THROUGH_PER_CONFIRMED, SEEN_THROUGH_SPARE = 2, 1
PRIOR = 0.25  # pseudo-counts on both sides: a Gaussian seen by no view has support 1/2
LEAST_SUPPORT = 0.05  # so that refinement can recover every Gaussian

HALF = 0.5  # minimum share of valid pixels of a Gaussian that is kept
CLEARANCE_PX = 2  # margin in px between known empty space and the outline: poses and cut-outs are inexact


@dataclass(frozen=True)
class Prediction:
    """The result of one forward pass, ready to render."""

    gaussians: Gaussians  # normalised
    support: Float[Tensor, " gaussian"] | None = None  # by other views, in (0, 1]; None: unknown
    floating: int = 0  # number of Gaussians dropped because other views see through them
    layers: tuple[LayerTime, ...] = ()
    sampled: SampledField | None = None  # what the Gaussians were sampled from; None: they were predicted

    @property
    def drawn(self) -> Gaussians | PlacedField:
        """The scene that was predicted, as it is drawn best."""
        return self.sampled.drawn if self.sampled else self.gaussians


@torch.no_grad()
def predict(model: Network, prepared: Prepared, report: Report = ignore) -> Prediction:
    """Run one forward pass, remove floaters and add a backdrop; published models are left unchanged.

    See `pipeline.predict` for what is removed and `geometry.backdrop` for what is added. If photos have masks or
    transparency, Gaussians from such pixels or in space seen as empty are removed, and no backdrop is added: the photos
    are white there, and so is the scene.
    """
    chunks = fit_to_memory(model, prepared.inputs).chunks
    if model.capabilities.output == "field":
        sampled, gaussians = sampled_field(model, prepared.inputs, prepared.depth_range, report)
        return Prediction(gaussians, sampled=sampled)
    clock = AttentionClock(prepared.inputs.images.device)
    gaussians = model([prepared.inputs], [prepared.depth_range], clock, report, chunks=chunks)[0]
    return replace(cleaned(gaussians, prepared, model.capabilities), layers=clock.layers())


@torch.no_grad()
def cleaned(gaussians: Gaussians, prepared: Prepared, can: Capabilities) -> Prediction:
    """Clean the output of a model with these capabilities as described in `predict`."""
    cameras, content, factor = prepared.inputs.cameras, prepared.inputs.content, can.grid_factor
    kept = torch.ones_like(gaussians.opacities, dtype=torch.bool)
    if factor is not None and content is not None:
        kept = ~masked(content, factor)
    if factor is None or not can.cleaned:
        solid = gaussians[kept]
        behind = can.backdrop and content is None
        return Prediction(before_backdrop(solid, prepared.inputs, prepared.depth_range) if behind else solid)
    grid = cameras.resized(cameras.width // factor, cameras.height // factor)
    seen = witnesses(gaussians.means, grid, kept)
    stray = kept & seen.floating()
    if prepared.inputs.empty is not None:
        stray |= kept & in_empty_space(gaussians.means, cameras, prepared.inputs.empty)
    kept = kept & ~stray
    solid, support = gaussians[kept], seen.support()[kept]
    if can.backdrop and content is None:
        solid = before_backdrop(solid, prepared.inputs, prepared.depth_range)
        support = pad(support, (0, len(solid) - len(support)), value=1.0)
    return Prediction(solid, support, int(stray.sum()))


@dataclass(frozen=True)
class Witnesses:
    """The number of other views that confirm or contradict each Gaussian."""

    confirming: Float[Tensor, " gaussian"]  # found a surface at its depth
    seeing_through: Float[Tensor, " gaussian"]  # found a surface clearly behind it

    def floating(self) -> Bool[Tensor, " gaussian"]:
        """Return whether each Gaussian hides what other views see."""
        return self.seeing_through > SEEN_THROUGH_PER_CONFIRMED * self.confirming + SEEN_THROUGH_SPARE

    def support(self) -> Float[Tensor, " gaussian"]:
        """Return the confirming share of the views with a verdict, in [LEAST_SUPPORT, 1)."""
        said = self.confirming + self.seeing_through + 2 * PRIOR
        return ((self.confirming + PRIOR) / said).clamp_min(LEAST_SUPPORT)


@torch.no_grad()
def witnesses(
    means: Float[Tensor, "gaussian 3"], cameras: Cameras, known: Bool[Tensor, " gaussian"] | None = None
) -> Witnesses:
    """Count the witnesses of one Gaussian per pixel of `cameras`, in (view, row, column) order.

    Pixels that are not `known` (None: all are), such as masked ones, are no evidence about the others.
    """
    height, width = cameras.height, cameras.width
    seeing_through = torch.zeros(len(means), device=means.device)
    confirming = torch.zeros(len(means), device=means.device)
    for view in range(len(cameras)):
        own = slice(view * height * width, (view + 1) * height * width)
        seen = cameras[[view]].project(means)
        z, looks, (row, column) = seen.depth[0], seen.inside[0], seen.cells()
        looks[own] = False
        place = (row * width + column)[0]
        if known is not None:
            looks &= known[own][place]
        surface = z[own][place]
        seeing_through += looks & (z < IN_FRONT * surface)
        confirming += looks & ((z - surface).abs_() < AGREES * surface)
    return Witnesses(confirming, seeing_through)


@torch.no_grad()
def masked(masks: Float[Tensor, "view height width"], factor: int) -> Bool[Tensor, " gaussian"]:
    """Return whether each Gaussian is ignored: one per `factor` x `factor` px, in (view, row, column) order.

    `masks` are 1 where pixels are valid and 0 where they are ignored, as in `Views.content`.
    """
    return (avg_pool2d(masks[:, None], factor) < HALF).flatten()


@torch.no_grad()
def in_empty_space(
    means: Float[Tensor, "gaussian 3"], cameras: Cameras, empty: Float[Tensor, "view height width"]
) -> Bool[Tensor, " gaussian"]:
    """Return whether a view sees empty space at each mean; the others are in the visual hull (Laurentini 1994).

    `empty` is that of `Views`, at the size of the cameras.
    """
    window = 2 * CLEARANCE_PX + 1
    clear = avg_pool2d(empty[:, None], window, stride=1, padding=CLEARANCE_PX, count_include_pad=False)[:, 0] == 1
    hollow = torch.zeros(len(means), dtype=torch.bool, device=means.device)
    for view in range(len(cameras)):
        seen = cameras[[view]].project(means)
        row, column = seen.cells()
        hollow |= seen.inside[0] & clear[view, row[0], column[0]]
    return hollow
