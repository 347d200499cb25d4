"""Depth that is robust to far background: splatted surfaces let a few per cent of it through."""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.harmonics import from_grey
from ilrm_cli.render.rasterize import render


def harmonic_depth(
    gaussians: Gaussians, camera: Cameras, near: float
) -> tuple[Float[Tensor, "height width"], Float[Tensor, "height width"]]:
    """Render depth of one camera's pixels in world units, infinite where nothing is drawn, and alpha.

    The depth is 1 / mean of 1/z, weighted like colours. `Rendering.depth` is the mean of z, in which 3 % of a backdrop
    a thousand times farther outweigh a wall. `near` as in `render`.
    """
    assert len(camera) == 1, "the depth of one camera"
    pose = camera.cam_from_world[0].to(gaussians.means)
    z = gaussians.means @ pose[2, :3] + pose[2, 3]
    values = near / z.clamp_min(near)  # in [0, 1] in any units
    splats = replace(gaussians, harmonics=from_grey(values))
    drawn = render(splats, camera, background=torch.zeros(3), near=near)
    shown, alpha = drawn.color[0, 0], drawn.alpha[0]
    return torch.where(shown > 0, near * alpha / shown, torch.inf), alpha
