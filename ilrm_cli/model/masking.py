"""Masks of predicted Gaussians: from ignored pixels, or in space that photos show as empty."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import avg_pool2d

from ilrm_cli.geometry.cameras import Cameras

HALF = 0.5  # minimum share of valid pixels of a Gaussian that is kept
CLEARANCE_PX = 2  # margin in px between known empty space and the outline: poses and cut-outs are inexact


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
