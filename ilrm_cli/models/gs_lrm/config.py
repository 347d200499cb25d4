"""The sizes and choices that make one GS-LRM: the paper's, its MIT reimplementation's, and FaceLift's."""

import math
from dataclasses import dataclass
from typing import Annotated

import msgspec

from ilrm_cli.models.layers.config import Channel, Count, HeadConfig, Width

Free = Annotated[int, msgspec.Meta(ge=0, le=1024)]

# Scale min(exp(raw - 2.3), 0.3), distance between near and far (arXiv 2404.19702, appendix; spec section 7).
PAPER_HEAD = HeadConfig(depth="between", offset=False, log_scale_shift=-2.3, log_scale_max=math.log(0.3))
FACELIFT_HEAD = HeadConfig(depth="centred", offset=False, log_scale_shift=-2.3, log_scale_max=-1.2)


@dataclass(frozen=True)
class GsLrmConfig:
    """One GS-LRM (Zhang et al. 2024, arXiv 2404.19702). The defaults are the paper's."""

    layers: Count = 24
    width: Width = 1024
    head_width: Width = 64  # channels of an attention head
    mlp_ratio: Count = 4  # hidden channels of an MLP, in widths
    patch: Count = 8  # px per side of a token
    channels: tuple[Channel, ...] = ("color", "moment", "direction")  # embedded, in this order
    entry_norm: bool = False  # LayerNorm over all tokens before the first block (FaceLift)
    free: Free = 0  # learned tokens in front, each one Gaussian that belongs to no pixel (FaceLift)
    head: HeadConfig = PAPER_HEAD
    min_views: Count = 2  # views the weights were trained for
    max_views: Count = 4
    long_side_px: Width = 256  # image size the weights were trained for
    fov_deg: tuple[float, float] | None = None  # angles of view of the longer side they were trained for
    baseline_to_depth: tuple[float, float] | None = None  # distances of the farthest cameras, over that of the scene

    @property
    def size_multiple(self) -> int:
        """Number of px of which both image sides must be multiples."""
        return self.patch


@dataclass(frozen=True)
class Variant:
    """A published configuration."""

    config: GsLrmConfig
    parameters: int


PRESETS: dict[str, Variant] = {
    "paper": Variant(GsLrmConfig(), 303_416_320),
    "facelift": Variant(
        GsLrmConfig(
            channels=("color", "direction", "nearest"),
            entry_norm=True,
            free=2,
            head=FACELIFT_HEAD,
            min_views=6,
            max_views=6,
            long_side_px=512,
        ),
        303_565_824,
    ),
}
