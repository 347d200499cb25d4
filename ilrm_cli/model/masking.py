"""Which predicted Gaussians come from pixels that are to be ignored."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import avg_pool2d

HALF = 0.5  # of a Gaussian's pixels must count, or it is left out


@torch.no_grad()
def masked(masks: Float[Tensor, "view height width"], factor: int) -> Bool[Tensor, " gaussian"]:
    """Whether each Gaussian of a prediction is ignored: one per `factor` x `factor` px, in (view, row, column) order.

    `masks` are those of `Views`: 1 where pixels count, 0 where they are ignored.
    """
    return (avg_pool2d(masks[:, None], factor) < HALF).flatten()
