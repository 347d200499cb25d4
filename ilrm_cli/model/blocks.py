"""Attention and MLP blocks: pre-norm, no bias, no dropout. Shared by every backbone."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention
from torch.utils.checkpoint import checkpoint

from ilrm_cli.model.timing import AttentionClock


class HeadNorm(nn.Module):
    """RMSNorm of queries or keys over the head's channels, one weight vector for all heads.

    y = x / sqrt(mean(x²) + eps), in float32, cast back, times the weight: the released code's order.
    """

    EPS = 1e-5

    def __init__(self, head_width: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(head_width))

    def forward(self, x: Float[Tensor, "*batch head_width"]) -> Float[Tensor, "*batch head_width"]:
        wide = x.float()
        normed = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + self.EPS)
        return normed.to(x.dtype) * self.weight.to(x.dtype)


class CrossAttention(nn.Module):
    """The viewpoint tokens of each view read the image tokens of the same view (paper section 3.2).

    With token uplifting every viewpoint token asks `uplifting` questions: query channel (head, i, s), the copy s
    innermost; the answers are regrouped in the same order and projected back to one token.
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
        split = (-1, self.head_width)
        q = self.q(self.norm(tokens)).unflatten(-1, (*split, self.uplifting))  # [V, T, heads, c, s]
        q = q.permute(0, 2, 1, 4, 3).flatten(2, 3)  # [V, heads, T*s, c]
        k = self.k(image_tokens).unflatten(-1, split).transpose(1, 2)  # [V, heads, P, c]
        v = self.v(image_tokens).unflatten(-1, split).transpose(1, 2)
        read = scaled_dot_product_attention(self.q_norm(q), self.k_norm(k), v)
        read = read.unflatten(2, (-1, self.uplifting)).permute(0, 2, 1, 4, 3)  # [V, T, heads, c, s]
        return self.proj(read.flatten(2))


class SelfAttention(nn.Module):
    """All viewpoint tokens of all views attend to each other (paper section 3.2)."""

    def __init__(self, width: int, head_width: int):
        super().__init__()
        self.head_width = head_width
        self.norm = nn.LayerNorm(width, bias=False)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.proj = nn.Linear(width, width, bias=False)
        self.q_norm, self.k_norm = HeadNorm(head_width), HeadNorm(head_width)

    def forward(self, tokens: Float[Tensor, "scene token dim"]) -> Float[Tensor, "scene token dim"]:
        qkv = self.qkv(self.norm(tokens)).unflatten(-1, (3, -1, self.head_width))  # [B, T, 3, heads, c]
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each [B, heads, T, c]
        mixed = scaled_dot_product_attention(self.q_norm(q), self.k_norm(k), v)
        return self.proj(mixed.transpose(1, 2).flatten(2))


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

    The other viewpoint tokens keep their value. Layers and steps take turns, so that each subset meets every other.
    """

    every: int = 1  # k: 1 is the full attention, 2 the paper's half, 4 its quarter
    first_viewpoint: int = 0  # the subsets are first, first + k, first + 2 k, ...
    first_image: int = 0

    @staticmethod
    def turn(every: int, number: int) -> "MiniBatch":
        """The subsets of turn `number`: all k² pairs of them in k² turns."""
        return MiniBatch(every, number % every, number // every % every)


FULL = MiniBatch()


class UpdateLayer(nn.Module):
    """One refinement of the scene: read the images, think, exchange between views, think (paper section 3.2)."""

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
    ) -> Float[Tensor, "view token dim"]:
        run = _recomputed if checkpointing and torch.is_grad_enabled() else _direct
        with clock.measure("cross"):
            first, every = mini_batch.first_viewpoint, mini_batch.every
            asking = tokens[:, first::every]
            read = asking + run(self.cross, asking, image_tokens[:, mini_batch.first_image :: every])
            tokens = read if every == 1 else torch.slice_scatter(tokens, read, dim=1, start=first, step=every)
        tokens = tokens + run(self.cross_mlp, tokens)
        tokens = tokens.unflatten(0, (-1, views_per_scene)).flatten(1, 2)  # [B, V*T, d]
        with clock.measure("self"):
            tokens = tokens + run(self.self_attention, tokens)
        tokens = tokens + run(self.self_mlp, tokens)
        return tokens.unflatten(1, (views_per_scene, -1)).flatten(0, 1)  # [B*V, T, d]


def _direct(block: nn.Module, *inputs: Tensor) -> Tensor:
    return block(*inputs)


def _recomputed(block: nn.Module, *inputs: Tensor) -> Tensor:
    """Keeps only the inputs and runs the block again in the backward pass."""
    return checkpoint(block, *inputs, use_reentrant=False)
