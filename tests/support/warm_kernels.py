"""Calls that compile the kernels which take longest, into the cache folder that all tests share."""

import torch

from ilrm_cli.data.synthetic.dataset import Shooting, training_scene
from ilrm_cli.models.layers import sweep_cpu
from ilrm_cli.render.cpu import rasterizer
from ilrm_cli.render.cpu.surface_depth import surface_depth
from ilrm_cli.render.metrics import mean_ssim
from tests.support.shelled import around, sphere


def cast_rays() -> None:
    """Compile what makes procedural scenes."""
    training_scene(0, 0, Shooting(2, 32, 32, samples=1))


def draw_and_fit() -> None:
    """Compile the renderer forward and backward, the loss, the depth of surfaces and the plane sweep."""
    rasterizer.warm_up(gradients=True)
    sweep_cpu.warm_up()
    images = torch.rand(1, 3, 32, 32, requires_grad=True)
    mean_ssim(images, torch.rand(1, 3, 32, 32)).backward()
    surface_depth(sphere(50), around(1).to(torch.float32), torch.ones(3), 0.01)
