"""Cheaper, inexact attention: what it would save, and what the trained weights lose by it.

Experiments for `bench.quality` and the scaling study; nothing else uses them. No weights were trained for any of them.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ilrm_cli.models.ilrm.model import Ilrm
from ilrm_cli.models.layers import blocks
from ilrm_cli.models.layers.attention import attention
from ilrm_cli.models.layers.blocks import SelfAttention, UpdateLayer

FP8 = torch.float8_e4m3fn
Change = Callable[[Ilrm, int], AbstractContextManager[None]]  # within it, passes over that number of views are inexact


def fp8_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Compute `attention` on inputs rounded to 8 bits, as FP8 kernels read them; all else stays exact."""
    return attention(fp8_rounded(q), fp8_rounded(k), fp8_rounded(v))


def fp8_rounded(x: Float[Tensor, "batch token head channel"]) -> Float[Tensor, "batch token head channel"]:
    """Round to float8 (4 bits of exponent, 3 of mantissa) and back, with one scale per head and batch entry."""
    scale = x.abs().amax(dim=(1, 3), keepdim=True).clamp_min(torch.finfo(x.dtype).tiny) / torch.finfo(FP8).max
    return (x / scale).to(FP8).to(x.dtype) * scale


@contextmanager
def exact(model: Ilrm, views: int) -> Iterator[None]:
    """Change nothing."""
    yield


@contextmanager
def in_fp8(model: Ilrm, views: int) -> Iterator[None]:
    """Round the inputs of all attention to FP8; this affects every model, as the function itself is replaced."""
    blocks.attention = fp8_attention
    try:
        yield
    finally:
        blocks.attention = attention


class GroupedSelfAttention(nn.Module):
    """Self attention within groups of views, and to summaries of all others: mean keys and values of runs of tokens.

    A summary of n tokens gets log n added to its score, so that it weighs as much as n tokens.
    """

    def __init__(self, inner: SelfAttention, groups: Sequence[Sequence[int]], summarised: int | None = None):
        """Wrap `inner`. `groups` hold each view once; one summary per `summarised` tokens of a view, None: none."""
        super().__init__()
        self.inner, self.groups, self.summarised = inner, groups, summarised

    def forward(
        self, tokens: Float[Tensor, "scene token dim"], at_once: int | None = None
    ) -> Float[Tensor, "scene token dim"]:
        inner, views = self.inner, sum(len(group) for group in self.groups)
        q, k, v = (
            part.unflatten(1, (views, -1)) for part in inner.projected(tokens, inner.qkv.weight, 3)
        )  # each [B, V, T, heads, c]
        far_k, far_v = (self._summaries(part) for part in (k, v))  # [B, V, T / summarised, heads, c]
        q, k, far_k = inner.q_norm(q.clone()), inner.k_norm(k.clone()), inner.k_norm(far_k)
        mixed = torch.empty_like(q)
        for group in self.groups:
            own, others = list(group), [view for view in range(views) if view not in group]
            keys = torch.cat([k[:, own].flatten(1, 2), far_k[:, others].flatten(1, 2)], dim=1)
            values = torch.cat([v[:, own].flatten(1, 2), far_v[:, others].flatten(1, 2)], dim=1)
            weight = q.new_zeros(keys.shape[1])
            weight[len(own) * k.shape[2] :] = math.log(self.summarised or 1)
            mixed[:, own] = _weighted(q[:, own].flatten(1, 2), keys, values, weight).view_as(q[:, own])
        return inner.proj(mixed.flatten(3).flatten(1, 2))

    def _summaries(self, channels: Float[Tensor, "scene view token head channel"]) -> Tensor:
        if self.summarised is None:
            return channels[:, :, :0]
        return channels.unflatten(2, (-1, self.summarised)).mean(3)


def grouped(group: int, *, across: bool = False, summarised: int | None = None) -> Change:
    """Return a change to self attention in groups of `group` neighbouring views.

    With `across`, every other layer groups views that are far from each other.
    """

    @contextmanager
    def change(model: Ilrm, views: int) -> Iterator[None]:
        near = [range(start, min(start + group, views)) for start in range(0, views, group)]
        far = [range(start, views, len(near)) for start in range(len(near))]
        replaced: list[tuple[UpdateLayer, SelfAttention]] = []
        try:
            for number, layer in enumerate(model.layers):
                assert isinstance(layer, UpdateLayer)
                replaced.append((layer, layer.self_attention))
                groups = far if across and number % 2 else near
                layer.add_module("self_attention", GroupedSelfAttention(layer.self_attention, groups, summarised))
            yield
        finally:
            for layer, inner in replaced:
                layer.self_attention = inner

    return change


def grouped_share(views: int, tokens_per_view: int, group: int, summarised: int | None) -> float:
    """Return the operations of grouped self attention as a share of those of full self attention."""
    far = (views - group) * tokens_per_view / summarised if summarised else 0.0
    return (group * tokens_per_view + far) / (views * tokens_per_view)


def _weighted(q: Tensor, k: Tensor, v: Tensor, weight: Float[Tensor, " key"]) -> Tensor:
    """Compute `attention` with a weight for each key, given as its logarithm."""
    q, k, v = (part.transpose(1, 2) for part in (q, k, v))
    mask = weight.expand(q.shape[2], -1)
    return nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2)
