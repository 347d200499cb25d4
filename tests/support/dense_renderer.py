"""A slow renderer written straight from the equations: every Gaussian at every pixel, in plain torch, any precision."""

import torch
from jaxtyping import Float
from torch import Tensor

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.harmonics import basis
from ilrm_cli.geometry.transforms import matrix_from_quaternion


def project(
    gaussians: Gaussians, cameras: Cameras
) -> tuple[Float[Tensor, "gaussian 2"], Float[Tensor, "gaussian 2 2"], Float[Tensor, " gaussian"]]:
    """Return image position, 2D covariance without the low-pass, and depth in the first camera."""
    cam_from_world = cameras.cam_from_world[0]
    points = gaussians.means @ cam_from_world[:3, :3].T + cam_from_world[:3, 3]  # [N, 3]
    depth = points[:, 2]
    slopes = points[:, :2] / depth[:, None]  # x/z, y/z
    focal, center = cameras.focal_px[0], cameras.center_px[0]
    size = torch.tensor([cameras.width, cameras.height]).to(focal)
    low, high = -center / focal - 0.15 * size / focal, (size - center) / focal + 0.15 * size / focal
    clamped = slopes.clamp(low, high)
    jacobian = torch.zeros(len(gaussians), 2, 3).to(points)
    jacobian[:, 0, 0], jacobian[:, 1, 1] = focal[0] / depth, focal[1] / depth
    jacobian[:, :, 2] = -focal * clamped / depth[:, None]
    axes = matrix_from_quaternion(gaussians.quaternions) * gaussians.scales[:, None]
    covariance = cam_from_world[:3, :3] @ axes @ axes.mT @ cam_from_world[:3, :3].T
    return slopes * focal + center, jacobian @ covariance @ jacobian.mT, depth


def alphas(gaussians: Gaussians, cameras: Cameras) -> Float[Tensor, "gaussian height width"]:
    """Return the opacity of each Gaussian at each pixel centre of the first camera, before anything is skipped."""
    means, sharp, _ = project(gaussians, cameras)
    covariance, opacities = sharp + 0.3 * torch.eye(2).to(sharp), gaussians.opacities
    if gaussians.antialiased:
        opacities = opacities * (sharp.det().clamp_min(0) / covariance.det()).sqrt()
    rows, columns = torch.meshgrid(torch.arange(cameras.height), torch.arange(cameras.width), indexing="ij")
    pixels = torch.stack([columns, rows], dim=-1).to(means) + 0.5
    offset = pixels - means[:, None, None]  # [N, H, W, 2]
    sigma = 0.5 * torch.einsum("nhwi,nij,nhwj->nhw", offset, covariance.inverse(), offset)
    return (opacities[:, None, None] * torch.exp(-sigma)).clamp(max=0.999)


def dense_render(
    gaussians: Gaussians, cameras: Cameras, background: Float[Tensor, "3"], near: float = 0.01
) -> tuple[Float[Tensor, "3 height width"], Float[Tensor, "height width"], Float[Tensor, "height width"]]:
    """Return colour, alpha and expected depth of the first camera."""
    _, _, depth = project(gaussians, cameras)
    order = depth.argsort(stable=True)
    gaussians = gaussians[order[depth[order] > near]]
    _, _, depth = project(gaussians, cameras)
    alpha = alphas(gaussians, cameras)
    alpha = torch.where(alpha < 1 / 255, 0, alpha)
    after = (1 - alpha).cumprod(0)
    before = torch.cat([torch.ones_like(after[:1]), after[:-1]])
    weight = torch.where(after > 1e-4, alpha * before, 0)  # [N, H, W]
    directions = torch.nn.functional.normalize(gaussians.means - cameras.positions[0], dim=-1)
    colors = colors_seen(gaussians.harmonics, directions)
    covered = weight.sum(0)
    color = torch.einsum("nhw,nc->chw", weight, colors) + (1 - covered) * background[:, None, None]
    expected = (weight * depth[:, None, None]).sum(0) / covered.clamp_min(1e-10)
    return color, covered, expected


def colors_seen(
    harmonics: Float[Tensor, "gaussian bases 3"], directions: Float[Tensor, "gaussian 3"]
) -> Float[Tensor, "gaussian 3"]:
    """Return the colour seen in unit directions (camera to Gaussian): max(0, 0.5 + Σ harmonics · Y)."""
    degree = int(harmonics.shape[1] ** 0.5) - 1
    return ((basis(directions, degree)[..., None] * harmonics).sum(-2) + 0.5).clamp_min(0)
