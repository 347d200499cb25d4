"""Small samples for the tests of this folder."""

import math

import torch

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.views import Views
from ilrm_cli.render.rasterize import render
from ilrm_cli.train.samples import Sample
from ilrm_cli.train.sources import Procedural, Request


def procedural_sample(index: int = 0, views: int = 2, targets: int = 1, width: int = 32, height: int = 24) -> Sample:
    """Return scene `index` of seed 0."""
    return Procedural().draw(Request(0, index, 0, views, targets, width, height))


def cameras_side_by_side(count: int, size_px: int) -> Cameras:
    """Return cameras on a line of length 2 about the origin, looking along z."""
    pose = torch.eye(4).repeat(count, 1, 1)
    pose[:, 0, 3] = torch.linspace(-1, 1, count)
    return Cameras(pose, torch.full((count, 2), float(size_px)), torch.full((count, 2), size_px / 2), size_px, size_px)


def blobs(count: int = 200, seed: int = 0) -> Gaussians:
    """Return coloured, opaque Gaussians on a wavy wall some 4 units ahead."""
    generator = torch.Generator().manual_seed(seed)
    across = 8 * torch.rand(count, 2, generator=generator) - 4
    wave = 4 + 0.5 * torch.sin(across.sum(1) * math.pi / 2)
    return Gaussians(
        means=torch.cat([across, wave[:, None]], dim=1),
        quaternions=torch.tensor([1.0, 0, 0, 0]).repeat(count, 1),
        scales=torch.full((count, 3), 0.4),
        opacities=torch.full((count,), 0.95),
        harmonics=0.8 * torch.randn(count, 1, 3, generator=generator),
    )


def blob_sample(inputs: int = 3, targets: int = 2, size_px: int = 32) -> Sample:
    """Render a scene that Gaussians can show exactly; inputs and targets alternate. No depth is known."""
    cameras = cameras_side_by_side(inputs + targets, size_px)
    views = Views(render(blobs(), cameras).color, cameras)
    held = [2 * i + 1 for i in range(targets)]
    return Sample(views[[i for i in range(len(views)) if i not in held]], views[held], None, (2.0, 8.0))
