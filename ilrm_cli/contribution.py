"""Contribution of each Gaussian to pictures, to choose the ones to keep.

Measured on a refined scene of 118,240 Gaussians against the 18 photos that were not given (24.3 dB at half size): half
of them, chosen by contribution, show these as well (24.5 dB), a quarter 24.2 dB; a quarter chosen by opacity times
projected area 22.4 dB, by opacity times area 20.8 dB, at random 18.5 dB.
"""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.harmonics import SH_C0
from ilrm_cli.render.rasterize import NEAR, render
from ilrm_cli.runtime.progress import Report, Step, ignore


def contributions(
    gaussians: Gaussians, cameras: Cameras, *, near: float = NEAR, report: Report = ignore
) -> Float[Tensor, " gaussian"]:
    """Return each Gaussian's blending weight, summed over all pixels of all pictures.

    In pixels: a Gaussian that alone covers a picture gets the picture's number of pixels, an invisible one 0. The
    weight is the derivative of a pixel with respect to the Gaussian's colour, so the renderer's own gradient gives it.
    Pictures are rendered one by one, on the device of the Gaussians.
    """
    grey = torch.zeros_like(gaussians.harmonics[:, :1]).requires_grad_()  # colour 0.5, where clamps pass gradients
    seen = replace(gaussians.detach(), harmonics=grey)
    for i in range(len(cameras)):
        render(seen, cameras[[i]].to(torch.float32), near=near).color[:, 0].sum().backward()
        report(Step("weigh", i + 1, len(cameras)))
    assert grey.grad is not None
    return grey.grad[:, 0, 0] / SH_C0
