"""Photos of 360 degree cameras and of fisheye lenses, recognised by their pictures or by the names of the lenses.

A 360 degree photo is twice as wide as high, its left edge continues its right one, and its uppermost or lowest row
shows one direction; or its XMP data say so. It is cut into perspective views, whose lens is known, and its mask with
it. A circular fisheye photo is black outside of a circle.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray
from PIL import Image
from scipy.ndimage import map_coordinates

from ilrm_cli.capture.photos.header import UnreadablePhoto, photo_header
from ilrm_cli.capture.photos.masks import pixels_that_count, read_mask, resized_mask
from ilrm_cli.capture.photos.pixels import on_white, read_photo, read_upright
from ilrm_cli.geometry.cameras import Lens
from ilrm_cli.runtime.cache import Content, Entry, cache_dir, entry, input_sha256
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.progress import Report, Step
from ilrm_cli.runtime.threads import in_threads

VERSION = 2  # raise it if the same photo would give different views than before
LOOK_PX = (256, 128)  # (longer, shorter side) at which photos are examined
HEAD_BYTES = 1 << 16  # in which XMP data lie
PANORAMA_MARK = b"equirectangular"
ASPECT_TOLERANCE = 0.01
SEAM = 3.0  # times the difference of neighbouring columns: a larger one between the edges is a seam
POLE = 0.35  # variation of the row at a pole, as a share of that of the middle one

VIEWS, FIELD_DEG = 6, 90.0  # perspective views around the horizon, each overlapping its neighbours by 30 degrees
LEAST_SIDE_PX, MOST_SIDE_PX = 320, 1600  # of a view
VIEW_QUALITY = 95  # of JPEG
MASK_NAME = "mask.png"

# Radius of a fisheye lens's circle as a share of the shorter side: such lenses are made to fill it. A smaller bright
# disc, within the lens of a usual camera, is a ball or plate before black cloth.
LEAST_CIRCLE, MOST_CIRCLE = 0.43, 0.6
DARK = 16  # of 255: levels outside of a fisheye lens's circle
LEAST_LIGHT = 2 * DARK  # mean level inside of it
FISHEYE_DEG = 180.0  # that such lenses are taken to see at first: across the circle, or across the diagonal of others
FISHEYE_NAME = re.compile(r"fish[ -]?eye", re.IGNORECASE)  # in the name of a lens that EXIF data state


def panoramas_among(paths: Mapping[str, Path]) -> set[str]:
    """Return the names of 360 degree photos."""
    told = in_threads(lambda name: _is_panorama(paths[name]), list(paths))
    return {name for name, yes in zip(paths, told, strict=True) if yes}


def fisheye_lenses(paths: Mapping[str, Path]) -> dict[str, Lens]:
    """Return a first guess of the lens of each photo, if most are circular pictures, or else of a lens called so."""
    radii = dict(zip(paths, in_threads(lambda name: _circle(paths[name]), list(paths)), strict=True))
    found = {name: radius for name, radius in radii.items() if radius is not None}
    circular = 2 * len(found) > len(paths)
    headers = {}
    for name, path in paths.items():
        with suppress(UnreadablePhoto):  # it is told of with the photos that are left out
            headers[name] = photo_header(path)
    if not circular and 2 * sum(bool(FISHEYE_NAME.search(one.lens)) for one in headers.values()) <= len(paths):
        return {}
    shares = Counter(round(radius, 2) for radius in found.values()) if circular else Counter()
    lenses = {}
    for name, header in headers.items():
        width, height = header.upright_size
        # Of the circle, whose radius is that share of the shorter side, or the one around the whole picture.
        radius = shares.most_common(1)[0][0] * min(width, height) if circular else math.hypot(width, height) / 2
        focal = radius / math.radians(FISHEYE_DEG / 2)
        lenses[name] = Lens("OPENCV_FISHEYE", (focal, focal, width / 2, height / 2, 0.0, 0.0, 0.0, 0.0), width, height)
    return lenses


def views_of_panorama(path: Path, mask: Path | None = None) -> dict[str, tuple[Path, Path | None]]:
    """Return perspective views of a 360 degree photo, JPEG files in the cache, by their names, each with its mask.

    Views have masks if the photo has one or is transparent. All stay there for the next run. Raises UnreadablePhoto,
    and InputError if the cache cannot be written.
    """
    kept = entry("views", [VERSION, input_sha256(path), None if mask is None else input_sha256(mask)], _views_in)
    found = kept.read()
    if found is None:
        with _filling(kept, f"The views of {path}") as new:
            _cut(path, mask, new)
        found = _views_in(kept.folder)
    return found


def cut_panoramas(
    paths: Mapping[str, Path], masks: Mapping[str, Path], report: Report
) -> tuple[dict[str, dict[str, tuple[Path, Path | None]]], dict[str, str]]:
    """Return the views of 360 degree photos by the names of these, and why others cannot be cut.

    Raises InputError if the cache cannot be written.
    """
    cut, unusable = {}, {}
    for done, (name, path) in enumerate(paths.items(), 1):
        try:
            cut[name] = views_of_panorama(path, masks.get(name))
        except UnreadablePhoto as error:
            unusable[name] = error.reason
            continue
        report(Step("panoramas", done, len(paths)))
    return cut, unusable


def told_of_cut(photos: int) -> tuple[str, ...]:
    """Return a sentence on as many photos that were cut; none of none."""
    said = f"{photos} photos are 360 degree panoramas and were cut into {photos * VIEWS} perspective views."
    return (said,) if photos else ()


def lens_of_view(path: Path) -> Lens:
    """Return the lens of a perspective view."""
    side = photo_header(path).width
    focal = side / 2 / math.tan(math.radians(FIELD_DEG / 2))
    return Lens("PINHOLE", (focal, focal, side / 2, side / 2), side, side)


def turn_of_view(view: str) -> Float[ndarray, "3 3"]:
    """Return the rotation from the axes of a view of this name to those of its panorama: x right, y down, z ahead."""
    yaw = 2 * math.pi * int(Path(view).stem) / VIEWS
    return np.array([[math.cos(yaw), 0, math.sin(yaw)], [0, 1, 0], [-math.sin(yaw), 0, math.cos(yaw)]])


def mask_of_circle(path: Path, share: float, mask: Path | None = None) -> Path:
    """Return a mask of a photo, a file in the cache, that keeps what a circle about its middle and its mask keep.

    `share` is the radius of the circle over the photo's shorter side. Raises UnreadablePhoto, and InputError if the
    cache cannot be written.
    """
    header = photo_header(path)
    width, height = header.upright_size
    also = [] if mask is None else [input_sha256(path), input_sha256(mask)]
    kept = entry("circles", [VERSION, share, width, height, *also], _mask_in)
    if (found := kept.read()) is not None:
        return found
    row, column = np.indices((height, width)) + 0.5
    counts = np.hypot(row - height / 2, column - width / 2) <= share * min(width, height)
    if mask is not None:
        counts &= resized_mask(read_mask(mask, header, read_upright(path, None)), (width, height))
    with _filling(kept, f"The mask of {path}") as new:
        Image.fromarray(counts).save(new / MASK_NAME)
    return _mask_in(kept.folder)


@contextmanager
def _filling(kept: Entry[Content], what: str) -> Iterator[Path]:
    """Yield an empty folder that becomes an entry of the cache. Raises InputError if the cache cannot be written."""
    try:
        with kept.filling() as new:
            yield new
    except OSError as error:
        raise InputError(
            f"{what} cannot be kept in {cache_dir()} ({error.strerror}); set ILRM_CACHE to a folder that can be "
            "written to."
        ) from error


def _mask_in(folder: Path) -> Path:
    """Return the mask in a folder of the cache; raise ValueError if it is missing."""
    if not (folder / MASK_NAME).is_file():
        raise ValueError("no mask")
    return folder / MASK_NAME


def _views_in(folder: Path) -> dict[str, tuple[Path, Path | None]]:
    """Return the views in a folder of the cache with their masks; raise ValueError if any is missing."""
    views = sorted(folder.glob("*.jpg"))
    masks = [file.with_suffix(".png") for file in views]
    if len(views) != VIEWS:
        raise ValueError(f"{len(views)} views")
    return {view.name: (view, mask if mask.is_file() else None) for view, mask in zip(views, masks, strict=True)}


def _cut(path: Path, mask: Path | None, folder: Path) -> None:
    header, image = photo_header(path), read_upright(path, None)
    counts = pixels_that_count(image, None if mask is None else read_mask(mask, header, image))
    side = max(LEAST_SIDE_PX, min(round(header.upright_size[0] * FIELD_DEG / 360), MOST_SIDE_PX))
    focal, pixels = side / 2 / math.tan(math.radians(FIELD_DEG / 2)), np.asarray(on_white(image))
    for number in range(VIEWS):
        yaw_deg = 360 * number / VIEWS
        view = perspective(pixels, yaw_deg, focal, side)
        Image.fromarray(view).save(folder / f"{number}.jpg", quality=VIEW_QUALITY, subsampling=0)
        if counts is not None:
            valid = perspective(counts[..., None] * np.uint8(255), yaw_deg, focal, side)[..., 0] == 255
            Image.fromarray(valid).save(folder / f"{number}.png")


def perspective(
    panorama: UInt8[ndarray, "height width channel"], yaw_deg: float, focal_px: float, side_px: int
) -> UInt8[ndarray, "side side channel"]:
    """Return what a level pinhole camera sees that is turned to the right from the middle of the panorama."""
    height, width, channels = panorama.shape
    steps = np.arange(side_px) + 0.5 - side_px / 2
    x, y = np.meshgrid(steps, steps)
    longitude = np.arctan2(x, focal_px) + math.radians(yaw_deg)
    latitude = np.arctan2(-y, np.hypot(x, focal_px))
    column = (longitude / (2 * np.pi) + 0.5) * width - 0.5
    row = (0.5 - latitude / np.pi) * height - 0.5
    places = np.stack([row, np.mod(column, width)])
    padded = np.concatenate([panorama, panorama[:, :1]], axis=1)  # the edge continues at the other one
    return np.stack(
        [map_coordinates(padded[..., c], places, order=1, mode="nearest") for c in range(channels)], axis=-1
    )


def _is_panorama(path: Path) -> bool:
    try:
        width, height = photo_header(path).upright_size
        if abs(width / (2 * height) - 1) > ASPECT_TOLERANCE:
            return False
        with path.open("rb") as stream:
            if PANORAMA_MARK in stream.read(HEAD_BYTES).lower():
                return True
        grey = _grey(path)
    except (UnreadablePhoto, OSError):
        return False
    between = np.abs(np.diff(grey, axis=1)).mean()
    seam = np.abs(grey[:, 0] - grey[:, -1]).mean()
    middle = grey[len(grey) // 2].std()
    return bool(seam < SEAM * between + 1 and min(grey[0].std(), grey[-1].std()) < POLE * middle)


def _circle(path: Path) -> float | None:
    """Return the radius of a circular picture as a share of the shorter side; None if this is none."""
    try:
        grey = _grey(path)
    except (UnreadablePhoto, OSError):
        return None
    height, width = grey.shape
    row, column = np.indices(grey.shape) + 0.5
    radius = np.hypot(row - height / 2, column - width / 2) / min(height, width)
    corners = radius > 0.68
    if not corners.any() or grey[corners].max() > DARK:
        return None
    rings = [(r, grey[(radius > r - 0.01) & (radius <= r + 0.01)]) for r in np.arange(0.3, 0.68, 0.01)]
    lit = [r for r, levels in rings if len(levels) and np.quantile(levels, 0.75) > DARK]
    inside = grey[radius < 0.4]
    if not lit or not LEAST_CIRCLE <= max(lit) <= MOST_CIRCLE or inside.mean() < LEAST_LIGHT:
        return None
    edge = max(lit)
    return float(edge) if grey[radius > edge + 0.03].max() <= DARK else None


def _grey(path: Path) -> Float[ndarray, "height width"]:
    picture = Image.fromarray(read_photo(path, at_least=LOOK_PX)).convert("L")
    picture.thumbnail((max(LOOK_PX), max(LOOK_PX)), Image.Resampling.BOX)
    return np.asarray(picture, dtype=np.float64)
