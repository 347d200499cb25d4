"""Rasterisation: one contract, two backends.

Classic 3D Gaussian splatting (Kerbl et al. 2023) with gsplat 1.5.3's constants: a low-pass of 0.3 px² on the projected
covariance, alpha = min(0.999, opacity · exp(-sigma)), contributions under 1/255 skipped, compositing front to back by
the depth of the means until the transmittance would fall to 1e-4. Antialiased scenes (`Gaussians.antialiased`) have
their opacities lowered by what the low-pass adds (Yu et al. 2024).
"""

from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy import ndarray
from torch import Tensor

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.runtime.progress import Report, ignore, in_one_step

NEAR = 0.01  # world units: Gaussians with a nearer mean are not drawn


@dataclass(frozen=True)
class Rendering:
    """Images of a scene, one per camera."""

    color: Float[Tensor, "camera 3 height width"]  # composited over the background; [0, 1] up to bright harmonics
    alpha: Float[Tensor, "camera height width"]  # in [0, 1]
    depth: Float[Tensor, "camera height width"]  # expected z in the camera frame, world units; 0 where alpha is 0


def renderer_for(device: torch.device | str) -> Literal["cpu", "gsplat"]:
    """Return the backend that draws Gaussians on `device`: gsplat on CUDA, ours elsewhere."""
    return "gsplat" if torch.device(device).type == "cuda" else "cpu"


def prepare(renderer: Literal["cpu", "gsplat"], *, gradients: bool = False, report: Report = ignore) -> bool:
    """Compile our kernels if the cache lacks them, so that the first `render` is not slower; return whether it did."""
    if renderer == "gsplat":
        return False  # builds its kernels on first use and reports it itself
    from ilrm_cli.render.cpu import rasterizer

    if rasterizer.is_compiled(gradients=gradients):
        return False
    what = "the fit" if gradients else "the renderer"
    in_one_step(f"compiling {what}, once", partial(rasterizer.warm_up, gradients=gradients), report)
    return True


def render(
    gaussians: Gaussians,
    cameras: Cameras,
    *,
    background: Float[Tensor, "3"] | None = None,
    near: float = NEAR,
    cutoff: float = 0.0,
) -> Rendering:
    """Render the scene in every camera, in float32, on the device of the Gaussians.

    Differentiable with respect to all fields of `gaussians` and to `background` (RGB, white if None), not to cameras.
    Quaternions need not have unit length. Gaussians with a non-finite number are not drawn. On the CPU the same input
    gives the same bits.

    A pixel is finished before its transmittance falls to 1e-4, as in gsplat. On the CPU whole blocks of pixels may also
    be, soon after it has fallen to `cutoff` in all of them: pictures are there sooner, and at most that share of them
    is background instead of what lies behind.
    """
    device = gaussians.means.device
    background = torch.ones(3, device=device) if background is None else background.to(device)
    if renderer_for(device) == "gsplat":
        from ilrm_cli.render import gsplat_backend

        return Rendering(*gsplat_backend.rasterize(gaussians, cameras.to(device), background, near))
    from ilrm_cli.render.cpu import rasterizer  # compiles at first use

    return Rendering(*rasterizer.rasterize(gaussians, cameras.to(device), background, near, cutoff))


def pixels_of(color: Float[Tensor, "3 height width"]) -> UInt8[ndarray, "height width 3"]:
    """Convert an image to 8-bit pixels."""
    planes = to_uint8(color)
    pixels = np.empty((*planes.shape[1:], 3), np.uint8)
    for channel in range(3):  # takes a third of the time of one transposed copy
        pixels[..., channel] = planes[channel]
    return pixels


def to_uint8(values: Float[Tensor, "*shape"]) -> UInt8[ndarray, "*shape"]:
    """Quantise [0, 1] to 0...255, rounding; others are clamped."""
    return values.clamp(0, 1).mul_(255).round_().to(torch.uint8).cpu().numpy()
