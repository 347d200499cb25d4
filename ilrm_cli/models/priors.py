"""Where position maps and dense features of a head's photos come from: files, depth and poses, or other networks.

Networks are plug-ins: a Python package offers a function under a name in one of two groups of entry points, and that
name is chosen on the command line. Nothing that a head's file says runs code.

    [project.entry-points."ilrm.position_priors"]
    dust3r = "my_package:positions_of"
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import gelu

from ilrm_cli.geometry.cameras import Cameras, pixel_centers, unprojected
from ilrm_cli.geometry.views import Views
from ilrm_cli.runtime.errors import InputError, first_line

POSITION_PLUGINS, FEATURE_PLUGINS = "ilrm.position_priors", "ilrm.feature_priors"  # groups of entry points
FROZEN_SEED = 0  # of the weights of FrozenFeatures, which are never trained
FROZEN_WIDTHS = (16, 32)  # channels behind its first two convolutions, each of which halves the sides


@dataclass(frozen=True)
class PositionMaps:
    """Where the surface at each pixel is, and how sure that is."""

    positions: Float[Tensor, "view height width 3"]  # in the frame of the cameras
    confidence: Float[Tensor, "view height width"]  # in [0, 1]; 0 where a position is not known


@runtime_checkable
class PositionPrior(Protocol):
    """What finds position maps of views that have poses, in the frame of these."""

    def __call__(self, views: Views, /) -> PositionMaps: ...


@runtime_checkable
class FeaturePrior(Protocol):
    """What describes the photos by dense features, on a grid of any size."""

    def __call__(self, views: Views, /) -> Float[Tensor, "view rows columns channel"]: ...


@dataclass(frozen=True)
class StoredMap:
    """One photo's map as it was read, seen by the photo's camera at the size of the map.

    Three numbers of a pixel are its position in the world, a single one is its z-depth.
    """

    values: Float[Tensor, "rows columns numbers"]
    confidence: Float[Tensor, "rows columns"] | None  # None: 1
    camera: Cameras  # one


@dataclass(frozen=True)
class StoredPositions:
    """The prior of position maps, or of depth and poses, from files; one map for each view."""

    maps: Sequence[StoredMap]

    def __call__(self, views: Views) -> PositionMaps:
        cameras = views.cameras.to("cpu").to(torch.float64)
        found, sure = [], []
        for view, stored in enumerate(self.maps):
            values = sampled(stored.values, stored.camera, cameras[[view]])
            known = values.isfinite().all(-1)
            if values.shape[-1] == 1:
                known &= values[..., 0] > 0
                values = unprojected(values[None, ..., 0].double(), cameras[[view]])[0]
            share = torch.ones_like(known, dtype=torch.float32)
            if stored.confidence is not None:
                share = sampled(stored.confidence[..., None], stored.camera, cameras[[view]])[..., 0].float()
            found.append(torch.where(known[..., None], values, 0.0))
            sure.append(torch.where(known, share.nan_to_num(0.0), 0.0))
        return PositionMaps(torch.stack(found), torch.stack(sure))


def sampled(
    values: Float[Tensor, "rows columns numbers"], stored: Cameras, wanted: Cameras
) -> Float[Tensor, "height width numbers"]:
    """Return the nearest values at the pixels of another camera at the same place; NaN outside of the map.

    They are not mixed: between a nose and the wall behind it there is nothing.
    """
    centers = pixel_centers(wanted.width, wanted.height, wanted.focal_px)
    there = (centers - wanted.center_px[0]) / wanted.focal_px[0] * stored.focal_px[0] + stored.center_px[0]
    column, row = there.floor().long().unbind(-1)
    inside = (column >= 0) & (column < stored.width) & (row >= 0) & (row < stored.height)
    found = values[row.clamp(0, stored.height - 1), column.clamp(0, stored.width - 1)]
    return torch.where(inside[..., None], found, torch.nan)


@dataclass(frozen=True)
class StoredFeatures:
    """The prior of features from files; all maps have one size."""

    maps: Float[Tensor, "view rows columns channel"]

    def __call__(self, views: Views) -> Float[Tensor, "view rows columns channel"]:
        return self.maps


class FrozenFeatures(nn.Module):
    """A small network that is never trained: three convolutions of random weights, always the same.

    Random convolutions tell textures apart (Saxe et al. 2011); they stand in where no trained network is at hand.
    """

    def __init__(self, channels: int):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(FROZEN_SEED)
            sizes = zip((3, *FROZEN_WIDTHS), (*FROZEN_WIDTHS, channels), strict=True)
            self.layers = nn.ModuleList(nn.Conv2d(a, b, 5, stride=2, padding=2) for a, b in sizes)
        self.requires_grad_(False)

    @torch.no_grad()
    def forward(self, views: Views) -> Float[Tensor, "view rows columns channel"]:
        grid = 2 * views.images - 1
        for number, layer in enumerate(self.layers):
            grid = layer(gelu(grid) if number else grid)
        return grid.permute(0, 2, 3, 1)


def plugin(group: str, name: str, option: str) -> Callable[[Views], Any]:
    """Return what a package offers under this name. Raises InputError if none does, or if it cannot be loaded."""
    offered = {found.name: found for found in entry_points(group=group)}
    if name not in offered:
        known = f"there are {', '.join(sorted(offered))}" if offered else "no package that is installed offers any"
        raise InputError(f"{option} {name}: no such plug-in in the group {group} of entry points; {known}.")
    try:
        return offered[name].load()
    except Exception as error:  # of somebody else's package: anything
        raise InputError(f"{option} {name}: the plug-in cannot be loaded ({first_line(error)}).") from error


def of_plugin(prior: PositionPrior, views: Views, option: str) -> PositionMaps:
    """Return what a plug-in finds. Raises InputError if it fails, or gives no maps of the size of the views."""
    try:
        maps = prior(views)
        shape = (len(views), views.cameras.height, views.cameras.width)
        positions, confidence = maps.positions.detach().cpu().float(), maps.confidence.detach().cpu().float()
        fine = positions.shape == (*shape, 3) and confidence.shape == shape
    except Exception as error:  # of somebody else's package: anything
        raise InputError(f"{option}: the plug-in failed ({type(error).__name__}: {first_line(error)}).") from error
    if not fine:
        raise InputError(f"{option}: the plug-in gave maps of {tuple(positions.shape)}, not of {(*shape, 3)}.")
    known = positions.isfinite().all(-1)
    return PositionMaps(
        torch.where(known[..., None], positions, 0.0), torch.where(known, confidence.nan_to_num(0.0), 0.0)
    )


def features_of_plugin(prior: FeaturePrior, views: Views, option: str) -> Float[Tensor, "view rows columns channel"]:
    """Return what a plug-in finds. Raises InputError if it fails, or gives no features of each view."""
    try:
        features = prior(views).detach().cpu().float()
    except Exception as error:  # of somebody else's package: anything
        raise InputError(f"{option}: the plug-in failed ({type(error).__name__}: {first_line(error)}).") from error
    if features.ndim != 4 or len(features) != len(views) or not features.isfinite().all():
        raise InputError(f"{option}: the plug-in gave {tuple(features.shape)} numbers, not finite ones for each photo.")
    return features
