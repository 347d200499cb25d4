"""Cross-view consistency of predicted Gaussians: do other views see a surface there, or through it?

Our addition to iLRM, a kind of depth-map fusion (Merrell et al. 2007): every view's Gaussians are a depth map. A
Gaussian clearly in front of what other views found at its place hides their surfaces; one at the depth they found is
confirmed.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ilrm_cli.geometry.cameras import Cameras

IN_FRONT = 0.85  # of the other view's depth: a nearer Gaussian occludes it
AGREES = 0.1  # relative depth difference within which the other view confirms it
# Floating: more views see through than twice the confirming ones plus one, as depths are noisy.
SEEN_THROUGH_PER_CONFIRMED, SEEN_THROUGH_SPARE = 2, 1
PRIOR = 0.25  # pseudo-counts on both sides: a Gaussian seen by no view has support 1/2
LEAST_SUPPORT = 0.05  # so that refinement can recover every Gaussian


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
