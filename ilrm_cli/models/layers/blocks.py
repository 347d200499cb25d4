"""Attention and MLP blocks: pre-norm, no bias, no dropout. Shared by every backbone."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import gelu, linear, rms_norm
from torch.utils.checkpoint import checkpoint

from ilrm_cli.models.layers.attention import attention
from ilrm_cli.models.layers.passes import WHOLE, AttentionClock, Chunks, joined, pieces


class HeadNorm(nn.Module):
    """RMSNorm of queries or keys over the head's channels, with one weight vector for all heads.

    y = x / sqrt(mean(x²) + eps), in float32, cast back, times the weight: the released code's order.
    """

    EPS = 1e-5

    def __init__(self, head_width: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(head_width))

    def forward(self, x: Float[Tensor, "*batch head_width"]) -> Float[Tensor, "*batch head_width"]:
        """Normalise `x`, which may be overwritten if no gradient is recorded."""
        if torch.is_grad_enabled() or torch.compiler.is_compiling():  # which fuses this into one pass
            wide = x.float()
            normed = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + self.EPS)
            return normed.to(x.dtype) * self.weight.to(x.dtype)
        if x.device.type == "cuda":
            return rms_norm(x, self.weight.shape, self.weight.to(x.dtype), self.EPS)  # one kernel
        wide = x.float()
        square = torch.linalg.vector_norm(wide, dim=-1, keepdim=True).square_()  # three passes over x in total
        wide *= square.div_(x.shape[-1]).add_(self.EPS).rsqrt_()
        return wide.to(x.dtype).mul_(self.weight.to(x.dtype))


class CrossAttention(nn.Module):
    """Cross attention in which each view's viewpoint tokens read its image tokens (paper section 3.2).

    With token uplifting every viewpoint token makes `uplifting` queries: query channel (head, i, s), the copy s
    innermost; the results are regrouped in the same order and projected back to one token. Here the rows of the weights
    are permuted to the order (s, head, i) instead, so that neither queries nor results need to be moved.
    """

    def __init__(self, width: int, head_width: int, uplifting: int):
        super().__init__()
        self.head_width, self.uplifting = head_width, uplifting
        self.norm = nn.LayerNorm(width, bias=False)
        self.q = nn.Linear(width, width * uplifting, bias=False)
        self.k = nn.Linear(width, width, bias=False)
        self.v = nn.Linear(width, width, bias=False)
        self.proj = nn.Linear(width * uplifting, width, bias=False)
        self.q_norm, self.k_norm = HeadNorm(head_width), HeadNorm(head_width)

    def forward(
        self, tokens: Float[Tensor, "view token dim"], image_tokens: Float[Tensor, "view pixel_token dim"]
    ) -> Float[Tensor, "view token dim"]:
        views = len(tokens)
        q = self.asked(tokens.flatten(0, 1)).unflatten(0, (views, -1)).flatten(1, 2)  # [V, T*s, heads, c]
        k, v = (part.unflatten(0, (views, -1)) for part in self.offered(image_tokens.flatten(0, 1)))  # [V, P, heads, c]
        read = attention(q, k, v).unflatten(1, (-1, self.uplifting)).flatten(2)
        return linear(read, self._copies_first(self.proj.weight.T).T)

    def asked(self, tokens: Float[Tensor, "token dim"]) -> Float[Tensor, "token copy head channel"]:
        """Return the normed queries of viewpoint tokens."""
        q = linear(self.norm(tokens), self._copies_first(self.q.weight))
        return self.q_norm(q.unflatten(-1, (self.uplifting, -1, self.head_width)))

    def offered(self, image_tokens: Float[Tensor, "token dim"]) -> tuple[Tensor, Tensor]:
        """Return the normed keys and the values of image tokens, each [P, heads, c]."""
        k, v = (part(image_tokens).unflatten(-1, (-1, self.head_width)) for part in (self.k, self.v))
        return self.k_norm(k), v

    def _copies_first(self, weight: Float[Tensor, "channel dim"]) -> Float[Tensor, "channel dim"]:
        """Permute rows from the order (head, i, s) to (s, head, i)."""
        if self.uplifting == 1:
            return weight
        return weight.unflatten(0, (-1, self.uplifting)).transpose(0, 1).flatten(0, 1)


class SelfAttention(nn.Module):
    """Self attention among all viewpoint tokens of all views (paper section 3.2)."""

    def __init__(self, width: int, head_width: int):
        super().__init__()
        self.head_width = head_width
        self.norm = nn.LayerNorm(width, bias=False)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.proj = nn.Linear(width, width, bias=False)
        self.q_norm, self.k_norm = HeadNorm(head_width), HeadNorm(head_width)

    def forward(
        self, tokens: Float[Tensor, "scene token dim"], at_once: int | None = None
    ) -> Float[Tensor, "scene token dim"]:
        """Attend; `at_once` is the number of tokens per scene to project and query at a time, None for all."""
        total = tokens.shape[1]
        parts = list(pieces(total, at_once))
        if len(parts) == 1:
            q, k, v = self._of_each(tokens, self.qkv.weight, "qkv")
            return self.proj(attention(q, k, v).flatten(2))
        q_weight, kv_weight = self.qkv.weight.split([tokens.shape[-1], 2 * tokens.shape[-1]])
        keys, values = self._keys_and_values(tokens, kv_weight, parts)
        out = torch.empty_like(tokens)
        for part in parts:
            (q,) = self._of_each(tokens[:, part], q_weight, "q")
            out[:, part] = self.proj(attention(q, keys, values).flatten(2))
        return out

    def _keys_and_values(self, tokens: Tensor, weight: Tensor, parts: list[slice]) -> tuple[Tensor, Tensor]:
        """Return the keys and values of all tokens, each [B, T, heads, c]."""
        both: list[Tensor] = []
        for part in parts:
            k, v = self._of_each(tokens[:, part], weight, "kv")
            both = both or [k.new_empty((len(tokens), tokens.shape[1], *k.shape[2:])) for _ in range(2)]
            both[0][:, part], both[1][:, part] = k, v
        return both[0], both[1]

    def _of_each(self, tokens: Tensor, weight: Tensor, kinds: str) -> Iterator[Tensor]:
        """Return the result of `normed` per scene: [B, T, heads, c]."""
        found = self.normed(tokens.flatten(0, 1), weight, kinds)
        return (part.unflatten(0, (len(tokens), -1)) for part in found)

    def normed(self, tokens: Float[Tensor, "token dim"], weight: Tensor, kinds: str) -> tuple[Tensor, ...]:
        """Return the queries, keys and values, or those that `kinds` names, each [T, heads, c], ready for attention."""
        norms = {"q": self.q_norm, "k": self.k_norm}
        found = self.projected(tokens, weight, len(kinds))
        return tuple(norms[kind](part) if kind in norms else part for kind, part in zip(kinds, found, strict=True))

    def projected(self, tokens: Float[Tensor, "*batch token dim"], weight: Tensor, kinds: int) -> tuple[Tensor, ...]:
        """Project the normed tokens to `kinds` kinds of channels, each [..., T, heads, c]."""
        return linear(self.norm(tokens), weight).unflatten(-1, (kinds, -1, self.head_width)).unbind(-3)


class Mlp(nn.Module):
    """Two Linears with the exact (erf) GELU between them."""

    def __init__(self, width: int, ratio: int):
        super().__init__()
        self.norm = nn.LayerNorm(width, bias=False)
        self.fc1 = nn.Linear(width, width * ratio, bias=False)
        self.fc2 = nn.Linear(width * ratio, width, bias=False)

    def forward(self, tokens: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
        return self.fc2(gelu(self.fc1(self.norm(tokens))))


@dataclass(frozen=True)
class MiniBatch:
    """Mini-batch cross attention (paper, "MC"; training only): every k-th viewpoint token reads every k-th image token.

    The other viewpoint tokens keep their value. The subsets rotate over layers and steps, so that each meets every
    other.
    """

    every: int = 1  # k: 1 is full attention, 2 the paper's half, 4 its quarter
    first_viewpoint: int = 0  # subsets are first, first + k, first + 2 k, ...
    first_image: int = 0

    @staticmethod
    def turn(every: int, number: int) -> "MiniBatch":
        """Return the subsets of turn `number`: all k² pairs of subsets occur in k² turns."""
        return MiniBatch(every, number % every, number // every % every)


FULL = MiniBatch()


class UpdateLayer(nn.Module):
    """One refinement of the scene: read the images, MLP, exchange between views, MLP (paper section 3.2)."""

    def __init__(self, width: int, head_width: int, uplifting: int, mlp_ratio: int):
        super().__init__()
        self.cross = CrossAttention(width, head_width, uplifting)
        self.cross_mlp = Mlp(width, mlp_ratio)
        self.self_attention = SelfAttention(width, head_width)
        self.self_mlp = Mlp(width, mlp_ratio)

    def forward(
        self,
        tokens: Float[Tensor, "view token dim"],
        image_tokens: Float[Tensor, "view pixel_token dim"],
        views_per_scene: int,
        clock: AttentionClock,
        checkpointing: bool = False,
        mini_batch: MiniBatch = FULL,
        chunks: Chunks = WHOLE,
    ) -> Float[Tensor, "view token dim"]:
        run = _recomputed if checkpointing and torch.is_grad_enabled() else _direct
        with clock.measure("cross"):
            first, every = mini_batch.first_viewpoint, mini_batch.every
            asking, asked = tokens[:, first::every], image_tokens[:, mini_batch.first_image :: every]
            parts = pieces(len(tokens), chunks.views)
            read = joined((asking[part] + run(self.cross, asking[part], asked[part]) for part in parts), len(tokens))
            tokens = read if every == 1 else torch.slice_scatter(tokens, read, dim=1, start=first, step=every)
            del read  # otherwise it would be held through the layer
        tokens = _thought(tokens, self.cross_mlp, run, chunks)
        tokens = tokens.unflatten(0, (-1, views_per_scene)).flatten(1, 2)  # [B, V*T, d]
        with clock.measure("self"):
            tokens = tokens + run(self.self_attention, tokens, chunks.tokens)
        tokens = _thought(tokens, self.self_mlp, run, chunks)
        return tokens.unflatten(1, (views_per_scene, -1)).flatten(0, 1)  # [B*V, T, d]


def _thought(
    tokens: Float[Tensor, "batch token dim"], mlp: nn.Module, run: Callable[..., Tensor], chunks: Chunks
) -> Float[Tensor, "batch token dim"]:
    """Return the tokens plus the output of the MLP."""
    if chunks.tokens is None:
        return tokens + run(mlp, tokens)
    flat = tokens.flatten(0, 1)
    parts = pieces(len(flat), chunks.tokens)
    return joined((flat[part] + run(mlp, flat[part]) for part in parts), len(flat)).view_as(tokens)


def _direct(block: nn.Module, *inputs: Any) -> Tensor:
    return block(*inputs)


def _recomputed(block: nn.Module, *inputs: Any) -> Tensor:
    """Run the block, keeping only its inputs, and recompute it in the backward pass."""
    return checkpoint(block, *inputs, use_reentrant=False)
