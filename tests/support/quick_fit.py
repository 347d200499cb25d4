"""A small scene, photos of it, and an effort for fits of seconds."""

from dataclasses import replace

import torch

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.views import Views
from ilrm_cli.pipeline.optimize.fit import Effort
from ilrm_cli.render.rasterize import render

SIDE = 32
QUICK = Effort(steps=120, long_side_px=SIDE, degree=1, growth=0.2, most=400)


def scene(count: int = 60, seed: int = 0) -> Gaussians:
    g = torch.Generator().manual_seed(seed)
    means = torch.rand(count, 3, generator=g) * torch.tensor([1.6, 1.6, 0.6]) + torch.tensor([-0.8, -0.8, 2.0])
    return Gaussians.isotropic(means, torch.full((count,), 0.12), torch.rand(count, 3, generator=g), 0.8)


def cameras(count: int = 6) -> Cameras:
    poses = torch.eye(4).repeat(count, 1, 1)
    poses[:, 0, 3] = torch.linspace(-0.4, 0.4, count)
    poses[:, 1, 3] = torch.linspace(0.2, -0.2, count)
    return Cameras(poses, torch.full((count, 2), 40.0), torch.full((count, 2), SIDE / 2), SIDE, SIDE)


def photos_of(gaussians: Gaussians, count: int = 6) -> Views:
    with torch.no_grad():
        return Views(render(gaussians, cameras(count)).color.clamp(0, 1), cameras(count))


def spoilt(gaussians: Gaussians) -> Gaussians:
    g = torch.Generator().manual_seed(1)
    means = gaussians.means + 0.08 * torch.randn(gaussians.means.shape, generator=g)
    return replace(gaussians, means=means, harmonics=0.3 * gaussians.harmonics)
