"""What other views say about each predicted Gaussian: whether they found a surface there, or see through the place.

Our addition to iLRM, in the way of depth-map fusion (Merrell et al. 2007): every view's Gaussians are a depth map. A
Gaussian that lies clearly in front of what other views found at its place hides their surfaces; one that lies at the
depth they found is confirmed.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ilrm_cli.cameras import Cameras

IN_FRONT = 0.85  # of the other view's depth: nearer than this, a Gaussian stands in its way
AGREES = 0.1  # relative difference of depth within which the other view confirms it
# Floating: more views looked through than twice the confirming ones and one to spare, since depths are noisy.
SEEN_THROUGH_PER_CONFIRMED, SEEN_THROUGH_SPARE = 2, 1
PRIOR = 0.25  # witnesses each way that everything has from the start: what nobody looks at has support 1/2
LEAST_SUPPORT = 0.05  # so that no Gaussian is lost to refinement for good


@dataclass(frozen=True)
class Witnesses:
    """How many other views say what about each Gaussian."""

    confirming: Float[Tensor, " gaussian"]  # found a surface at its depth
    seeing_through: Float[Tensor, " gaussian"]  # found one clearly behind it

    def floating(self) -> Bool[Tensor, " gaussian"]:
        """Whether it hides what others see."""
        return self.seeing_through > SEEN_THROUGH_PER_CONFIRMED * self.confirming + SEEN_THROUGH_SPARE

    def support(self) -> Float[Tensor, " gaussian"]:
        """The confirming share of those that say something, in [LEAST_SUPPORT, 1)."""
        said = self.confirming + self.seeing_through + 2 * PRIOR
        return ((self.confirming + PRIOR) / said).clamp_min(LEAST_SUPPORT)


@torch.no_grad()
def witnesses(
    means: Float[Tensor, "gaussian 3"], cameras: Cameras, known: Bool[Tensor, " gaussian"] | None = None
) -> Witnesses:
    """For one Gaussian per pixel of `cameras`, in (view, row, column) order.

    What is not `known` (None: all is), such as a masked pixel, says nothing about the others.
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
