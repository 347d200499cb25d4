"""The transformer upsampler of GRM: tokens become finer ones, which attend to each other in windows.

Each stage doubles the sides of a grid: Linear C -> 4 C', PixelShuffle, a block of attention in windows, and one in
windows that are shifted by half and wrap around.
"""

import math
from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle

from ilrm_cli.models.layers.config import Layout
from ilrm_cli.models.layers.transformer import TransformerBlock


def window_sides(rows: int, columns: int, most: int) -> tuple[int, int]:
    """Return the sides of the windows of a grid: its largest divisors whose squares have at most `most` places."""
    side = math.isqrt(most)
    across, down = (max(n for n in range(1, side + 1) if length % n == 0) for length in (columns, rows))
    return down, across


class UpsampleStage(nn.Module):
    """One doubling of the grid's sides."""

    def __init__(self, width: int, finer: int, head_width: int, mlp_ratio: int, window: int, layout: Layout):
        super().__init__()
        self.window, self.layout = window, layout
        self.widen = nn.Linear(width, 4 * finer)
        self.blocks = nn.ModuleList(
            TransformerBlock(finer, head_width, mlp_ratio, bias=True, quick=True) for _ in range(2)
        )

    def forward(
        self, tokens: Float[Tensor, "scene token dim"], views: int, rows: int
    ) -> Float[Tensor, "scene finer_token finer"]:
        """Return four tokens for each one; `rows` are those of a view's grid before."""
        scenes = len(tokens)
        if self.layout == "legacy":
            side = math.isqrt(tokens.shape[1])
            return self._in_runs(self.shuffled(tokens.unflatten(1, (side, side))).flatten(1, 2))
        grid = self.shuffled(tokens.unflatten(1, (views, rows, -1)).flatten(0, 1))
        return self._in_squares(grid).unflatten(0, (scenes, views)).flatten(1, 3)

    def shuffled(self, grid: Float[Tensor, "item rows columns dim"]) -> Float[Tensor, "item rows2 columns2 finer"]:
        """Return the grid of twice the sides, before attention."""
        return pixel_shuffle(self.widen(grid).permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)

    def _in_squares(self, grid: Float[Tensor, "item rows columns dim"]) -> Float[Tensor, "item rows columns dim"]:
        rows, columns = grid.shape[1:3]
        sides = window_sides(rows, columns, self.window)
        shift = tuple(side // 2 if side < length else 0 for side, length in zip(sides, (rows, columns), strict=True))
        for block, (down, across) in zip(self.blocks, ((0, 0), shift), strict=True):
            moved = grid.roll((-down, -across), (1, 2)) if down or across else grid
            grid = _by_squares(block, moved, sides)
            grid = grid.roll((down, across), (1, 2)) if down or across else grid
        return grid

    def _in_runs(self, tokens: Float[Tensor, "scene token dim"]) -> Float[Tensor, "scene token dim"]:
        window = min(self.window, tokens.shape[1])
        for block, shift in zip(self.blocks, (0, window // 2), strict=True):
            moved = tokens.roll(-shift, 1) if shift else tokens
            tokens = block(moved.unflatten(1, (-1, window)).flatten(0, 1)).unflatten(0, (len(tokens), -1)).flatten(1, 2)
            tokens = tokens.roll(shift, 1) if shift else tokens
        return tokens


def _by_squares(block: Callable[[Tensor], Tensor], grid: Tensor, sides: tuple[int, int]) -> Tensor:
    """Apply the block to the places of each window."""
    down, across = sides
    cells = grid.unflatten(2, (-1, across)).unflatten(1, (-1, down))  # [n, rows, down, columns, across, d]
    places = cells.transpose(2, 3)
    done = block(places.flatten(3, 4).flatten(0, 2))
    return done.view(places.shape).transpose(2, 3).flatten(3, 4).flatten(1, 2)
