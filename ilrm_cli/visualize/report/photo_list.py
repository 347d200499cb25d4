"""List of all photos offered, with their roles, reasons and thumbnails."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image

from ilrm_cli.capture.filter_photos import LOOK_PX
from ilrm_cli.capture.photos.listing import natural_order
from ilrm_cli.capture.photos.pixels import read_photo
from ilrm_cli.pipeline.reconstruct import Reconstruction
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.progress import Report as Progress
from ilrm_cli.runtime.progress import ignore
from ilrm_cli.runtime.threads import in_threads

THUMBNAIL_PX = 240  # long side: sharp at column width on screens of double density
MAX_THUMBNAILS = 240  # thumbnails of all photos in total; at about 10 kB each, more would make the file heavy

Role = Literal["input", "fitted", "held_out", "left_out"]


@dataclass(frozen=True)
class PhotoEntry:
    """One photo of the list."""

    name: str  # path relative to the photo folder
    role: Role  # given to the model; what the scene is fitted to, too; held out for scoring; unused
    reason: str  # why it is not an input, as a clause; empty for inputs
    number: int | None  # of an input, as in drawings; None: not an input
    thumbnail: UInt8[ndarray, "height width 3"] | None = None  # upright; None if unreadable


def photo_list(result: Reconstruction, progress: Progress = ignore) -> tuple[PhotoEntry, ...]:
    """List inputs, then fitted, held-out and left-out photos, each kind in natural order of names."""
    entries = _entries(result)
    files = photo_files(result)
    shown = [entry for entry in entries if entry.name in files][:MAX_THUMBNAILS]
    pictures = in_threads(lambda entry: _thumbnail(files[entry.name]), shown, "thumbnails", progress)
    by_name = {entry.name: picture for entry, picture in zip(shown, pictures, strict=True)}
    return tuple(replace(entry, thumbnail=by_name.get(entry.name)) for entry in entries)


def _entries(result: Reconstruction) -> list[PhotoEntry]:
    used = sorted((photo.name for photo in result.selection.used), key=_natural)
    roles: dict[str, Role] = dict.fromkeys((photo.name for photo in result.selection.only_fitted), "fitted")
    roles |= dict.fromkeys((photo.name for photo in result.selection.scored), "held_out")
    inputs = [PhotoEntry(name, "input", "", number) for number, name in enumerate(used, 1)]
    others = [
        PhotoEntry(photo.name, roles.get(photo.name, "left_out"), photo.reason, None)
        for photo in sorted(result.selection.reasons, key=lambda photo: _natural(photo.name))
    ]
    return [*inputs, *sorted(others, key=lambda entry: entry.role)]  # the roles are in alphabetical order


def photo_files(result: Reconstruction) -> Mapping[str, Path]:
    """Map names to files: of posed photos, and of others found below the same folder."""
    files = {photo.name: photo.path for photo in result.capture.photos}
    if (root := result.capture.root) is not None:
        beside = {photo.name: root / photo.name for photo in result.selection.left_out if photo.name not in files}
        files |= {name: path for name, path in beside.items() if os.path.isfile(path)}
    return files


def _thumbnail(path: Path) -> UInt8[ndarray, "height width 3"] | None:
    try:
        image = Image.fromarray(read_photo(path, at_least=LOOK_PX))
    except InputError:  # damaged: that is why it was left out
        return None
    image.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.LANCZOS)
    return np.asarray(image)


def _natural(name: str) -> tuple[tuple[int, int, str], ...]:
    return natural_order(Path(name))
