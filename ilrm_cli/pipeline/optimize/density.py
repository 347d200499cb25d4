"""Density control: where the scene needs more Gaussians, and which ones it can do without.

After Kerbl et al. 2023, section 5.2: a Gaussian whose position is pulled hard, on screen, covers what it cannot explain
and is split; one that has become transparent is removed. The pull is that of world positions, times depth over focal
length, which every rasteriser gives; what is split is the largest share by pull instead of all above a threshold, so
that the number of Gaussians follows a plan. A Gaussian is cut across its longest axis, and the halves together are as
opaque as it was.
"""

import math
from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.transforms import matrix_from_quaternion
from ilrm_cli.pipeline.optimize.parameters import OPACITY_MARGIN, Parameters

TRANSPARENT = 0.01  # opacity below which a Gaussian is removed
APART = 0.5  # of the standard deviation along the longest axis: from the old mean to that of either half
SHRINK = math.log(0.6)  # of the logarithm of that standard deviation
LEAST_LOGIT_CHANGE = -0.7  # halves of nearly opaque Gaussians stay opaque: a hole would be worse than too much
NEAREST = 1e-3  # depth in normalised units, below which a pull says nothing


class Density:
    """Mean pull on each Gaussian since the last change."""

    def __init__(self, count: int, device: torch.device):
        self._pull, self._seen = torch.zeros(count, device=device), torch.zeros(count, device=device)

    def state(self) -> dict[str, Tensor]:
        """Return the record so far."""
        return {"pull": self._pull, "seen": self._seen}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go back to a record."""
        self._pull, self._seen = state["pull"], state["seen"]

    @torch.no_grad()
    def record(self, means: Float[Tensor, "gaussian 3"], camera: Cameras) -> None:
        """Add the pull of a step: `means` have their gradient for a picture by the one camera."""
        assert means.grad is not None, "recorded between the backward pass and the step"
        depth = means.detach() @ camera.cam_from_world[0, 2, :3] + camera.cam_from_world[0, 2, 3]
        pull = means.grad.norm(dim=1) * depth.clamp_min(NEAREST) / camera.focal_px[0].mean() * camera.width
        self._pull += pull
        self._seen += pull > 0

    @torch.no_grad()
    def control(self, scene: Parameters, growth: float, most: int) -> "Density":
        """Remove what is transparent, split the `growth` share that is pulled most, up to `most` Gaussians in all.

        Return the record of the changed scene.
        """
        opacities = scene.logits.sigmoid()
        kept = opacities > TRANSPARENT
        wanted = torch.where(kept, self._pull / self._seen.clamp_min(1), 0)
        count = max(0, min(int(growth * len(scene)), most - int(kept.sum()), int((wanted > 0).sum())))
        split = wanted.topk(count).indices
        scales, rotation = scene.log_scales[split].exp(), matrix_from_quaternion(_unit(scene.quaternions[split]))
        longest = scales.argmax(1)
        rows = torch.arange(count, device=split.device)
        along = APART * scales[rows, longest, None] * rotation[rows, :, longest]
        shrink = torch.zeros_like(scales)
        shrink[rows, longest] = SHRINK
        halves = (1 - (1 - opacities[split]).sqrt()).clamp(OPACITY_MARGIN, 1 - OPACITY_MARGIN)
        logits = torch.maximum(halves.logit(), scene.logits[split] + LEAST_LOGIT_CHANGE)
        scene.change(kept, split, along, shrink, logits)
        return Density(len(scene), split.device)


def _unit(quaternions: Float[Tensor, "gaussian 4"]) -> Float[Tensor, "gaussian 4"]:
    return torch.nn.functional.normalize(quaternions, dim=-1)
