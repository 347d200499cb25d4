"""From pixels and cameras to token sequences, and back. Shared by every backbone that works on patches."""

from collections.abc import Sequence
from contextlib import nullcontext

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ilrm_cli.geometry.cameras import Cameras, unit_rays
from ilrm_cli.models.layers.config import Channel


def patchify(grid: Float[Tensor, "view height width channel"], patch: int) -> Float[Tensor, "view token patch_channel"]:
    """Return tokens in (patch row, patch column) order, each flattened as (row, column, channel)."""
    rows, columns = grid.shape[1] // patch, grid.shape[2] // patch
    cells = grid.unflatten(2, (columns, patch)).unflatten(1, (rows, patch))  # [V, rows, p, columns, p, C]
    return cells.transpose(2, 3).flatten(3).flatten(1, 2)


def unpatchify(
    tokens: Float[Tensor, "view token patch_channel"], patch: int, columns: int
) -> Float[Tensor, "view height width channel"]:
    """Invert `patchify`, for a grid with `columns` patches per row."""
    cells = tokens.unflatten(2, (patch, patch, -1)).unflatten(1, (-1, columns))  # [V, rows, columns, p, p, C]
    return cells.transpose(2, 3).flatten(3, 4).flatten(1, 2)


class Tokenizer(nn.Module):
    """Linear, then LayerNorm, both without bias (paper section 3.1)."""

    def __init__(self, patch: int, channels: int, width: int):
        super().__init__()
        self.patch = patch
        self.linear = nn.Linear(patch * patch * channels, width, bias=False)
        self.norm = nn.LayerNorm(width, bias=False)

    def forward(self, grid: Float[Tensor, "view height width channel"]) -> Float[Tensor, "view token dim"]:
        return self.norm(self.linear(patchify(grid, self.patch)))


def pixel_channels(
    cameras: Cameras, names: Sequence[Channel], images: Float[Tensor, "camera 3 height width"] | None = None
) -> Float[Tensor, "camera height width channels"]:
    """Return the named channels of every pixel, three numbers each; the moment is origin x direction (Plücker).

    "nearest" is the point of the ray's line that is nearest to the world's origin. "color" maps [0, 1] to [-1, 1] and
    needs `images`. Rays keep the precision of the cameras whatever that of products is.
    """
    kind = cameras.world_from_cam.device.type
    exact = nullcontext() if kind == "meta" else torch.autocast(kind, enabled=False)
    with exact:
        origin, direction = unit_rays(cameras)
        channels = {"origin": origin, "direction": direction, "moment": torch.linalg.cross(origin, direction)}
        if "nearest" in names:
            channels["nearest"] = origin - (origin * direction).sum(-1, keepdim=True) * direction
    if images is not None:
        channels["color"] = 2 * images.permute(0, 2, 3, 1) - 1
    return torch.cat([channels[name] for name in names], dim=-1)
