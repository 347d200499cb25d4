"""Attention that costs less and is not exact: what it would save, and what the trained weights lose by it.

Experiments, for `bench.quality` and the scaling study; nothing else uses them. No weights were trained for any.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ilrm_cli.model import blocks
from ilrm_cli.model.attention import attention
from ilrm_cli.model.blocks import SelfAttention, UpdateLayer
from ilrm_cli.model.ilrm import Ilrm

FP8 = torch.float8_e4m3fn
Change = Callable[[Ilrm, int], AbstractContextManager[None]]  # inside it passes over so many views are approximate


def fp8_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """`attention` of numbers rounded to 8 bits, as FP8 kernels read them; products and softmax stay as they are."""
    return attention(fp8_rounded(q), fp8_rounded(k), fp8_rounded(v))


def fp8_rounded(x: Float[Tensor, "batch token head channel"]) -> Float[Tensor, "batch token head channel"]:
    """To float8 (4 bits of exponent, 3 of mantissa) and back, with one scale for each head of each batch entry."""
    scale = x.abs().amax(dim=(1, 3), keepdim=True).clamp_min(torch.finfo(x.dtype).tiny) / torch.finfo(FP8).max
    return (x / scale).to(FP8).to(x.dtype) * scale


@contextmanager
def exact(model: Ilrm, views: int) -> Iterator[None]:
    """No change."""
    yield


@contextmanager
def in_fp8(model: Ilrm, views: int) -> Iterator[None]:
    """All attention on rounded numbers: of every model, as the blocks themselves know nothing of it."""
    blocks.attention = fp8_attention
    try:
        yield
    finally:
        blocks.attention = attention


class GroupedSelfAttention(nn.Module):
    """Self attention within groups of views, and to summaries of all others: the mean keys and values of some tokens.

    A summary stands for as many tokens as it is the mean of: the logarithm of their number is added to its score.
    """

    def __init__(self, inner: SelfAttention, groups: Sequence[Sequence[int]], summarised: int | None = None):
        """`groups` hold each view once; one summary for each `summarised` tokens of a view, None for none."""
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
    """Self attention in groups of so many neighbours; `across`: in every other layer, of views far from each other."""

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
    """Operations of grouped self attention over those of the full one."""
    far = (views - group) * tokens_per_view / summarised if summarised else 0.0
    return (group * tokens_per_view + far) / (views * tokens_per_view)


def _weighted(q: Tensor, k: Tensor, v: Tensor, weight: Float[Tensor, " key"]) -> Tensor:
    """`attention` with a weight, as its logarithm, for each key."""
    q, k, v = (part.transpose(1, 2) for part in (q, k, v))
    mask = weight.expand(q.shape[2], -1)
    return nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2)
