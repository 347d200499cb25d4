"""Photos on their way to the model: as found with a pose (`PosedPhoto`, `Capture`), and as tensors (`Views`)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float, Float64
from numpy import ndarray
from torch import Tensor

from ilrm_cli.cameras import Cameras, Lens


@dataclass(frozen=True)
class PosedPhoto:
    """A photo on disk with its pose; pixels are read only when needed."""

    name: str  # path relative to the photo folder, unique within a capture
    path: Path  # the file
    lens: Lens  # of the upright image `io.photos.read_photo(path)` returns, or of a uniformly scaled copy of it
    world_from_cam: Float64[ndarray, "4 4"]  # OpenCV axes, in the frame of the input poses


@dataclass(frozen=True)
class Capture:
    """All posed photos of one place and what is known about the place."""

    photos: tuple[PosedPhoto, ...]  # sorted by name
    found: int  # photos that were offered, posed or not
    origin: str  # where the poses come from: "colmap", "transforms" or "sfm"
    points: Float64[ndarray, "point 3"]  # sparse points in the same frame; may be empty
    warnings: tuple[str, ...] = ()  # one sentence each: photos left out, and why


@dataclass(frozen=True)
class Views:
    """Images of one size with their cameras, ready for the model or as targets."""

    images: Float[Tensor, "view 3 height width"]  # colours in [0, 1]
    cameras: Cameras

    def __len__(self) -> int:
        return self.images.shape[0]

    def __getitem__(self, index: slice | Sequence[int] | Tensor) -> "Views":
        if not isinstance(index, slice):
            index = torch.as_tensor(index, device=self.images.device)
        return Views(self.images[index], self.cameras[index])

    def to(self, device: torch.device | str) -> "Views":
        return replace(self, images=self.images.to(device), cameras=self.cameras.to(device))
