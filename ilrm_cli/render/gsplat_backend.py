"""The CUDA rasteriser: gsplat 1.5.3, under the contract of `rasterize.render`. Import it only if CUDA is available.

gsplat compiles its kernels with nvcc at first use.
"""

import torch
from gsplat import rasterization
from jaxtyping import Float
from torch import Tensor

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.gaussians import Gaussians


def rasterize(
    gaussians: Gaussians, cameras: Cameras, background: Float[Tensor, "3"], near: float
) -> tuple[
    Float[Tensor, "camera 3 height width"], Float[Tensor, "camera height width"], Float[Tensor, "camera height width"]
]:
    """Render colour, alpha and expected depth in float32; Gaussians with a non-finite number are dropped."""
    finite = gaussians.finite()
    if not bool(finite.all()):
        gaussians = gaussians[finite]
    if len(gaussians) == 0:
        return empty_scene(cameras, background)
    images, alpha, _ = rasterization(
        means=gaussians.means.float(),
        quats=gaussians.quaternions.float(),
        scales=gaussians.scales.float(),
        opacities=gaussians.opacities.float(),
        colors=gaussians.harmonics.float(),
        sh_degree=gaussians.sh_degree,
        viewmats=cameras.cam_from_world.float(),
        Ks=cameras.intrinsics_px.float(),
        width=cameras.width,
        height=cameras.height,
        near_plane=near,
        backgrounds=background.float().expand(len(cameras), 3).contiguous(),
        render_mode="RGB+ED",
        rasterize_mode="antialiased" if gaussians.antialiased else "classic",
        packed=True,
    )  # [C, H, W, 4], [C, H, W, 1]
    color = images[..., :3].permute(0, 3, 1, 2)
    return color, alpha.squeeze(-1), images[..., 3]


def empty_scene(
    cameras: Cameras, background: Float[Tensor, "3"]
) -> tuple[
    Float[Tensor, "camera 3 height width"], Float[Tensor, "camera height width"], Float[Tensor, "camera height width"]
]:
    """Return the background alone: gsplat does not accept a scene without Gaussians."""
    nothing = torch.zeros(len(cameras), cameras.height, cameras.width, device=background.device)
    color = background.float()[:, None, None].expand(len(cameras), 3, cameras.height, cameras.width)
    return color.clone(), nothing, nothing.clone()
