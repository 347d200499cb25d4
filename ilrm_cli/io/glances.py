"""Quick checks of photos: usability, sharpness and appearance."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32
from numpy import ndarray
from PIL import Image

from ilrm_cli.appearance import sharpness_of, signature_of
from ilrm_cli.io.masks import pixels_that_count, read_mask
from ilrm_cli.io.photo_header import photo_header
from ilrm_cli.io.photos import on_white, read_upright
from ilrm_cli.io.unreadable import UnreadablePhoto
from ilrm_cli.runtime.progress import Report, ignore
from ilrm_cli.runtime.threads import in_threads

LOOK_PX = (480, 320)  # (longer, shorter side) at which photos are examined: fast, and blur is still visible


@dataclass(frozen=True)
class Look:
    """Appearance and sharpness of a photo at low resolution."""

    signature: Float32[ndarray, " cell"]
    sharpness: float


def glance_at(
    paths: Mapping[str, Path], masks: Mapping[str, Path], report: Report = ignore
) -> tuple[dict[str, Look], dict[str, str]]:
    """Check every photo and its mask by decoding them completely; return name -> look, and name -> reason if unusable.

    Photos are decoded one per thread and then released.
    """

    def glance(name: str) -> Look | str:
        image = _usable(paths[name], masks.get(name))
        if isinstance(image, str):
            return image
        image = on_white(image).convert("L")
        image.thumbnail((max(LOOK_PX), max(LOOK_PX)), Image.Resampling.BOX)
        grey = np.asarray(image)
        return Look(signature_of(grey), sharpness_of(grey))

    seen = dict(zip(paths, in_threads(glance, list(paths), "photos", report), strict=True))
    looks = {name: look for name, look in seen.items() if isinstance(look, Look)}
    return looks, {name: reason for name, reason in seen.items() if isinstance(reason, str)}


def find_unusable(paths: Mapping[str, Path], masks: Mapping[str, Path], report: Report = ignore) -> dict[str, str]:
    """Return the reason why each unusable photo cannot be used."""

    def reason_of(name: str) -> str | None:
        image = _usable(paths[name], masks.get(name))
        return image if isinstance(image, str) else None

    reasons = zip(paths, in_threads(reason_of, list(paths), "photos", report), strict=True)
    return {name: reason for name, reason in reasons if reason is not None}


def _usable(path: Path, mask: Path | None) -> Image.Image | str:
    """Return the upright photo, reduced as far as decoders do it, or a clause saying why it or its mask is unusable."""
    try:
        image = read_upright(path, LOOK_PX)
    except UnreadablePhoto as error:
        return error.reason
    try:
        unmasked = None if mask is None else read_mask(mask, photo_header(path))
    except UnreadablePhoto as error:
        return f"its mask cannot be used: {error.reason}"
    counts = pixels_that_count(image, unmasked)
    return "all of it is transparent or masked" if counts is not None and not counts.any() else image
