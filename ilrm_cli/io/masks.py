"""Masks: the valid pixels of a photo, given by a picture beside it or by its own transparency."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt8
from numpy import ndarray
from PIL import Image

from ilrm_cli.io.photo_files import MASK_FOLDERS, PHOTO_FOLDERS, find_pictures, natural_order
from ilrm_cli.io.photo_header import UPRIGHT_BY, PhotoHeader, opened, photo_header
from ilrm_cli.io.photos import on_white, read_upright
from ilrm_cli.io.unreadable import UnreadablePhoto

OPAQUE = 250  # alpha from which a pixel is valid; below, its colour is mixed with the background it was cut from
TRANSPARENT = 5  # alpha up to which a pixel shows empty space; between the two are the edges
SAME_SHAPE = 0.02  # relative difference of aspect ratios that rounding of reduced masks explains
NOISE_OF_JPEG = 127  # grey level up to which a mask saved as JPEG counts as black


@dataclass(frozen=True)
class MaskedPhoto:
    """A photo with its valid and its empty pixels."""

    colors: UInt8[ndarray, "height width 3"]  # upright, sRGB; white where a pixel is invalid
    counts: Bool[ndarray, "height width"] | None = None  # opaque and not masked: shows the scene; None: all are
    empty: Bool[ndarray, "height width"] | None = None  # transparent: shows empty space; None: none is


def find_mask(root: Path, name: str) -> Path | None:
    """Return the mask of the photo `name` below `root`, or None.

    Searched in a folder `masks` or `mask` in `root` and, by the file's name alone, in the folder of the photo; and if
    one of these two is named `images` or `input`, or like reduced copies `images_4`, also beside it. The mask is named
    as COLMAP expects, `name.jpg.png`, or `name.png`, or exactly as the photo.
    """
    return next(
        (file for folder, inside in _places(root, name) for file in _named(folder, inside) if file.is_file()), None
    )


def masks_without_photo(root: Path, names: Iterable[str]) -> list[Path]:
    """Return the pictures in these photos' mask folders that are not the mask of any of the photos."""
    places = {place for name in names for place in _places(root, name)}
    known = {file for folder, inside in places for file in _named(folder, inside)}
    there = {file for folder in {folder for folder, _ in places} for file in find_pictures(folder)}
    return sorted(there - known, key=natural_order)


def _places(root: Path, name: str) -> list[tuple[Path, Path]]:
    """Return (existing folder of masks, path of the photo relative to it), in order of precedence."""
    photo, home = Path(name), (root / name).parent
    places = [(place, photo) for place in _with_sibling(root)]
    places += [(place, Path(photo.name)) for place in _with_sibling(home) if home != root]
    return [
        (place / folder, inside) for place, inside in places for folder in MASK_FOLDERS if (place / folder).is_dir()
    ]


def _named(folder: Path, photo: Path) -> tuple[Path, ...]:
    """Return the possible paths of a photo's mask in a folder."""
    return tuple(folder / name for name in (photo.with_name(f"{photo.name}.png"), photo.with_suffix(".png"), photo))


def _with_sibling(folder: Path) -> list[Path]:
    """Return the folder, and its parent if the folder holds the photos of a project."""
    holds_photos = folder.name in PHOTO_FOLDERS or folder.name.startswith("images_")
    return [folder, folder.parent] if holds_photos else [folder]


def read_masked_photo(path: Path, mask: Path | None, at_least: tuple[int, int] | None = None) -> MaskedPhoto:
    """Read a photo as `read_photo` does, with its valid pixels: opaque, and not black in the mask.

    The mask is a picture of the photo as stored or upright.
    """
    image = read_upright(path, at_least)
    colors = np.asarray(on_white(image))
    counts = pixels_that_count(image, None if mask is None else read_mask(mask, photo_header(path)))
    if counts is None or counts.all():
        return MaskedPhoto(colors)
    empty = np.asarray(image.getchannel("A")) <= TRANSPARENT if image.mode == "RGBA" else None
    shows_emptiness = empty is not None and empty.any()
    return MaskedPhoto(np.where(counts[..., None], colors, np.uint8(255)), counts, empty if shows_emptiness else None)


def pixels_that_count(
    image: Image.Image, unmasked: Bool[ndarray, "h w"] | None
) -> Bool[ndarray, "height width"] | None:
    """Return the pixels that are opaque and not masked, by a mask of any size; None if all are."""
    opaque = np.asarray(image.getchannel("A")) >= OPAQUE if image.mode == "RGBA" else None
    if unmasked is None:
        return opaque
    counts = resized_mask(unmasked, image.size)
    return counts if opaque is None else counts & opaque


def read_mask(mask: Path, header: PhotoHeader) -> Bool[ndarray, "height width"]:
    """Read the mask of the photo with this header, upright like the photo, in its own size: True where valid.

    Raises UnreadablePhoto if it is not a picture, is all black, or has neither the photo's stored nor its upright
    shape.
    """
    with opened(mask) as image:
        image.load()
        black = NOISE_OF_JPEG if image.format == "JPEG" else 0
        counts = np.asarray(image.convert("RGB")).max(axis=2) > black
    if not counts.any():
        raise UnreadablePhoto(mask, "it is black, which masks all of the photo")
    aspect = counts.shape[1] / counts.shape[0]
    if _close(aspect, header.width / header.height):
        by = UPRIGHT_BY.get(header.orientation)
        return counts if by is None else np.asarray(Image.fromarray(counts).transpose(by))
    width, height = header.upright_size
    if _close(aspect, width / height):
        return counts
    raise UnreadablePhoto(mask, "it has another shape than its photo")


def resized_mask(counts: Bool[ndarray, "h w"], size: tuple[int, int]) -> Bool[ndarray, "height width"]:
    """Resize a mask to (width, height): a pixel is valid if no part of it is masked."""
    if counts.shape == (size[1], size[0]):
        return counts
    grey = Image.fromarray(counts.astype(np.uint8) * 255)
    return np.asarray(grey.resize(size, Image.Resampling.BOX)) == 255


def _close(aspect: float, other: float) -> bool:
    return abs(aspect / other - 1) < SAME_SHAPE
