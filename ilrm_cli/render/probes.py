"""Questions to a scene that rendering answers: robust depth, small depth pictures, each Gaussian's contribution.

Harmonic depth is hardly changed by what is far behind: surfaces of splats let a few per cent of it through.

Contribution says what is worth keeping where all would be too many. Measured on a refined scene of 118,240 Gaussians
against the 18 photos that were not given (24.3 dB at half size): half of them, chosen so, show these as well (24.5 dB),
a quarter 24.2 dB; a quarter chosen by opacity times projected area 22.4 dB, by opacity times area 20.8 dB, at random
18.5 dB.
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.harmonics import SH_C0, from_grey
from ilrm_cli.render.rasterize import NEAR, render
from ilrm_cli.runtime.progress import Report, Step, ignore

LONG_SIDE_PX = 48
SOLID = 0.5  # alpha from which a pixel shows something
NEAR_SHARE = 0.1  # of the picture: the nearest part that counts; less may be a floater


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


@dataclass(frozen=True)
class Glance:
    """Small images of several cameras; float32 on the CPU."""

    cameras: Cameras  # with LONG_SIDE_PX
    depth: Float[Tensor, "camera height width"]  # world units; infinite where nothing solid is drawn
    alpha: Float[Tensor, " camera"]  # mean over the picture

    @property
    def nearest(self) -> Float[Tensor, " camera"]:
        """Depth up to which the nearest NEAR_SHARE of each camera's pixels lie, world units; 0 if it sees nothing."""
        solid = [depth[depth.isfinite()] for depth in self.depth]
        return torch.stack([torch.quantile(d, NEAR_SHARE) if len(d) else torch.tensor(0.0) for d in solid])


@torch.inference_mode()
def glance(cameras: Cameras, gaussians: Gaussians, near: float) -> Glance:
    """Render small depth images in every camera; `near` as in `render`."""
    small = cameras.at_long_side(LONG_SIDE_PX).to(torch.float32).to("cpu")
    depths, alphas = [], []
    for i in range(len(small)):
        depth, alpha = harmonic_depth(gaussians, small[[i]], near)
        depths.append(torch.where(alpha > SOLID, depth, torch.inf).cpu())
        alphas.append(alpha.mean().cpu())
    return Glance(small, torch.stack(depths), torch.stack(alphas))


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
        report(Step("ranking Gaussians", i + 1, len(cameras)))
    assert grey.grad is not None
    return grey.grad[:, 0, 0] / SH_C0
