"""The common interface of data sets: sequences of frames with cameras, whose pixels are decoded on demand."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float64, UInt8
from numpy import ndarray
from PIL import Image

from ilrm_cli.capture.load_views import load_views
from ilrm_cli.capture.poses.lenses import pinhole
from ilrm_cli.geometry.cameras import Lens
from ilrm_cli.geometry.views import Capture, Views


@runtime_checkable
class FrameSequence(Protocol):
    """One capture of one place, its frames in order. Implementations are frozen and can be sent to other processes."""

    @property
    def name(self) -> str:
        """Name, unique within the data set."""
        ...

    @property
    def frame_names(self) -> tuple[str, ...]:
        """Unique names, one per frame."""
        ...

    @property
    def lenses(self) -> tuple[Lens, ...]:
        """Native lens of each frame, before any resizing."""
        ...

    @property
    def world_from_cam(self) -> Float64[ndarray, "frame 4 4"]:
        """Rigid poses, OpenCV axes, in the frame of the data set."""
        ...

    @property
    def points(self) -> Float64[ndarray, "point 3"]:
        """Sparse surface points in the same frame; empty if the data set has none."""
        ...

    def __len__(self) -> int: ...

    def views(self, indices: Sequence[int], width: int, height: int) -> Views:
        """Decode these frames, resize them (Lanczos) to cover the size (px), and crop to it about the centre.

        Images are float32; cameras are pinholes that follow exactly, in float64, in the frame of the data set.
        """
        ...


@dataclass(frozen=True)
class PhotoSequence:
    """The photos of a `Capture`: a folder with a COLMAP model, a transforms.json or poses estimated here."""

    name: str
    capture: Capture

    @property
    def frame_names(self) -> tuple[str, ...]:
        return tuple(photo.name for photo in self.capture.photos)

    @property
    def lenses(self) -> tuple[Lens, ...]:
        return tuple(photo.lens for photo in self.capture.photos)

    @property
    def world_from_cam(self) -> Float64[ndarray, "frame 4 4"]:
        return self.capture.world_from_cam

    @property
    def points(self) -> Float64[ndarray, "point 3"]:
        return self.capture.points

    def __len__(self) -> int:
        return len(self.capture.photos)

    def views(self, indices: Sequence[int], width: int, height: int) -> Views:
        """Return the frames as in `FrameSequence`: undistorted, and rotated by 90 degrees if that makes them fit."""
        return load_views([self.capture.photos[i] for i in indices], width, height)


def resized_and_cropped(
    image: UInt8[ndarray, "h w 3"], lens: Lens, width: int, height: int
) -> tuple[UInt8[ndarray, "height width 3"], Lens]:
    """Resample as the published protocols do; return the image with its exact "PINHOLE" lens.

    Lanczos to the rounded size that covers (width, height), then a crop of whole pixels about the centre. `pixelSplat`
    keeps the principal point at the same share of the cropped image; that is off by up to half a pixel and not repeated
    here.
    """
    assert lens.model == "PINHOLE", lens.model
    assert (lens.width, lens.height) == (image.shape[1], image.shape[0]), "the lens belongs to another size"
    scale = max(width / lens.width, height / lens.height)
    covering = (max(width, round(lens.width * scale)), max(height, round(lens.height * scale)))
    resized = np.asarray(Image.fromarray(image).resize(covering, Image.Resampling.LANCZOS))
    left, top = (covering[0] - width) // 2, (covering[1] - height) // 2
    across, down = covering[0] / lens.width, covering[1] / lens.height
    focal_x, focal_y, center_x, center_y = lens.params
    cut = pinhole((focal_x * across, focal_y * down), (center_x * across - left, center_y * down - top), width, height)
    return resized[top : top + height, left : left + width], cut
