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
from ilrm_cli.runtime.errors import InputError, first_line
from ilrm_cli.runtime.progress import Report, Step, ignore

REMBG = "rembg"  # the extra `cutout`; it fetches its own weights when it is first used
FINDING = f"the object, by {REMBG}, which downloads its network if it is not here yet"  # the stage
BY_HAND = "save it with transparency around the object or put a mask into masks/"


def read_cut_out(path: Path, mask: Path | None, report: Report = ignore) -> UInt8[ndarray, "height width 4"]:
    """Read a photo upright, in sRGB, with alpha 0 around the object.

    Its transparency tells what is around it, and the mask, black there. Where neither is, rembg finds the object.
    Raises InputError if that is not installed or fails, or the photo cannot be read.
    """
    image = read_upright(path, None)
    pixels = np.array(image.convert("RGBA"))
    if mask is not None:
        counts = resized_mask(read_mask(mask, photo_header(path), image), image.size)
        pixels[..., 3] = np.where(counts, pixels[..., 3], 0)
    if (pixels[..., 3] >= OPAQUE).all():
        return np.array(_found(path, image.convert("RGB"), report).convert("RGBA"))
    return pixels


def _found(path: Path, photo: Image.Image, report: Report) -> Image.Image:
    report(Step(FINDING, 0, 1))
    try:
        rembg = import_module(REMBG)
    except ImportError:
        raise InputError(
            f"{path} shows more than an object; {BY_HAND}, or let it be found: pip install 'ilrm[cutout]'."
        ) from None
    except (Exception, SystemExit) as error:  # it ends the process where a library of its own is missing
        raise InputError(f"{REMBG} cannot be used ({first_line(error)}); {BY_HAND}.") from error
    try:
        found = rembg.remove(photo)
    except (Exception, SystemExit) as error:  # no network, no disk, no memory, another version
        raise InputError(f"{path}: {REMBG} found no object in it ({first_line(error)}); {BY_HAND}.") from error
    report(Step(FINDING, 1, 1))
    return found
