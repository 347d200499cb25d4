"""Which predicted surfaces float in space that other views see through.

Our addition to iLRM, in the way of depth-map fusion (Merrell et al. 2007): every view's Gaussians are a depth map; a
Gaussian that lies clearly in front of what other views found at its place hides their surfaces, unless enough of them
found a surface just there.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ilrm_cli.cameras import Cameras

IN_FRONT = 0.85  # of the other view's depth: nearer than this, a Gaussian stands in its way
AGREES = 0.1  # relative difference of depth within which the other view confirms it
# Floating: more views looked through than twice the confirming ones and one to spare, since depths are noisy.
SEEN_THROUGH_PER_CONFIRMED, SEEN_THROUGH_SPARE = 2, 1


@torch.no_grad()
def floating(means: Float[Tensor, "gaussian 3"], cameras: Cameras) -> Bool[Tensor, " gaussian"]:
    """Whether each Gaussian floats, for one Gaussian per pixel of `cameras` in (view, row, column) order."""
    views, height, width = len(cameras), cameras.height, cameras.width
    cam_from_world = cameras.cam_from_world
    source = torch.arange(views, device=means.device).repeat_interleave(height * width)
    seen_through = torch.zeros(len(means), device=means.device)
    confirmed = torch.zeros(len(means), device=means.device)
    for view in range(views):
        local = means @ cam_from_world[view, :3, :3].T + cam_from_world[view, :3, 3]
        z = local[:, 2]
        own_depth = z[source == view].view(height, width)
        pixel = local[:, :2] / z[:, None].clamp_min(1e-6) * cameras.focal_px[view] + cameras.center_px[view]
        column, row = pixel.floor().unbind(-1)
        looks = (z > 0) & (column >= 0) & (column < width) & (row >= 0) & (row < height) & (source != view)
        surface = own_depth[row.clamp(0, height - 1).long(), column.clamp(0, width - 1).long()]
        seen_through += looks & (z < IN_FRONT * surface)
        confirmed += looks & ((z - surface).abs() < AGREES * surface)
    return seen_through > SEEN_THROUGH_PER_CONFIRMED * confirmed + SEEN_THROUGH_SPARE
