"""Pixels of a photo of any kind that `photo_header` opens: upright, in sRGB.

Photos are looked at to choose among them, judged by their sharpness, shown to the model and drawn into reports: mostly
at the same reduction, since decoders reduce by 2, 4 or 8 only. Small pictures are therefore kept in memory: copying one
takes far less time than decoding it again.
"""

import io
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from threading import Lock

import numpy as np
import torch
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image, ImageCms

from ilrm_cli.capture.photos.code_points import in_srgb, stated_code_points
from ilrm_cli.capture.photos.header import (
    JPEG_FORMATS,
    UPRIGHT_BY,
    PhotoHeader,
    UnreadablePhoto,
    broken_named,
    header_of,
    opened,
    photo_header,
    raw_header,
    raw_photo,
)
from ilrm_cli.capture.photos.listing import RAW_SUFFIXES
from ilrm_cli.runtime.cache import state_of
from ilrm_cli.runtime.memory import DECODED, PLANNED_FROM_BYTES, free_bytes
from ilrm_cli.runtime.pictures import DECODER_ERRORS, decode

JPEG_REDUCTIONS = (8, 4, 2)  # the sizes that a JPEG decoder can produce directly, as divisors

PEAK_BYTES_A_PIXEL = 13  # memory to read a photo with transparency; measured at 64 megapixels
CODE_POINT_FORMATS = ("AVIF", "HEIF", "PNG")  # as Pillow names them
CODE_POINTS = "code_points"  # among the facts of an open picture
SAME_LEVELS = 3  # of 255, by which profiles of sRGB differ, as their curves are rounded
CPU = torch.device("cpu")

KEPT_BYTES = 128 << 20  # of all pictures together: 200 photos at the size at which they are looked at
LARGEST_BYTES = 2 << 20  # of one picture; larger ones, such as those for structure from motion, are read once anyway


class KeptPictures:
    """Pictures by what they were read from; once there is no room, new ones are not kept.

    Stages go through all photos in the same order: if the oldest made room for new ones, none would ever be found.
    """

    def __init__(self, most_bytes: int = KEPT_BYTES, largest_bytes: int = LARGEST_BYTES) -> None:
        self._most, self._largest = most_bytes, largest_bytes
        self._pictures: dict[Hashable, tuple[str, tuple[int, int], bytes]] = {}
        self._taken = 0
        self._lock = Lock()

    def find(self, key: Hashable) -> Image.Image | None:
        """Return a copy of the picture, or None."""
        kept = self._pictures.get(key)
        return None if kept is None else Image.frombytes(*kept)

    def keep(self, key: Hashable, picture: Image.Image) -> None:
        """Keep a copy, if there is room."""
        if picture.width * picture.height * len(picture.getbands()) > self._largest:
            return
        content = picture.tobytes()
        with self._lock:
            if key not in self._pictures and self._taken + len(content) <= self._most:
                self._pictures[key] = picture.mode, picture.size, content
                self._taken += len(content)

    def forget(self) -> None:
        """Drop all pictures: photos of another place are next."""
        with self._lock:
            self._pictures.clear()
            self._taken = 0


PICTURES = KeptPictures()  # of the place gathered last


def read_photo(path: Path, at_least: tuple[int, int] | None = None) -> UInt8[ndarray, "height width 3"]:
    """Read a photo upright (EXIF), in sRGB (embedded profile applied), composited on white, and fully decoded.

    `at_least` = (width, height) in px allows large photos to be read at a half, a quarter or an eighth of their size,
    while both sides stay at least that long; only exact divisors of the size are used, so that pixel geometry stays
    exact. Raises InputError naming the file if it is damaged or not a photo. Broken EXIF data and profiles are ignored.
    """
    return np.asarray(on_white(read_upright(path, at_least)))


def read_upright(path: Path, at_least: tuple[int, int] | None) -> Image.Image:
    """Read a photo as `read_photo` does, but as RGBA if pixels may be transparent.

    It is not decoded again where `PICTURES` has it.
    """
    header = photo_header(path)
    with broken_named(path):
        reductions = _reductions(header, at_least)
        key = (path, *state_of(path), *reductions)
        if (kept := PICTURES.find(key)) is not None:
            return kept
        with room_for(path, header.width * header.height // reductions[0] ** 2):
            image = _shrunk(_upright_srgb(_read_as_stored(path, at_least)), at_least)
    PICTURES.keep(key, image)
    return image


def _reductions(header: PhotoHeader, at_least: tuple[int, int] | None) -> tuple[int, int]:
    """Return by how much the decoder reduces a photo, and by how much it is reduced afterwards."""
    size = (header.width, header.height)
    first = min(_reduction(size, at_least), 1 << header.halvings)
    return first, _reduction((size[0] // first, size[1] // first), at_least)


def _read_as_stored(path: Path, at_least: tuple[int, int] | None) -> Image.Image:
    """Decode the photo, reduced as far as the decoder supports it."""
    if path.suffix.lower() in RAW_SUFFIXES and path.is_file():
        return raw_photo(path, half=_reduction(raw_header(path)[0], at_least) > 1)
    with opened(path) as image:
        reduction = _reduction(image.size, at_least)
        if image.format in JPEG_FORMATS and reduction > 1:
            image.draft(image.mode, (image.width // reduction, image.height // reduction))
        if image.format in CODE_POINT_FORMATS:
            image.info[CODE_POINTS] = stated_code_points(path)
        decode(image)
        return image


@contextmanager
def room_for(path: Path, pixels: int) -> Iterator[None]:
    """Wait until a picture of so many pixels may be decoded beside those of other threads.

    Raises UnreadablePhoto if it needs more memory than is free.
    """
    needed = pixels * PEAK_BYTES_A_PIXEL
    with DECODED.taken(needed):
        if needed > PLANNED_FROM_BYTES and needed > (free := free_bytes(CPU)):
            megapixels, gb = pixels / 1e6, (needed / 1e9, free / 1e9)
            clause = f"its {megapixels:.0f} megapixels take {gb[0]:.1f} GB of memory and {gb[1]:.1f} GB are free"
            raise UnreadablePhoto(path, clause, "make it smaller")
        yield


def _shrunk(image: Image.Image, at_least: tuple[int, int] | None) -> Image.Image:
    """Average down by the reduction that the decoder did not do."""
    reduction = _reduction(image.size, at_least)
    return image.reduce(reduction) if reduction > 1 else image


def _reduction(size: tuple[int, int], at_least: tuple[int, int] | None) -> int:
    if at_least is None:
        return 1
    for divisor in JPEG_REDUCTIONS:
        exact = size[0] % divisor == 0 and size[1] % divisor == 0
        # the sides' order is unknown before the photo is upright, so both must fit both
        if exact and min(size) // divisor >= min(at_least) and max(size) // divisor >= max(at_least):
            return divisor
    return 1


def _upright_srgb(image: Image.Image) -> Image.Image:
    """Convert to RGBA if the photo has transparency, else to RGB."""
    profile, points = image.info.get("icc_profile"), image.info.get(CODE_POINTS)
    if image.format == "PNG" and points is not None:
        profile = None  # as its specification has it; in HEIF and AVIF the profile goes first
    turn = UPRIGHT_BY.get(header_of(image).orientation)  # not by exif_transpose, which fails on odd EXIF data
    image = image if turn is None else image.transpose(turn)
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode == "P" or (image.mode != "RGBA" and image.has_transparency_data):
        image = image.convert("RGBA")
    if profile:
        image = _converted_to_srgb(image, profile)
    elif points is not None and points.to_convert:
        image = in_srgb(image, points)
    return image if image.mode == "RGBA" else image.convert("RGB")


def on_white(image: Image.Image) -> Image.Image:
    """Composite on white, as RGB."""
    if image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def _converted_to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    mode = "RGBA" if image.mode == "RGBA" else "RGB"
    try:
        if mode == image.mode and _is_srgb(profile):
            return image
        converted = _by_profile(image, profile, mode)
    except (
        ImageCms.PyCMSError,
        *DECODER_ERRORS,
    ):  # the profile is broken or made for other channels: keep colours as stored
        return image
    return converted


@lru_cache
def _is_srgb(profile: bytes) -> bool:
    """Return whether the profile changes no colour by more than rounding does, whatever it is called."""
    levels = np.linspace(0, 255, 18).astype(np.uint8)
    colours = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(18, -1, 3)
    converted = np.asarray(_by_profile(Image.fromarray(colours), profile, "RGB"))
    return bool(np.abs(converted.astype(int) - colours).max() <= SAME_LEVELS)


def _by_profile(image: Image.Image, profile: bytes, mode: str) -> Image.Image:
    source, srgb = ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(image, source, srgb, outputMode=mode)
    assert converted is not None
    return converted
