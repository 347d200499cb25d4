"""What training minimises.

Back-propagation through rendering can be deferred (Zhang et al. 2022, "ARF", section 3.3; used by LongLRM): all images
are rendered without a graph; the gradient of the loss with respect to their pixels then comes back to this node, which
renders view by view again, now with a graph, and adds up the gradients of the Gaussians. The result is that of the
direct way; the memory that a graph takes is that of one view, whatever their number.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ilrm_cli.geometry.cameras import Cameras, stack
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.render.metrics import mean_ssim, psnr
from ilrm_cli.render.rasterize import render
from ilrm_cli.train.config import TrainConfig
from ilrm_cli.train.samples import Sample

Perceptual = Callable[[Tensor, Tensor], Tensor]  # images, truth -> mean distance


@dataclass(frozen=True)
class Loss:
    """The terms of one scene (scalars); `total` carries the gradient."""

    total: Tensor
    psnr: Tensor  # dB, mean over targets


def scene_loss(
    gaussians: Gaussians,
    sample: Sample,
    config: TrainConfig,
    progress: float,
    perceptual: Perceptual | None = None,
    behind: Gaussians | None = None,
    *,
    aligned: bool = True,
) -> Loss:
    """Compute MSE, structure and appearance losses of targets and some inputs, and a depth term that fades.

    `gaussians` are those of the inputs' pixels, `behind` is rendered with them (see `geometry.backdrop`); `progress` is
    the completed share of the run, in [0, 1]. If they are not `aligned` with pixels, depth is learned from images only.
    """
    drawn = gaussians if behind is None else Gaussians.concatenated(gaussians, behind)
    shown = slice(0, config.inputs_rendered)
    cameras = stack([sample.targets.cameras, sample.inputs.cameras[shown]])
    truth = torch.cat([sample.targets.images, sample.inputs.images[shown]])
    image = render_deferred(drawn, cameras) if config.deferred else render(drawn, cameras).color
    total = (image - truth).square().mean() + appearance(image, truth, config, perceptual)
    depth_weight = config.depth_weight + progress * (config.final_depth_weight - config.depth_weight)
    if aligned and sample.depth is not None and depth_weight > 0:
        total = total + depth_weight * depth_error(gaussians, sample.depth, sample)
    if config.opacity_weight > 0:
        total = total + config.opacity_weight * gaussians.opacities.mean()
    held_out = slice(0, len(sample.targets))
    return Loss(total, psnr(image[held_out].detach(), truth[held_out]).mean())


def appearance(image: Tensor, truth: Tensor, config: TrainConfig, perceptual: Perceptual | None) -> Tensor:
    """Compute the paper's perceptual term if its weights are available, and structural similarity."""
    total = image.new_zeros(())
    if config.ssim_weight > 0:
        total = total + config.ssim_weight * (1 - mean_ssim(image, truth))
    if perceptual is not None and config.perceptual_weight > 0:
        total = total + config.perceptual_weight * perceptual(image, truth)
    return total


def depth_error(gaussians: Gaussians, depth: Float[Tensor, "view height width"], sample: Sample) -> Tensor:
    """Compute the opacity-weighted Huber error of log z-depth at the input pixels of the Gaussians.

    Transparent Gaussians have no cost, so that surfaces unseen by the inputs can still be filled.
    """
    factor = round((depth.numel() / len(gaussians)) ** 0.5)
    truth = depth[:, factor // 2 :: factor, factor // 2 :: factor].flatten(1)  # [V, hw]
    means = gaussians.means.unflatten(0, (len(depth), -1))
    axes, origin = sample.inputs.cameras.forward, sample.inputs.cameras.positions
    z = ((means - origin[:, None]) * axes[:, None]).sum(-1)
    error = torch.nn.functional.huber_loss(z.clamp_min(1e-6).log(), truth.log(), reduction="none", delta=0.1)
    weight = gaussians.opacities.detach().unflatten(0, (len(depth), -1))
    return (weight * error).sum() / weight.sum().clamp_min(1e-6)


class _RenderTwice(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, cameras: Cameras, antialiased: bool, *parameters: Tensor) -> Tensor:
        ctx.cameras, ctx.antialiased = cameras, antialiased
        ctx.save_for_backward(*parameters)
        scene = Gaussians(*parameters, antialiased=antialiased)
        return torch.cat([render(scene, cameras[[view]]).color for view in range(len(cameras))])

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        leaves = [parameter.detach().requires_grad_() for parameter in ctx.saved_tensors]
        with torch.enable_grad():
            scene = Gaussians(*leaves, antialiased=ctx.antialiased)
            for view in range(len(ctx.cameras)):
                image = render(scene, ctx.cameras[[view]]).color
                image.backward(upstream[0][[view]])
        return None, None, *(leaf.grad for leaf in leaves)


def render_deferred(gaussians: Gaussians, cameras: Cameras) -> Float[Tensor, "camera 3 height width"]:
    """Return the colours of `render` on white, differentiable with respect to the Gaussians."""
    return _RenderTwice.apply(cameras, gaussians.antialiased, *gaussians.tensors())
