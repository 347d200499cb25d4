"""The sizes that make one pixelNeRF. The defaults are the published one."""

from dataclasses import dataclass
from typing import Annotated

import msgspec

from ilrm_cli.models.layers.config import Count, Share, Width

Free = Annotated[int, msgspec.Meta(ge=0, le=1024)]


@dataclass(frozen=True)
class PixelNerfConfig:
    """One pixelNeRF."""

    widths: tuple[Count, ...] = (64, 64, 128, 256, 512)  # channels of the trunk, after conv1 and each layer
    depths: tuple[Count, ...] = (3, 4, 6, 3)  # blocks of its layers, of which the last is never used
    first_pool: bool = True  # whether the trunk's first pooling takes place; not with photos of 64 px
    hidden: Width = 512  # channels of the MLP
    blocks: Count = 5  # of the MLP
    conditioned: Free = 3  # of these, before the mean over views: they get features
    frequencies: tuple[float, ...] = (1.5, 3.0, 6.0, 12.0, 24.0, 48.0)  # of the encoding of positions; without pi
    samples: Count = 64  # on each ray
    importance: int = 16  # further ones
    around_depth: int = 16  # further ones
    near: Share = 0.8  # where rays begin and end, where no depths of the scene are known
    far: Share = 1.8
    white: bool = True  # the background of objects; else black
    min_views: Count = 1
    max_views: Count = 3
    long_side_px: Width = 128  # of the photos that weights were trained for

    @property
    def place_numbers(self) -> int:
        """Numbers that a point is told by: itself, its waves, and the direction that it is seen along."""
        return 3 + 6 * len(self.frequencies) + 3
