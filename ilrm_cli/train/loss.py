"""What training minimises."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ilrm_cli.cameras import stack
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
    """MSE + SSIM on rendered targets and some inputs, and a depth term that fades; progress in [0, 1] of the run."""
    shown = slice(0, config.inputs_rendered)
    cameras = stack([sample.targets.cameras, sample.inputs.cameras[shown]])
    truth = torch.cat([sample.targets.images, sample.inputs.images[shown]])
    image = render(gaussians, cameras).color
    mse = (image - truth).square().mean()
    depth_weight = config.depth_weight + progress * (config.final_depth_weight - config.depth_weight)
    total = mse + config.ssim_weight * (1 - ssim(image, truth).mean()) + depth_weight * depth_error(gaussians, sample)
    held_out = slice(0, len(sample.targets))
    return Loss(total, mse.detach(), psnr(image[held_out].detach(), truth[held_out]).mean())


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
