"""Masks: the valid pixels of a photo, given by a picture beside it or by its own transparency."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt8
from numpy import ndarray
from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from ilrm_cli.capture.photos.header import UPRIGHT_BY, PhotoHeader, UnreadablePhoto, header_of, opened, photo_header
from ilrm_cli.capture.photos.pixels import on_white, read_upright, room_for
from ilrm_cli.runtime.pictures import decode

OPAQUE = 250  # alpha from which a pixel is valid; below, its colour is mixed with the background it was cut from
TRANSPARENT = 5  # alpha up to which a pixel shows empty space; between the two are the edges
SAME_SHAPE = 0.02  # relative difference of aspect ratios that rounding of reduced masks explains
NOISE_OF_JPEG = 127  # grey level up to which a mask saved as JPEG counts as black
EDGES_PX = 256  # longer side at which outlines of masks are compared with the edges of the photo


@dataclass(frozen=True)
class MaskedPhoto:
    """A photo with its valid and its empty pixels."""

    colors: UInt8[ndarray, "height width 3"]  # upright, sRGB; white where a pixel is invalid
    counts: Bool[ndarray, "height width"] | None = None  # opaque and not masked: shows the scene; None: all are
    empty: Bool[ndarray, "height width"] | None = None  # transparent: shows empty space; None: none is


def read_masked_photo(path: Path, mask: Path | None, at_least: tuple[int, int] | None = None) -> MaskedPhoto:
    """Read a photo as `read_photo` does, with its valid pixels: opaque, and not black or transparent in the mask.

    The mask is a picture of the photo as stored or upright.
    """
    image = read_upright(path, at_least)
    colors = np.asarray(on_white(image))
    counts = pixels_that_count(image, None if mask is None else read_mask(mask, photo_header(path), image))
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


def read_mask(mask: Path, header: PhotoHeader, upright: Image.Image) -> Bool[ndarray, "height width"]:
    """Read the mask of the photo with this header, upright like the photo, in its own size: True where valid,
    which is neither black nor transparent.

    `upright` is the photo, at any size: where the shape leaves open whether the mask is of the photo as stored or of
    the upright one, the edges decide. Raises UnreadablePhoto if it is not a picture, is all black, or has neither
    shape.
    """
    with opened(mask) as image, room_for(mask, image.width * image.height):
        said = header_of(image).orientation
        decode(image)
        left = 1 if isinstance(image, TiffImageFile) else said  # loading has turned a TIFF
        black = NOISE_OF_JPEG if image.format == "JPEG" else 0
        counts = np.asarray(image.convert("RGB")).max(axis=2) > black
        if image.has_transparency_data:
            counts &= np.asarray(image.convert("RGBA").getchannel("A")) > 0
    if not counts.any():
        raise UnreadablePhoto(mask, "it is black or transparent, which masks all of the photo")
    if said in UPRIGHT_BY:  # a mask that says itself how it is turned
        counts = _turned(counts, left)
        header = replace(header, width=header.upright_size[0], height=header.upright_size[1], orientation=1)
    width, height = header.upright_size
    aspect = counts.shape[1] / counts.shape[0]
    fitting = [_turned(counts, header.orientation)] if _close(aspect, header.width / header.height) else []
    if _close(aspect, width / height) and header.orientation in UPRIGHT_BY:
        fitting.append(counts)
    if not fitting:
        raise UnreadablePhoto(mask, "it has another shape than its photo")
    return fitting[0] if len(fitting) == 1 else _along_edges(fitting[0], fitting[1], upright)


def _turned(counts: Bool[ndarray, "h w"], orientation: int) -> Bool[ndarray, "height width"]:
    """Turn a mask upright by an EXIF orientation."""
    by = UPRIGHT_BY.get(orientation)
    return counts if by is None else np.asarray(Image.fromarray(counts).transpose(by))


def _along_edges(
    stored: Bool[ndarray, "h w"], upright: Bool[ndarray, "h w"], photo: Image.Image
) -> Bool[ndarray, "height width"]:
    """Return the mask whose outline follows the edges of the photo; as of the stored photo in doubt."""
    factor = min(0.5, EDGES_PX / max(photo.size))  # colours are stored at half of the size
    size = (max(2, round(photo.width * factor)), max(2, round(photo.height * factor)))
    small = np.asarray(photo.convert("RGB").resize(size, Image.Resampling.BOX)).astype(np.float32)
    down, across = np.abs(np.diff(small, axis=0)).sum(2), np.abs(np.diff(small, axis=1)).sum(2)

    def contrast(counts: Bool[ndarray, "h w"]) -> float:
        mask = np.asarray(Image.fromarray(counts).resize(size))
        outline = (mask[1:] != mask[:-1], mask[:, 1:] != mask[:, :-1])
        crossed = np.concatenate([down[outline[0]], across[outline[1]]])
        return float(crossed.mean()) if crossed.size else 0.0

    return upright if contrast(upright) > contrast(stored) else stored


def resized_mask(counts: Bool[ndarray, "h w"], size: tuple[int, int]) -> Bool[ndarray, "height width"]:
    """Resize a mask to (width, height): a pixel is valid if no part of it is masked."""
    if counts.shape == (size[1], size[0]):
        return counts
    grey = Image.fromarray(counts.astype(np.uint8) * 255)
    return np.asarray(grey.resize(size, Image.Resampling.BOX)) == 255


def _close(aspect: float, other: float) -> bool:
    return abs(aspect / other - 1) < SAME_SHAPE
