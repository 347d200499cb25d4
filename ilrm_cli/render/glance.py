"""Small depth images of a scene, to judge views before a film is made."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.render.harmonic_depth import harmonic_depth

LONG_SIDE_PX = 48
SOLID = 0.5  # alpha from which a pixel shows something
NEAR_SHARE = 0.1  # of the picture: the nearest part that counts; less may be a floater


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
    factor = LONG_SIDE_PX / max(cameras.width, cameras.height)
    small = cameras.resized(max(1, round(cameras.width * factor)), max(1, round(cameras.height * factor)))
    small = small.to(torch.float32).to("cpu")
    depths, alphas = [], []
    for i in range(len(small)):
        depth, alpha = harmonic_depth(gaussians, small[[i]], near)
        depths.append(torch.where(alpha > SOLID, depth, torch.inf).cpu())
        alphas.append(alpha.mean().cpu())
    return Glance(small, torch.stack(depths), torch.stack(alphas))
