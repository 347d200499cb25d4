"""The Vision Transformers that LRM reads photos with: DINO's as in transformers 4.35, DINOv2's with registers."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import gelu, interpolate

from ilrm_cli.models.layers.plain_attention import PlainAttention
from ilrm_cli.models.lrm.config import VitConfig

RESIZE_OFFSET = 0.1  # patches: transformers 4.35 asks for the scale (n + 0.1) / grid, lest n be rounded down


class VitBlock(nn.Module):
    """x + a attn(LN(x)), then x + b MLP(LN(x)); a and b are learned per channel in DINOv2 (LayerScale), else 1."""

    def __init__(self, config: VitConfig):
        super().__init__()
        width = config.width
        self.norm1 = nn.LayerNorm(width, eps=config.norm_eps)
        self.attention = PlainAttention(width, config.heads, width // config.heads, bias=True)
        self.norm2 = nn.LayerNorm(width, eps=config.norm_eps)
        self.fc1, self.fc2 = nn.Linear(width, config.mlp_width), nn.Linear(config.mlp_width, width)
        self.scale1 = nn.Parameter(torch.ones(width)) if config.layer_scale else None
        self.scale2 = nn.Parameter(torch.ones(width)) if config.layer_scale else None

    def forward(self, tokens: Float[Tensor, "batch token dim"]) -> Float[Tensor, "batch token dim"]:
        read = self.attention(self.norm1(tokens))
        tokens = tokens + (read if self.scale1 is None else self.scale1 * read)
        made = self.fc2(gelu(self.fc1(self.norm2(tokens))))
        return tokens + (made if self.scale2 is None else self.scale2 * made)


class Vit(nn.Module):
    """Image -> patches of features, behind the class token; registers are dropped at the end (Darcet et al. 2024)."""

    def __init__(self, config: VitConfig):
        super().__init__()
        self.config = config
        self.cls_token = nn.Parameter(torch.zeros(1, 1, config.width))
        self.positions = nn.Parameter(torch.zeros(1, 1 + config.grid**2, config.width))
        self.registers = nn.Parameter(torch.zeros(1, config.registers, config.width)) if config.registers else None
        self.patches = nn.Conv2d(3, config.width, config.patch, config.patch)
        self.blocks = nn.ModuleList(VitBlock(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width, eps=config.norm_eps)
        self.pooler = nn.Linear(config.width, config.width) if config.pooler else None  # in the files, never used

    def forward(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch token dim"]:
        patches = self.patches(images)
        rows, columns = patches.shape[-2:]
        tokens = torch.cat([self.cls_token.expand(len(images), -1, -1), patches.flatten(2).transpose(1, 2)], dim=1)
        tokens = tokens + self.positions_for(rows, columns)
        if self.registers is not None:  # they have no position
            tokens = torch.cat([tokens[:, :1], self.registers.expand(len(images), -1, -1), tokens[:, 1:]], dim=1)
        for block in self.blocks:
            tokens = block(tokens)
        tokens = self.norm(tokens)
        return torch.cat([tokens[:, :1], tokens[:, 1 + self.config.registers :]], dim=1)

    def positions_for(self, rows: int, columns: int) -> Float[Tensor, "1 token dim"]:
        """Return the position embedding resized bicubically to another grid of patches."""
        grid = self.config.grid
        if (rows, columns) == (grid, grid):
            return self.positions
        whole = self.positions[:, 1:].unflatten(1, (grid, grid)).movedim(-1, 1)
        if self.config.antialias:
            resized = interpolate(whole, size=(rows, columns), mode="bicubic", antialias=True)
        else:
            scale = ((rows + RESIZE_OFFSET) / grid, (columns + RESIZE_OFFSET) / grid)
            resized = interpolate(whole, scale_factor=scale, mode="bicubic")
        return torch.cat([self.positions[:, :1], resized.flatten(2).transpose(1, 2)], dim=1)
