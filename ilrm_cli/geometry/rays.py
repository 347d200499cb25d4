"""Camera rays and the per-pixel channels that tokens embed."""

import torch
from jaxtyping import Float
from torch import Tensor

from ilrm_cli.geometry.cameras import Cameras


def pixel_centers(width: int, height: int, like: Tensor) -> Float[Tensor, "height width 2"]:
    """Return (column + 0.5, row + 0.5) of every pixel."""
    x = torch.arange(width, device=like.device, dtype=like.dtype) + 0.5
    y = torch.arange(height, device=like.device, dtype=like.dtype) + 0.5
    return torch.stack([x.expand(height, width), y[:, None].expand(height, width)], dim=-1)


def directions_through(
    cameras: Cameras, pixels: Float[Tensor, "camera height width 2"]
) -> Float[Tensor, "camera height width 3"]:
    """Return world-space vectors from each camera through pixel positions, of unit length along the camera's z axis."""
    in_camera = (pixels - cameras.center_px[:, None, None]) / cameras.focal_px[:, None, None]
    in_camera = torch.cat([in_camera, torch.ones_like(in_camera[..., :1])], dim=-1)
    return torch.einsum("vij,vhwj->vhwi", cameras.world_from_cam[:, :3, :3], in_camera)


def unit_rays(
    cameras: Cameras,
) -> tuple[Float[Tensor, "camera height width 3"], Float[Tensor, "camera height width 3"]]:
    """Return the origin and unit direction, in world space, of the ray through every pixel centre."""
    pixels = pixel_centers(cameras.width, cameras.height, cameras.focal_px).expand(len(cameras), -1, -1, -1)
    direction = torch.nn.functional.normalize(directions_through(cameras, pixels), dim=-1)
    return cameras.positions[:, None, None].expand_as(direction), direction
