"""Views of random noise, for timing models whose speed does not depend on their input."""

import torch

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.views import Views


def noise_views(count: int, width: int, height: int, device: torch.device) -> Views:
    """Return noise images from cameras side by side that look ahead, with a focal length of one image width."""
    pose = torch.eye(4).repeat(count, 1, 1)
    pose[:, 0, 3] = torch.linspace(-1, 1, count)
    focal = torch.full((count, 2), float(width))
    center = torch.tensor([width / 2, height / 2]).expand(count, 2)
    images = torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(0))
    return Views(images, Cameras(pose, focal, center, width, height)).to(device)
