"""Deferred back-propagation through rendering (Zhang et al. 2022, "ARF", section 3.3; used by LongLRM).

All images are rendered without a graph; the gradient of the loss with respect to their pixels then reaches this node,
which renders each view again, now with a graph, and accumulates the gradients of the Gaussians. The result equals that
of direct back-propagation; the graph takes the memory of one view, for any number of views.
"""

from dataclasses import fields
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.render.rasterize import render


class _RenderTwice(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, cameras: Cameras, *parameters: Tensor) -> Tensor:
        ctx.cameras = cameras
        ctx.save_for_backward(*parameters)
        scene = Gaussians(*parameters)
        return torch.cat([render(scene, cameras[[view]]).color for view in range(len(cameras))])

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        leaves = [parameter.detach().requires_grad_() for parameter in ctx.saved_tensors]
        with torch.enable_grad():
            for view in range(len(ctx.cameras)):
                image = render(Gaussians(*leaves), ctx.cameras[[view]]).color
                image.backward(upstream[0][[view]])
        return None, *(leaf.grad for leaf in leaves)


def render_deferred(gaussians: Gaussians, cameras: Cameras) -> Float[Tensor, "camera 3 height width"]:
    """Return the colours of `render` on white, differentiable with respect to the Gaussians."""
    return _RenderTwice.apply(cameras, *(getattr(gaussians, f.name) for f in fields(gaussians)))
