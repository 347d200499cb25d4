"""Posed photos become `Views`: read, undistorted, turned and cut to one size, with cameras and masks that follow.

Sparse points of structure from motion become depths at the pixels where they were found.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int64, UInt8
from numpy import ndarray
from PIL import Image
from torch import Tensor

from ilrm_cli.capture.photos.masks import MaskedPhoto, read_masked_photo, resized_mask
from ilrm_cli.capture.poses.lenses import PINHOLES, turned_lens, turned_pose
from ilrm_cli.capture.poses.undistort import (
    ALL_COUNTS,
    common_size_of,
    fit_image,
    grey_mask,
    quarter_turns_to_fit,
    undistort,
)
from ilrm_cli.geometry.cameras import Cameras, Lens
from ilrm_cli.geometry.views import PosedPhoto, Views, stacked_poses
from ilrm_cli.runtime.progress import Report, ignore
from ilrm_cli.runtime.threads import in_threads

BYTES_PER_PIXEL = 5  # of a photo that is held: its colours, and the masks that it may have
OVERSAMPLING = 2  # photos are reduced to this multiple of the target size before undistortion


def load_views(photos: Sequence[PosedPhoto], width: int, height: int) -> Views:
    """Load photos as float32 images in [0, 1] of one size (px), with pinhole cameras in the capture's frame, float64.

    Each photo is read upright, undistorted, rotated by 90 degrees together with its camera if it is portrait and the
    size landscape or vice versa, scaled evenly to cover the size, and cropped about its centre; its mask and
    transparency are transformed likewise. Masked and transparent pixels are white. `masks` and `empty` are None if no
    photo has any.
    """
    reader = _Reader.of(photos, width, height)
    loaded, lenses = zip(*in_threads(reader.read, range(len(photos))), strict=True)
    cameras = reader.cameras(lenses)
    sparse_depth = sparse_depth_of([photo.points for photo in photos], cameras)
    return replace(_views(loaded, cameras, reader.turns), sparse_depth=sparse_depth)


@dataclass(frozen=True)
class StoredPhotos:
    """Photos that become views only when they are asked for, without sparse depth; otherwise as `load_views` does.

    They are held as bytes, a quarter of what views take. Where even these are too many, some are read again each time.
    """

    cameras: Cameras
    quarter_turns: Int64[Tensor, " view"]
    reader: "_Reader"
    held: tuple[MaskedPhoto, ...]  # the first photos

    def __len__(self) -> int:
        return len(self.reader.photos)

    def __getitem__(self, index: Sequence[int]) -> Views:
        photos = [self.held[i] if i < len(self.held) else self.reader.read(i)[0] for i in index]
        return _views(photos, self.cameras[index], self.quarter_turns[index].tolist()).to(
            self.cameras.world_from_cam.device
        )

    def seen_by(self, cameras: Cameras) -> "StoredPhotos":
        """Return the same photos with cameras in another frame, on whose device views of them will be."""
        return replace(self, cameras=cameras)


def store_photos(
    photos: Sequence[PosedPhoto],
    width: int,
    height: int,
    most_bytes: int,
    stage: str = "photos",
    report: Report = ignore,
) -> StoredPhotos:
    """Read photos to become views of this size (px), with cameras as in `load_views`; hold at most so many bytes."""
    reader = _Reader.of(photos, width, height)
    count = most_bytes // (BYTES_PER_PIXEL * width * height)

    def read(index: int) -> tuple[MaskedPhoto | None, Lens]:
        photo, lens = reader.read(index)
        return photo if index < count else None, lens

    read_once, lenses = zip(*in_threads(read, range(len(photos)), stage, report), strict=True)
    held = tuple(photo for photo in read_once if photo is not None)
    return StoredPhotos(reader.cameras(lenses), torch.tensor(reader.turns), reader, held)


@dataclass(frozen=True)
class _Reader:
    """Photos on their way to one size."""

    photos: Sequence[PosedPhoto]
    width: int
    height: int
    turns: Sequence[int]  # quarter turns, counterclockwise

    @staticmethod
    def of(photos: Sequence[PosedPhoto], width: int, height: int) -> "_Reader":
        turns = quarter_turns_to_fit([photo.lens for photo in photos], stacked_poses(photos), width, height)
        return _Reader(photos, width, height, turns)

    def read(self, index: int) -> tuple[MaskedPhoto, Lens]:
        """Return a photo of the size, and its lens."""
        width, height, turns, lens = self.width, self.height, self.turns[index], self.photos[index].lens
        photo = _read_reduced(self.photos[index], width, height)
        colors, fitted = _fitted(photo.colors, lens, turns, width, height)

        def along(mask: Bool[ndarray, "h w"]) -> Bool[ndarray, "height width"]:
            shown, _ = _fitted(grey_mask(mask), lens, turns, width, height)
            return shown.min(axis=2) >= ALL_COUNTS

        if photo.counts is None:
            return MaskedPhoto(colors), fitted
        counts = along(photo.counts)
        empty = None if photo.empty is None else along(photo.empty)
        return MaskedPhoto(np.where(counts[..., None], colors, np.uint8(255)), counts, empty), fitted

    def cameras(self, lenses: Sequence[Lens]) -> Cameras:
        """Return the cameras of all photos, whose lenses `read` told."""
        turned = [
            turned_pose(photo.world_from_cam, turns) for photo, turns in zip(self.photos, self.turns, strict=True)
        ]
        params = torch.tensor([lens.params for lens in lenses], dtype=torch.float64)  # [V, 4] fx, fy, cx, cy
        return Cameras(torch.from_numpy(np.stack(turned)), params[:, :2], params[:, 2:], self.width, self.height)


def _views(photos: Sequence[MaskedPhoto], cameras: Cameras, turns: Sequence[int]) -> Views:
    shape = cameras.height, cameras.width
    return Views(
        torch.from_numpy(np.stack([photo.colors for photo in photos])).permute(0, 3, 1, 2).float().div(255),
        cameras,
        None,
        _stacked([_in_errors(photo) for photo in photos], np.ones(shape, dtype=bool)),
        _stacked([photo.empty for photo in photos], np.zeros(shape, dtype=bool)),
        torch.tensor(turns),
    )


def common_size(photos: Sequence[PosedPhoto], *, long_side: int, multiple: int = 1) -> tuple[int, int]:
    """Return (width, height) in px for `load_views`: most frequent aspect ratio, longer side `long_side`, rounded."""
    return common_size_of([(photo.lens.width, photo.lens.height) for photo in photos], long_side, multiple)


def _read_reduced(photo: PosedPhoto, width: int, height: int) -> MaskedPhoto:
    """Read the photo, no larger than undistortion needs."""
    full = read_masked_photo(photo.path, photo.mask, at_least=(OVERSAMPLING * width, OVERSAMPLING * height))
    factor = OVERSAMPLING * max(width, height) / min(full.colors.shape[:2])  # covers it in either orientation
    if photo.lens.model in PINHOLES or factor >= 1:
        return full
    size = (round(full.colors.shape[1] * factor), round(full.colors.shape[0] * factor))
    colors = np.asarray(Image.fromarray(full.colors).resize(size, Image.Resampling.LANCZOS, reducing_gap=3))
    return MaskedPhoto(
        colors,
        None if full.counts is None else resized_mask(full.counts, size),
        None if full.empty is None else resized_mask(full.empty, size),
    )


def _fitted(
    image: UInt8[ndarray, "h w 3"], lens: Lens, turns: int, width: int, height: int
) -> tuple[UInt8[ndarray, "height width 3"], Lens]:
    flat, lens = undistort(image, lens)
    return fit_image(np.ascontiguousarray(np.rot90(flat, turns)), turned_lens(lens, turns), width, height)


def _in_errors(photo: MaskedPhoto) -> Bool[ndarray, "height width"] | None:
    """Return the pixels that count in errors, where a render must match the photo or be empty; no cut-out edges."""
    return photo.counts if photo.counts is None or photo.empty is None else photo.counts | photo.empty


def _stacked(masks: Sequence[ndarray | None], otherwise: Bool[ndarray, "height width"]) -> torch.Tensor | None:
    if all(mask is None for mask in masks):
        return None
    return torch.from_numpy(np.stack([otherwise if mask is None else mask for mask in masks])).float()


def sparse_depth_of(
    found: Sequence[Float64[ndarray, "_ 3"] | None], cameras: Cameras
) -> Float[Tensor, "view height width"] | None:
    """Return z-depth of each view's points at their pixels, 0 elsewhere; None if no view has any points.

    Points and cameras are in one frame, and depths in its unit.
    """
    if not any(points is not None and len(points) for points in found):
        return None
    sparse = torch.zeros(len(found), cameras.height, cameras.width)
    for view, points in enumerate(found):
        if points is not None and len(points):
            seen = cameras[[view]].to(torch.float64).project(torch.from_numpy(points))
            row, column = (cell[seen.inside] for cell in seen.cells())
            sparse[view, row, column] = seen.depth[seen.inside].float()
    return sparse


def visible_depths(
    points: Float64[Tensor, "point 3"], cameras: Cameras, masks: Float[Tensor, "view height width"] | None = None
) -> Float64[Tensor, " sample"]:
    """Return the z-depths of every point in every camera that sees it in its image on an unmasked pixel."""
    seen = cameras.to(points.dtype).project(points)
    if masks is None:
        return seen.depth[seen.inside]
    row, column = (cell[seen.inside] for cell in seen.cells())
    return seen.depth[seen.inside][masks[seen.inside.nonzero()[:, 0], row, column] > 0]
