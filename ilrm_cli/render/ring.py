"""Default cameras for a scene without any."""

import math

import torch

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.render.level import ground_axes, look_at
from ilrm_cli.render.subject import weighted_quantiles

# Opacity quantiles that delimit the scene's body, and the shape of the ring around it.
BODY_SHARES = (0.1, 0.5, 0.9)
RING_CAMERAS = 8
RING_ELEVATION_DEG = 15.0


def default_cameras(gaussians: Gaussians, width: int, height: int, fov_deg: float) -> Cameras:
    """Return a ring of cameras for a scene without any, y down as in COLMAP's and Kerbl's scenes; float64.

    The ring fits the middle 80 % of the scene's opacity along each axis into the picture; `fov_deg` is vertical.
    """
    opacities = gaussians.opacities.double()
    low, middle, high = weighted_quantiles(gaussians.means.double(), opacities, BODY_SHARES)
    blur = weighted_quantiles(gaussians.scales.double(), opacities, (0.5,)).max()
    body = float((high - low).norm() / 2 + 2 * blur)  # Gaussians extend beyond their means
    half_fov = math.radians(fov_deg) / 2
    narrowest = min(half_fov, math.atan(math.tan(half_fov) * width / height))
    radius = body / math.sin(narrowest)
    up = torch.tensor([0.0, -1.0, 0.0]).to(middle)
    east, north = ground_axes(up)
    azimuths = 2 * math.pi * torch.arange(RING_CAMERAS).to(middle)[:, None] / RING_CAMERAS
    elevation = math.radians(RING_ELEVATION_DEG)
    level = azimuths.cos() * east + azimuths.sin() * north
    positions = middle + radius * (math.cos(elevation) * level + math.sin(elevation) * up)
    focal_px = height / 2 / math.tan(half_fov)
    return Cameras(
        world_from_cam=look_at(positions, middle, up),
        focal_px=torch.full((RING_CAMERAS, 2), focal_px).to(middle),
        center_px=torch.tensor([[width / 2, height / 2]] * RING_CAMERAS).to(middle),
        width=width,
        height=height,
    )
