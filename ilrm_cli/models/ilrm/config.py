"""The sizes and choices that make one iLRM out of the family; the two published ones are presets."""

from dataclasses import dataclass, field

from ilrm_cli.models.layers.config import (
    RAY_CHANNELS,
    Channel,
    Count,
    HeadConfig,
    MatchingConfig,
    PyramidConfig,
    Width,
)


@dataclass(frozen=True)
class IlrmConfig:
    """One iLRM. The defaults are the paper's wide model (`dl3dv`)."""

    layers: Count = 12  # update layers: cross attention, MLP, self attention, MLP
    width: Width = 768  # cross attention, MLP, self attention, MLP
    head_width: Width = 64  # channels of an attention head
    mlp_ratio: Count = 4  # hidden channels of an MLP, in widths
    patch: Count = 8  # px per side of a token, on both grids
    viewpoint_factor: Count = 2  # image side over viewpoint-grid side; one Gaussian per viewpoint pixel
    uplifting: Count = 2  # queries per viewpoint token in cross attention
    viewpoint_channels: tuple[Channel, ...] = RAY_CHANNELS  # embedded by viewpoint tokens, in this order
    image_channels: tuple[Channel, ...] = (*RAY_CHANNELS, "color")  # embedded by image tokens, in this order
    head: HeadConfig = field(default_factory=HeadConfig)
    matching: MatchingConfig | None = None  # None: the paper's model
    pyramid: PyramidConfig | None = None  # None: viewpoint tokens are patches of the grid, as published
    backdrop: bool = False  # whether a sphere of mean colours is placed behind the Gaussians (ours, see `backdrop.py`)
    min_views: Count = 2  # views the weights were trained for
    max_views: Count = 32
    long_side_px: Width = 960  # image size the weights were trained for
    fov_deg: tuple[float, float] | None = None  # angles of view of the longer side they were trained for
    baseline_to_depth: tuple[float, float] | None = None  # distances of the farthest cameras, over that of the scene

    def require_consistent(self) -> None:
        """Raise ValueError for choices that do not go together."""
        if self.head.depth in ("matched", "volume") and self.matching is None:
            raise ValueError(f'head: depth "{self.head.depth}" needs matching')
        if self.head.depth == "volume" and self.pyramid is None:
            raise ValueError('head: depth "volume" needs a pyramid')
        if self.pyramid and 2 ** len(self.pyramid.widths) != self.patch:
            raise ValueError(
                f"patch: {self.patch}, but {len(self.pyramid.widths)} levels of a pyramid halve grids to less"
            )

    @property
    def estimates(self) -> int:
        """Depth estimates of the plane sweep per pixel; 0 without one."""
        return self.matching.estimates if self.matching else 0

    @property
    def volume_planes(self) -> int:
        """Planes of the sweep that the head weighs; 0 if it does not."""
        return self.matching.planes if self.matching and self.head.depth == "volume" else 0

    @property
    def size_multiple(self) -> int:
        """Number of px of which both image sides must be multiples."""
        return self.patch * self.viewpoint_factor


@dataclass(frozen=True)
class Preset:
    """A published configuration, with the score its authors report for it."""

    config: IlrmConfig
    parameters: int
    psnr: float  # dB, feed-forward, on its own protocol
    protocol: str


PRESETS: dict[str, Preset] = {
    "re10k": Preset(
        IlrmConfig(
            viewpoint_factor=1,
            uplifting=1,
            viewpoint_channels=("moment", "direction"),
            image_channels=("color", "moment", "direction"),
            head=HeadConfig(offset=False),
            max_views=2,
            long_side_px=256,
        ),
        parameters=171_336_960,
        psnr=28.65,
        protocol="RE10K, 2 views, 256x256 (arXiv 2507.23277)",
    ),
    "dl3dv": Preset(
        IlrmConfig(),
        parameters=185_885_952,
        psnr=24.30,
        protocol="DL3DV, 32 views, 544x960 (arXiv 2507.23277)",
    ),
}
