"""Plain pre-norm transformer blocks, for networks that attend over one sequence: GS-LRM, Long-LRM, GRM, Avat3r.

    x = x + proj(attention(qkv(norm1(x))))        x = x + fc2(act(fc1(norm2(x))))

Submodules have the names under which such blocks are published.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import gelu, interpolate

from ilrm_cli.models.layers.attention import attention

QUICK_SLOPE = 1.702  # of the sigmoid in the quick GELU
INIT_STD = 0.02  # of every Linear's weights (GS-LRM)


class FullAttention(nn.Module):
    """Self attention without norms of queries and keys; each sequence of the batch by itself."""

    def __init__(self, width: int, head_width: int, bias: bool):
        super().__init__()
        if width % head_width:
            raise ValueError(f"a width of {width} does not split into heads of {head_width}")
        self.head_width = head_width
        self.qkv = nn.Linear(width, 3 * width, bias=bias)
        self.proj = nn.Linear(width, width, bias=bias)

    def forward(self, tokens: Float[Tensor, "batch token dim"]) -> Float[Tensor, "batch token dim"]:
        q, k, v = self.qkv(tokens).unflatten(-1, (3, -1, self.head_width)).unbind(-3)
        return self.proj(attention(q, k, v).flatten(2))


class FeedForward(nn.Module):
    """Two Linears with the exact GELU between them, or the quick one: x sigmoid(1.702 x)."""

    def __init__(self, width: int, ratio: int, bias: bool, quick: bool):
        super().__init__()
        self.quick = quick
        self.fc1 = nn.Linear(width, width * ratio, bias=bias)
        self.fc2 = nn.Linear(width * ratio, width, bias=bias)

    def forward(self, tokens: Float[Tensor, "batch token dim"]) -> Float[Tensor, "batch token dim"]:
        hidden = self.fc1(tokens)
        return self.fc2(hidden * torch.sigmoid(QUICK_SLOPE * hidden) if self.quick else gelu(hidden))


class TransformerBlock(nn.Module):
    """Norm, attention, residual; norm, MLP, residual."""

    def __init__(self, width: int, head_width: int, mlp_ratio: int = 4, *, bias: bool = False, quick: bool = False):
        super().__init__()
        self.norm1 = nn.LayerNorm(width, bias=bias)
        self.attn = FullAttention(width, head_width, bias)
        self.norm2 = nn.LayerNorm(width, bias=bias)
        self.mlp = FeedForward(width, mlp_ratio, bias, quick)

    def forward(self, tokens: Float[Tensor, "batch token dim"]) -> Float[Tensor, "batch token dim"]:
        tokens = tokens + self.attn(self.norm1(tokens))
        return tokens + self.mlp(self.norm2(tokens))


class CrossBlock(nn.Module):
    """Norm, attention to a context, residual; norm, MLP, residual.

    x = x + proj(attention(q(norm1(x)), kv(context)))        x = x + fc2(gelu(fc1(norm2(x))))
    """

    def __init__(self, width: int, head_width: int, mlp_ratio: int = 4, *, bias: bool = False, quick: bool = False):
        super().__init__()
        if width % head_width:
            raise ValueError(f"a width of {width} does not split into heads of {head_width}")
        self.head_width = head_width
        self.norm1 = nn.LayerNorm(width, bias=bias)
        self.q = nn.Linear(width, width, bias=bias)
        self.kv = nn.Linear(width, 2 * width, bias=bias)
        self.proj = nn.Linear(width, width, bias=bias)
        self.norm2 = nn.LayerNorm(width, bias=bias)
        self.mlp = FeedForward(width, mlp_ratio, bias, quick)

    def forward(
        self, tokens: Float[Tensor, "batch token dim"], context: Float[Tensor, "batch context_token dim"]
    ) -> Float[Tensor, "batch token dim"]:
        q = self.q(self.norm1(tokens)).unflatten(-1, (-1, self.head_width))
        k, v = self.kv(context).unflatten(-1, (2, -1, self.head_width)).unbind(-3)
        tokens = tokens + self.proj(attention(q, k, v).flatten(2))
        return tokens + self.mlp(self.norm2(tokens))


def places_in(positions: Float[Tensor, "place dim"], rows: int, columns: int) -> Float[Tensor, "token dim"]:
    """Return the learned positions of a grid; they form a square unless they are as many as its places."""
    if rows * columns == len(positions):
        return positions
    side = math.isqrt(len(positions))
    square = positions[: side**2].T.unflatten(1, (side, side))[None]  # [1, d, side, side]
    return interpolate(square, (rows, columns), mode="bilinear", align_corners=False)[0].flatten(1).T


def learned(*shape: int) -> nn.Parameter:
    """Return tokens or positions to be learned, drawn from N(0, 0.02)."""
    values = torch.empty(shape)
    return nn.Parameter(values if values.is_meta else values.normal_(std=INIT_STD))  # as in `initialize`


def initialize(module: nn.Module) -> None:
    """Draw the weights of a Linear from N(0, 0.02), for `nn.Module.apply`."""
    if isinstance(module, nn.Linear) and not module.weight.is_meta:  # there it imports PyTorch's compiler: seconds
        nn.init.normal_(module.weight, std=INIT_STD)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
