"""Sizes and options of an iLRM model; the two published ones are presets."""

from dataclasses import dataclass, field
from typing import Literal

Channel = Literal["origin", "direction", "moment", "color"]  # of a pixel
RAY_CHANNELS: tuple[Channel, ...] = ("origin", "direction", "moment")


@dataclass(frozen=True)
class HeadConfig:
    """The mapping from the head's raw numbers to Gaussians (one head, many mappings)."""

    # "sigmoid": distance along the ray is 500 * sigmoid(logit), as published. "matched": log-depth is the plane sweep's
    # plus a correction; needs `IlrmConfig.matching`. Ours.
    depth: Literal["sigmoid", "matched"] = "sigmoid"
    # Whether the ray may leave its pixel's centre, by up to half a pixel each way.
    offset: bool = True
    # "absolute": exp(min(raw - 6.9, -1.2)) in normalised world units, as published. "footprint": the pixel's size at
    # that depth times 0.6 exp(raw). Ours.
    scale: Literal["absolute", "footprint"] = "absolute"
    # Added to the opacity logit before the sigmoid: -2 as published.
    opacity_shift: float = -2.0
    # "world": the raw quaternion, as published. "camera": identity plus raw quaternion in camera axes, rotated into the
    # world. Ours.
    rotation: Literal["world", "camera"] = "world"
    # "absolute": the raw harmonics, as published. "pixel": raw harmonics plus the input pixel's colour. Ours.
    color: Literal["absolute", "pixel"] = "absolute"


@dataclass(frozen=True)
class MatchingConfig:
    """Plane-sweep matching cue (our addition, not in the paper; see `matching.py`)."""

    planes: int = 32  # depth hypotheses, log-spaced between near and far
    neighbors: int = 7  # nearest other views that each view is compared with: the cost stays linear in views
    best: int = 2  # the first statistic averages this many best-agreeing neighbours; the second all of them
    coarse_window: float = 1 / 12  # side of the wider of two smoothing windows, in long sides of the grid
    cost_scale: float = 0.06  # colour difference (L1, [0, 1]) at which the agreement fed to the network is 1/e
    temperature: float = 0.003  # of the soft-argmin over planes, in the same units
    background: int = 0  # number of planes beyond the far end, for sky and the horizon
    points: int = 0  # maximum number of SfM points used per view; 0: none

    @property
    def estimates(self) -> int:
        """Depth estimates per pixel: best matches, mean of all, and, if used, sparse points."""
        return 3 if self.points else 2


@dataclass(frozen=True)
class IlrmConfig:
    """One iLRM. The defaults are the paper's wide model (`dl3dv`)."""

    layers: int = 12  # update layers: cross attention, MLP, self attention, MLP
    width: int = 768  # cross attention, MLP, self attention, MLP
    head_width: int = 64  # channels of an attention head
    mlp_ratio: int = 4  # hidden channels of an MLP, in widths
    patch: int = 8  # px per side of a token, on both grids
    viewpoint_factor: int = 2  # image side over viewpoint-grid side; one Gaussian per viewpoint pixel
    uplifting: int = 2  # queries per viewpoint token in cross attention
    viewpoint_channels: tuple[Channel, ...] = RAY_CHANNELS  # embedded by viewpoint tokens, in this order
    image_channels: tuple[Channel, ...] = (*RAY_CHANNELS, "color")  # embedded by image tokens, in this order
    head: HeadConfig = field(default_factory=HeadConfig)
    matching: MatchingConfig | None = None  # None: the paper's model
    backdrop: bool = False  # whether a sphere of mean colours is placed behind the Gaussians (ours, see `backdrop.py`)
    min_views: int = 2  # views the weights were trained for
    max_views: int = 32
    long_side_px: int = 960  # image size the weights were trained for

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
