"""The sizes and choices that make one Long-LRM; its paper compares four."""

from dataclasses import dataclass
from typing import Annotated

import msgspec

from ilrm_cli.models.layers.config import Count, HeadConfig, Width

Kinds = Annotated[str, msgspec.Meta(pattern="^[mt]+$", max_length=1024)]
Free = Annotated[int, msgspec.Meta(ge=0, le=1024)]
Part = Annotated[float, msgspec.Meta(gt=0, le=1)]

# Distance, scale and opacity are those of iLRM; harmonics have degree 3 (spec section 7).
HEAD = HeadConfig(offset=False, degree=3)


@dataclass(frozen=True)
class LongLrmConfig:
    """One Long-LRM (Ziwen et al. 2024, arXiv 2410.12781). The defaults are the released model's, "7M1T + merge"."""

    blocks: Kinds = "mmmmmmmt" * 3  # m: Mamba2 in both directions, t: transformer
    widths: tuple[Width, ...] = (256, 1024)  # before the first merge, after it, ...
    merges: tuple[Count, ...] = (8,)  # blocks, counted from 0, before which 2x2 tokens become one
    head_width: Width = 64  # channels of an attention head
    mlp_ratio: Count = 4  # hidden channels of an MLP, in widths
    state: Width = 256  # numbers of the scan's state per channel
    scan_head_width: Width = 64  # channels that share a decay
    expansion: Count = 2  # channels of the scan, in widths
    taps: Count = 4  # of the scan's convolution
    patch: Count = 8  # px per side of a token before merges
    globals: Free = 2  # learned tokens in front of the images'
    head: HeadConfig = HEAD
    kept: Part = 0.4  # of the Gaussians: the most opaque; in training a tenth of these is drawn from the rest
    min_views: Count = 2  # views the weights were trained for
    max_views: Count = 32
    long_side_px: Width = 960  # image size the weights were trained for
    fov_deg: tuple[float, float] | None = None  # angles of view of the longer side they were trained for
    baseline_to_depth: tuple[float, float] | None = None  # distances of the farthest cameras, over that of the scene

    @property
    def last_patch(self) -> int:
        """Px per side of a token after all merges."""
        return self.patch << len(self.merges)

    @property
    def size_multiple(self) -> int:
        """Number of px of which both image sides must be multiples."""
        return self.last_patch

    def width_of(self, block: int) -> int:
        """Return the channels of a token in this block."""
        return self.widths[sum(merge <= block for merge in self.merges)]


@dataclass(frozen=True)
class Variant:
    """A configuration of the paper."""

    config: LongLrmConfig
    parameters: int


PRESETS: dict[str, Variant] = {
    "7m1t-merge": Variant(LongLrmConfig(), 141_918_160),
    "7m1t": Variant(LongLrmConfig(widths=(1024,), merges=()), 186_683_328),
    "mamba": Variant(LongLrmConfig(blocks="m" * 24, widths=(1024,), merges=()), 169_566_720),
    "transformer": Variant(LongLrmConfig(blocks="t" * 24, widths=(1024,), merges=()), 306_499_584),
}
