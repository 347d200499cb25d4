"""What training minimises."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ilrm_cli.gaussians import Gaussians
from ilrm_cli.metrics import psnr, ssim
from ilrm_cli.render.rasterize import render
from ilrm_cli.train.config import TrainConfig
from ilrm_cli.train.samples import Sample


@dataclass(frozen=True)
class Loss:
    """The terms of one scene (scalars); `total` carries the gradient."""

    total: Tensor
    mse: Tensor
    psnr: Tensor  # dB, mean over targets


def scene_loss(gaussians: Gaussians, sample: Sample, config: TrainConfig, progress: float) -> Loss:
    """MSE + SSIM on the rendered targets, and depth while it still fades (progress in [0, 1] of the run)."""
    image = render(gaussians, sample.targets.cameras).color
    truth = sample.targets.images
    mse = (image - truth).square().mean()
    total = mse + config.ssim_weight * (1 - ssim(image, truth).mean())
    if fade := max(0.0, 1 - 2 * progress):
        total = total + fade * config.depth_weight * depth_error(gaussians, sample)
    return Loss(total, mse.detach(), psnr(image.detach(), truth).mean())


def depth_error(gaussians: Gaussians, sample: Sample) -> Tensor:
    """Opacity-weighted Huber error of log z-depth at the input pixels that own the Gaussians.

    Transparent Gaussians pay nothing, so that surfaces no input sees can still be filled.
    """
    views = len(sample.depth)
    factor = round((sample.depth.numel() / len(gaussians)) ** 0.5)
    truth = sample.depth[:, factor // 2 :: factor, factor // 2 :: factor].flatten(1)  # [V, hw]
    means = gaussians.means.unflatten(0, (views, -1))
    axes, origin = sample.inputs.cameras.forward, sample.inputs.cameras.positions
    z = ((means - origin[:, None]) * axes[:, None]).sum(-1)
    error = torch.nn.functional.huber_loss(z.clamp_min(1e-6).log(), truth.log(), reduction="none", delta=0.1)
    weight = gaussians.opacities.detach().unflatten(0, (views, -1))
    return (weight * error).sum() / weight.sum().clamp_min(1e-6)
