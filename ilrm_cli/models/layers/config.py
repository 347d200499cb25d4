"""The choices that layers of every network offer: channels of pixels, the Gaussian head, the plane sweep."""

from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

# What a configuration may ask for: far more than any model has, far less than would fill the memory or take for ever.
Count = Annotated[int, msgspec.Meta(ge=1, le=1024)]
Width = Annotated[int, msgspec.Meta(ge=1, le=65_536)]
Share = Annotated[float, msgspec.Meta(gt=0, le=1e6)]
Shift = Annotated[float, msgspec.Meta(ge=-1e6, le=1e6)]

Channel = Literal["origin", "direction", "moment", "nearest", "color"]  # of a pixel
RAY_CHANNELS: tuple[Channel, ...] = ("origin", "direction", "moment")

# Of attention in windows. "views": windows are squares of one view. "legacy": all views' tokens, a square number of
# them, are one grid, and windows are runs of its rows, as in the code that GRM's authors withdrew.
Layout = Literal["views", "legacy"]


@dataclass(frozen=True)
class HeadConfig:
    """The mapping from the head's raw numbers to Gaussians (one head, many mappings)."""

    # The place along the pixel's ray, of unit length unless said otherwise:
    # "sigmoid": 500 * sigmoid(mean of three logits), as in iLRM and Long-LRM.
    # "between": near and far of the scene, interpolated by a sigmoid, as in GS-LRM.
    # "centred": (2 sigmoid(mean of three) - 1) 1.8 beyond the ray's point nearest to the origin, as in FaceLift.
    # "orbit": z-depth is the camera's distance from the origin plus the raw number, as in GRM.
    # "matched": log-depth is the plane sweep's plus a correction; needs `IlrmConfig.matching`. Ours.
    # "volume": the same, with a mean over its planes that the network weighs as one more choice. Ours.
    # "mapped": no place along a ray: the pixel's position map plus three raw numbers, as in Avat3r.
    depth: Literal["sigmoid", "matched", "volume", "between", "centred", "orbit", "mapped"] = "sigmoid"
    # Whether the ray may leave its pixel's centre, by up to half a pixel each way.
    offset: bool = True
    # "absolute": exp(min(raw + shift, max)) in the units of the cameras, as published. "bounded": between two scales by
    # a sigmoid, as in GRM. "footprint": the pixel's size at that depth times 0.6 exp(raw). Ours.
    scale: Literal["absolute", "bounded", "footprint"] = "absolute"
    log_scale_shift: Shift = -6.9  # scales start near its exponential
    log_scale_max: Shift = -1.2
    scale_range: tuple[Share, Share] = (0.005, 0.02)  # of bounded scales
    # Added to the opacity logit before the sigmoid: -2 as published.
    opacity_shift: Shift = -2.0
    # "world": the raw quaternion, as published; "world xyzw": with the real part last, as in GS-LRM's reimplementation.
    # "camera": identity plus raw quaternion in camera axes, rotated into the world. Ours.
    rotation: Literal["world", "world xyzw", "camera"] = "world"
    # "absolute": the raw harmonics, as published. "sigmoid": a colour, as in GRM. "pixel": raw harmonics plus the input
    # pixel's colour. Ours.
    color: Literal["absolute", "sigmoid", "pixel"] = "absolute"
    degree: Annotated[int, msgspec.Meta(ge=0, le=3)] = 0  # of the harmonics


@dataclass(frozen=True)
class MatchingConfig:
    """Plane-sweep matching cue (our addition, not in the paper; see `plane_sweep.py`)."""

    planes: Count = 32  # depth hypotheses, log-spaced between near and far
    neighbors: Count = 7  # nearest other views that each view is compared with: the cost stays linear in views
    best: Count = 2  # the first statistic averages this many best-agreeing neighbours; the second all of them
    coarse_window: Share = 1 / 12  # side of the wider of two smoothing windows, in long sides of the grid
    cost_scale: Share = 0.06  # colour difference (L1, [0, 1]) at which the agreement fed to the network is 1/e
    temperature: Share = 0.003  # of the soft-argmin over planes, in the same units
    background: Annotated[int, msgspec.Meta(ge=0, le=1024)] = (
        0  # number of planes beyond the far end, for sky and the horizon
    )
    points: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 0  # maximum number of SfM points used per view; 0: none

    @property
    def estimates(self) -> int:
        """Depth estimates per pixel: best matches, mean of all, and, if used, sparse points."""
        return 3 if self.points else 2


@dataclass(frozen=True)
class PyramidConfig:
    """The U-Net between the viewpoint grid and its tokens (our addition, not in the paper; see `pyramid.py`)."""

    widths: tuple[Width, ...] = (48, 64, 96)  # channels of its levels, fine to coarse: 2 ** levels is the patch
    blocks: Count = 1  # residual blocks of a level, on the way down and on the way up
    # Whether before each layer the scene is drawn into its inputs and told what is wrong there, see `feedback.py`.
    feedback: bool = False
