"""Photos of objects with nothing around them: by their transparency, by a mask, or by a network that finds objects."""

from importlib import import_module
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image

from ilrm_cli.capture.photos.header import photo_header
from ilrm_cli.capture.photos.masks import OPAQUE, read_mask, resized_mask
from ilrm_cli.capture.photos.pixels import read_upright
from ilrm_cli.runtime.errors import InputError

REMBG = "rembg"  # the extra `cutout`; it fetches its own weights when it is first used


def read_cut_out(path: Path, mask: Path | None) -> UInt8[ndarray, "height width 4"]:
    """Read a photo upright, in sRGB, with alpha 0 around the object.

    Its transparency tells what is around it, and the mask, black there. Where neither is, rembg finds the object.
    Raises InputError if that is not installed, or the photo cannot be read.
    """
    image = read_upright(path, None)
    pixels = np.array(image.convert("RGBA"))
    if mask is not None:
        counts = resized_mask(read_mask(mask, photo_header(path), image), image.size)
        pixels[..., 3] = np.where(counts, pixels[..., 3], 0)
    if (pixels[..., 3] >= OPAQUE).all():
        return np.array(_found(path, image.convert("RGB")).convert("RGBA"))
    return pixels


def _found(path: Path, photo: Image.Image) -> Image.Image:
    try:
        rembg = import_module(REMBG)
    except ImportError:
        raise InputError(
            f"{path} shows more than an object; save it with transparency around the object, put a mask into masks/, "
            "or let it be found: pip install 'ilrm[cutout]'."
        ) from None
    return rembg.remove(photo)
