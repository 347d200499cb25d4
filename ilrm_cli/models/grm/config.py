"""The sizes and choices that make one GRM."""

from dataclasses import dataclass

from ilrm_cli.models.layers.config import Count, HeadConfig, Layout, Width

PARAMETERS = 178_850_304  # of the paper's model, the defaults below

# z-depth is the camera's distance from the origin plus the raw number (arXiv 2403.14621, section 3.2).
HEAD = HeadConfig(depth="orbit", offset=False, scale="bounded", color="sigmoid")


@dataclass(frozen=True)
class GrmConfig:
    """One GRM (Xu, Shi et al. 2024, arXiv 2403.14621). The defaults are the paper's."""

    layers: Count = 24
    width: Width = 768
    head_width: Width = 64  # channels of an attention head
    mlp_ratio: Count = 4  # hidden channels of an MLP, in widths
    patch: Count = 16  # px per side of a token
    places: Width = 1024  # of a view's tokens that have a learned position; resampled for other sizes
    widths: tuple[Width, ...] = (384, 192, 64, 64)  # after each doubling of the upsampler
    window: Width = 4096  # places that attend to each other in the upsampler
    layout: Layout = "views"
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
