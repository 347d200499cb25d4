"""Photos before the model: on disk with poses (`PosedPhoto`, `Capture`), and as tensors (`Views`)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from numpy import ndarray
from torch import Tensor

from ilrm_cli.geometry.cameras import Cameras, Lens


@dataclass(frozen=True)
class PosedPhoto:
    """A photo on disk with its pose; pixels are read only when needed."""

    name: str  # path relative to the photo folder, unique within a capture
    path: Path  # the file
    lens: Lens  # of the upright image `capture.photos.pixels.read_photo(path)` returns, or of a uniformly scaled copy
    world_from_cam: Float64[ndarray, "4 4"]  # OpenCV axes, in the frame of the input poses
    points: Float64[ndarray, "point 3"] | None = None  # sparse points found in this photo; None: unknown
    mask: Path | None = None  # picture whose black pixels are ignored, as in COLMAP; None: all are valid


def stacked_poses(photos: Sequence[PosedPhoto]) -> Float64[ndarray, "photo 4 4"]:
    """Return the poses of all photos."""
    return np.stack([photo.world_from_cam for photo in photos])


@dataclass(frozen=True)
class LeftOut:
    """An unused photo."""

    name: str  # path relative to the photo folder
    reason: str  # a clause that can follow the name and a colon: "it is cut short"


@dataclass(frozen=True)
class TrainingRange:
    """The captures that a model's weights were trained on, from the least to the most; None: not known."""

    views: tuple[int, int]
    fov_deg: tuple[float, float] | None = None  # of the longer side
    baseline_to_depth: tuple[float, float] | None = None  # distance of the farthest cameras over that of the scene


@dataclass(frozen=True)
class Capture:
    """All posed photos of one place, with facts about the place."""

    photos: tuple[PosedPhoto, ...]  # sorted by name
    found: int  # photos offered, posed or not
    origin: str  # source of the poses: "colmap", "transforms", "sfm" or another tool
    points: Float64[ndarray, "point 3"]  # sparse points in the same frame; may be empty
    warnings: tuple[str, ...] = ()  # one sentence each: important for the user
    left_out: tuple[LeftOut, ...] = ()  # every photo found that has no pose here
    error_px: float | None = None  # mean reprojection error of the points; None: unknown
    advice: tuple[str, ...] = ()  # one sentence each: which photos to take so that all are connected
    root: Path | None = None  # folder that names of photos are relative to; None: they are frames of videos
    given: tuple[str, ...] | None = None  # names of the photos that were asked for; None: all of the place

    @property
    def world_from_cam(self) -> Float64[ndarray, "photo 4 4"]:
        """The poses of all photos."""
        return stacked_poses(self.photos)


@dataclass(frozen=True)
class Priors:
    """What is known of a head's photos before a model sees them, and the expression that is wanted of it."""

    positions: Float[Tensor, "view height width 3"]  # of the surface at each pixel, in the frame of the cameras
    confidence: Float[Tensor, "view height width"]  # in these positions, in [0, 1]
    expression: Float[Tensor, " code"]  # wanted; what its numbers mean is up to whoever trained the model
    features: Float[Tensor, "view rows columns channel"] | None = None  # dense, of a grid of any size

    def __getitem__(self, index: slice | Tensor) -> "Priors":
        features = None if self.features is None else self.features[index]
        return Priors(self.positions[index], self.confidence[index], self.expression, features)

    def mapped(self, change: Callable[[Tensor], Tensor]) -> "Priors":
        """Return the priors with every tensor changed."""
        features = None if self.features is None else change(self.features)
        return Priors(change(self.positions), change(self.confidence), change(self.expression), features)


@dataclass(frozen=True)
class Views:
    """Images of one size with their cameras, ready for the model or as targets."""

    images: Float[Tensor, "view 3 height width"]  # colours in [0, 1]
    cameras: Cameras
    # z-depth at the pixels with a point triangulated by structure from motion, 0 elsewhere; None if it did not run.
    sparse_depth: Float[Tensor, "view height width"] | None = None
    masks: Float[Tensor, "view height width"] | None = None  # 1 where pixels are valid, 0 where ignored; None: all are
    # 1 where photos are transparent: white, and known to show nothing. These pixels are valid. None: nowhere.
    empty: Float[Tensor, "view height width"] | None = None
    quarter_turns: Int64[Tensor, " view"] | None = None  # counterclockwise, from upright photo to image; None: unknown
    priors: Priors | None = field(default=None, kw_only=True)  # of a head; other models have none

    @property
    def content(self) -> Float[Tensor, "view height width"] | None:
        """1 where pixels are valid and show something of the scene; None: everywhere."""
        if self.empty is None:
            return self.masks
        return 1 - self.empty if self.masks is None else self.masks - self.empty

    def counted(self, difference: Float[Tensor, "view 3 height width"]) -> Float[Tensor, "view 3 height width"]:
        """Return differences from the images, zero where pixels are ignored."""
        return difference if self.masks is None else difference * self.masks[:, None]

    def __len__(self) -> int:
        return self.images.shape[0]

    def __getitem__(self, index: slice | Sequence[int] | Tensor) -> "Views":
        if not isinstance(index, slice):
            index = torch.as_tensor(index, device=self.images.device)
        priors = None if self.priors is None else self.priors[index]  # their expression is not of single views
        return replace(replace(self, priors=None).mapped(lambda tensor: tensor[index]), priors=priors)

    def mapped(self, change: Callable[[Tensor], Tensor]) -> "Views":
        """Return the views with all tensors changed."""
        optional = (self.sparse_depth, self.masks, self.empty, self.quarter_turns)
        changed = (None if tensor is None else change(tensor) for tensor in optional)
        priors = None if self.priors is None else self.priors.mapped(change)
        return Views(change(self.images), self.cameras.mapped(change), *changed, priors=priors)

    def to(self, device: torch.device | str) -> "Views":
        return self.mapped(lambda tensor: tensor.to(device))


@runtime_checkable
class ViewSource(Protocol):
    """Views, or what makes them when they are asked for."""

    @property
    def cameras(self) -> Cameras: ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: Sequence[int]) -> Views: ...


@dataclass(frozen=True)
class SomeViews:
    """Some of the views of a source."""

    source: ViewSource
    chosen: Sequence[int]

    @property
    def cameras(self) -> Cameras:
        return self.source.cameras[self.chosen]

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, index: Sequence[int]) -> Views:
        return self.source[[self.chosen[i] for i in index]]
