"""The sizes and choices that make one Avat3r."""

from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

from ilrm_cli.models.layers.config import Count, HeadConfig, Width

PARAMETERS = 126_478_208  # of the defaults below; the paper states no figure
Order = Literal["self first", "alternating"]  # of the layers

# Positions are the position map plus raw numbers, colours the pixel's plus raw ones (the paper's two skips); sizes are
# GRM's, on which the paper builds.
HEAD = HeadConfig(depth="mapped", offset=False, scale="bounded", color="pixel")


@dataclass(frozen=True)
class Avat3rConfig:
    """One Avat3r (Kirschstein et al. 2025, arXiv 2502.20220).

    The paper tells the numbers of layers, the four expression tokens, both skips and the threshold of confidence. It
    tells neither width nor patch, neither the order of self and cross attention nor the upsampler: these defaults are
    GRM's, whose network it extends, with all self attention first, so that as much as possible is there to be kept from
    one expression to the next.
    """

    self_layers: Count = 8
    cross_layers: Count = 8
    order: Order = "self first"
    width: Width = 768
    head_width: Width = 64  # channels of an attention head
    mlp_ratio: Count = 4  # hidden channels of an MLP, in widths
    patch: Count = 16  # px per side of a token
    places: Width = 1024  # of a view's tokens that have a learned position; resampled for other sizes
    widths: tuple[Width, ...] = (384, 192, 64, 64)  # after each doubling of the upsampler
    window: Width = 4096  # places that attend to each other in the upsampler
    code: Width = 256  # numbers of an expression code: any description of a face's state
    expression_tokens: Count = 4
    # Channels of a dense feature map of the photos; 0: none. 1536 are those of Sapiens 1B.
    features: Annotated[int, msgspec.Meta(ge=0, le=65_536)] = 1536
    least_confidence: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.5  # of a pixel that becomes a Gaussian: above it
    head: HeadConfig = HEAD
    min_views: Count = 4  # views the weights were trained for
    max_views: Count = 4
    long_side_px: Width = 512  # image size the weights were trained for
    fov_deg: tuple[float, float] | None = None  # angles of view of the longer side they were trained for
    baseline_to_depth: tuple[float, float] | None = None  # distances of the farthest cameras, over that of the scene

    @property
    def last_patch(self) -> int:
        """Px per side that a token has behind the upsampler."""
        return self.patch >> len(self.widths)

    @property
    def size_multiple(self) -> int:
        """Number of px of which both image sides must be multiples."""
        return self.patch
