"""The sizes that make one pixelNeRF. The defaults are the published one."""

from dataclasses import dataclass

from ilrm_cli.models.layers.config import Count, Share, Width


@dataclass(frozen=True)
class PixelNerfConfig:
    """One pixelNeRF."""

    widths: tuple[Count, ...] = (64, 64, 128, 256, 512)  # channels of the trunk, after conv1 and each layer
    depths: tuple[Count, ...] = (3, 4, 6, 3)  # blocks of its layers, of which the last is never used
    first_pool: bool = True  # whether the trunk's first pooling takes place; not with photos of 64 px
    hidden: Width = 512  # channels of the MLP
    samples: Count = 64  # on each ray
    importance: int = 16  # further ones
    around_depth: int = 16  # further ones
    near: Share = 0.8  # where rays begin and end, where no depths of the scene are known
    far: Share = 1.8
    white: bool = True  # the background of objects; else black
    min_views: Count = 1
    max_views: Count = 3
    long_side_px: Width = 128  # of the photos that weights were trained for
