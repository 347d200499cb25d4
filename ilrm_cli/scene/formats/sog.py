"""Scenes as .sog files, PlayCanvas' format for the web (version 2): a zip of `meta.json` and lossless WebP pictures.

Every Gaussian has the same pixel in each picture, along a Z-order curve. Two pictures hold 16 bits for each coordinate
of sign(x) * log(1 + |x|); one the quaternion, a byte for each component but the largest; one the scales and one the
colours, as indices into codebooks of 256 numbers, with the opacity as a byte. The other harmonics come from a palette
of whole sets, whose numbers are again indices into a codebook. Axes are those of the .ply.

The same files unbundled, in a folder, are read too, and version 1, where ranges take the place of codebooks and the
opacity is a logit. `"model": "antialiased"` (splat-transform) and `"antialias": true` mark antialiased scenes.
"""

import io
import json
import lzma
import math
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, UInt8
from numpy import ndarray
from PIL import Image
from torch import Tensor

from ilrm_cli import __version__
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.runtime.errors import Damage, InputError
from ilrm_cli.runtime.json_values import parsed_json
from ilrm_cli.runtime.pictures import open_picture
from ilrm_cli.scene.checks import META
from ilrm_cli.scene.formats.packing import HIGHER_BASES, LEAST_SCALE, along_a_curve, with_largest, without_largest
from ilrm_cli.scene.formats.palettes import CODEBOOK, codebook, palette
from ilrm_cli.scene.formats.scene_file import (
    MOST_BASES,
    SceneFile,
    check_claim,
    damaged,
    from_columns,
    ready_to_write,
    usable,
)

VERSION = 2  # that is written
MAX_META_BYTES = 1 << 20  # of the description, unpacked; the longest that is written has some ten thousand
MAX_PIXEL_BYTES = 8  # of a picture, which is not compressed twice
SPARE, SPARE_PX = 0.25, 1 << 16  # pixels that a picture may have beyond those of its Gaussians
AA_MARKS = {"model": "antialiased", "antialias": True}  # as splat-transform writes it, and as the specification did
BLOCK_PX = 4  # picture sides are multiples of it
LARGEST_FIRST = 252  # the fourth byte of a quaternion: 252 + index of its largest component, w first
STEPS_16 = 2**16 - 1
LOGIT_LIMIT = 80.0  # of version 1: a larger one is opacity 0 or 1 in float32
PALETTE_COLUMNS = 64  # sets of harmonics per row of their picture
MAX_PALETTE, MIN_PALETTE = 1 << 16, 1 << 10
GAUSSIANS_PER_SET = 8  # per set of harmonics, in a medium-sized scene

Part = Callable[[str, int], bytes]  # reads one file of a scene, up to a number of bytes

# Exceptions of the zip, its compression methods and its pictures if damaged.
DAMAGE = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError, RuntimeError, SyntaxError, MemoryError,
    struct.error, Image.DecompressionBombError,
)  # fmt: skip


def encode_sog(file: SceneFile) -> bytes:
    """Encode the scene as a .sog file."""
    scene = along_a_curve(ready_to_write(file.gaussians))
    size = _picture_size(len(scene))
    log_means = scene.means.double().numpy()
    log_means = np.sign(log_means) * np.log1p(np.abs(log_means))
    low, high = log_means.min(0), log_means.max(0)
    fixed = np.rint((log_means - low) / np.where(high > low, high - low, 1) * STEPS_16).astype(np.uint16)
    scale_book, scales = codebook(scene.scales.clamp_min(LEAST_SCALE).log().numpy())
    color_book, colors = codebook(scene.harmonics[:, 0].numpy())
    opacities = np.rint(scene.opacities.numpy()[:, None].clip(0, 1) * 255).astype(np.uint8)
    pictures = {
        "means_l.webp": _picture((fixed & 255).astype(np.uint8), size),
        "means_u.webp": _picture((fixed >> 8).astype(np.uint8), size),
        "quats.webp": _picture(_packed_quaternions(scene.quaternions.double().numpy()), size),
        "scales.webp": _picture(scales, size),
        "sh0.webp": _picture(np.concatenate([colors, opacities], 1), size),
    }
    meta: dict[str, Any] = {
        "version": VERSION,
        "asset": {"generator": f"ilrm {__version__}"},
        "count": len(scene),
        **(AA_MARKS if scene.antialiased else {}),
        "means": {"mins": low.tolist(), "maxs": high.tolist(), "files": ["means_l.webp", "means_u.webp"]},
        "scales": {"codebook": scale_book.tolist(), "files": ["scales.webp"]},
        "quats": {"files": ["quats.webp"]},
        "sh0": {"codebook": color_book.tolist(), "files": ["sh0.webp"]},
    }
    if scene.sh_degree:
        meta["shN"], more = _encoded_harmonics(scene.harmonics[:, 1:].contiguous(), size)
        pictures |= more
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_STORED) as archive:
        for name, content in {**pictures, "meta.json": json.dumps(meta, separators=(",", ":")).encode()}.items():
            archive.writestr(zipfile.ZipInfo(name), content)  # no time stamp: the same scene gives the same bytes
    return written.getvalue()


def decode_sog(path: Path) -> SceneFile:
    """Read a scene. Gaussians with non-finite numbers are dropped and counted.

    `path` may also be the meta.json of an unbundled scene, or its folder. Raises `InputError` for one that is cut
    short, has another version than 1 and 2, or has no usable Gaussian.
    """
    with told_as_damage(path):
        if path.is_dir() or path.name.lower() == META:
            return usable(path, unbundled(path, path if path.is_dir() else path.parent))
        with zipfile.ZipFile(path) as archive:
            read = _decoded(path, path.stat().st_size, lambda name, most: part_of_zip(archive, name, most))
            return usable(path, read)


def unbundled(path: Path, folder: Path) -> Gaussians:
    """Read all Gaussians of an unbundled scene, whatever their numbers. Errors are told of `path`."""
    at_hand = sum(file.stat().st_size for file in folder.iterdir() if file.is_file())
    return _decoded(path, at_hand, lambda name, most: part_of_folder(folder, name, most))


@contextmanager
def told_as_damage(path: Path) -> Iterator[None]:
    """Turn what reading a damaged scene raises into `InputError`."""
    try:
        yield
    except Damage as error:
        raise damaged(path, str(error)) from error
    except DAMAGE as error:
        raise damaged(path, "its archive or a picture in it is broken") from error
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise damaged(path, "its description of the scene does not hold together") from error


def _decoded(path: Path, size: int, part: Part) -> Gaussians:
    meta = parsed_json(part(META, MAX_META_BYTES))
    version = meta.get("version", 1)
    if version not in (1, VERSION):
        raise InputError(f"{path} is a .sog of version {version}; 1 and {VERSION} are known.")
    count = int(meta["count"] if version == VERSION else meta["means"]["shape"][0])
    check_claim(path, count, MOST_BASES if "shN" in meta else 1, size)
    antialiased = any(meta.get(key) == mark for key, mark in AA_MARKS.items())
    return replace(_gaussians(meta, _Pictures(part, count)), antialiased=antialiased)


class _Pictures:
    """The pictures of one scene, as rows of bytes; `part` reads one by its name, up to a number of bytes."""

    def __init__(self, part: Part, count: int):
        self.part, self.count = part, count

    def rows(self, name: str) -> UInt8[ndarray, "gaussian 4"]:
        """Return the pixels of the Gaussians: red, green, blue, alpha."""
        pixels = self.pixels(name, self.count).reshape(-1, 4)
        if len(pixels) < self.count:
            raise Damage(f"{name} is smaller than {self.count} pixels")
        return pixels[: self.count]

    def pixels(self, name: str, limit: int) -> UInt8[ndarray, "height width 4"]:
        most = (1 + SPARE) * limit + SPARE_PX
        content = self.part(name, int(MAX_PIXEL_BYTES * most))
        with open_picture(io.BytesIO(content), ("WEBP",)) as picture:
            if picture.width * picture.height > most:
                raise Damage(f"{name} is no picture of the right size")
            return np.asarray(picture.convert("RGBA"))


def part_of_zip(archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    """Read one file of the zip, unpacking no more than `most` bytes."""
    if name not in archive.namelist():
        raise Damage(f"{name} is missing")
    with archive.open(name) as part:
        content = part.read(most + 1)
    if len(content) > most:
        raise Damage(f"{name} is larger than a scene can be")
    return content


def part_of_folder(folder: Path, name: str, most: int) -> bytes:
    """Read one file of an unbundled scene; only files of the folder itself belong to it."""
    if Path(name).name != name:
        raise Damage(f"{name} does not lie beside {META}")
    if (folder / name).stat().st_size > most:
        raise Damage(f"{name} is larger than a scene can be")
    return (folder / name).read_bytes()


def _gaussians(meta: dict[str, Any], pictures: _Pictures) -> Gaussians:
    lower, upper = (pictures.rows(name)[:, :3].astype(np.uint16) for name in meta["means"]["files"])
    log_means = between(meta["means"], (upper << 8 | lower) / STEPS_16)
    log_scales = _values(meta["scales"], pictures.rows(meta["scales"]["files"][0])[:, :3])
    rgba = pictures.rows(meta["sh0"]["files"][0])
    if "codebook" in meta["sh0"]:
        colors, opacities = _values(meta["sh0"], rgba[:, :3]), rgba[:, 3] / 255.0
    else:
        values = _values(meta["sh0"], rgba)
        colors, opacities = values[:, :3], 1 / (1 + np.exp(-values[:, 3].clip(-LOGIT_LIMIT, LOGIT_LIMIT)))
    harmonics = [colors[:, None]]
    if "shN" in meta:
        harmonics.append(_harmonics(meta["shN"], pictures))
    with np.errstate(over="ignore"):
        return from_columns(
            means=np.sign(log_means) * np.expm1(np.abs(log_means)),
            quaternions=_quaternions(pictures.rows(meta["quats"]["files"][0])),
            scales=np.exp(log_scales),
            opacities=opacities,
            harmonics=np.concatenate(harmonics, 1),
        )


def _values(section: dict[str, Any], coded: UInt8[ndarray, "*row channel"]) -> Float[ndarray, "*row channel"]:
    """Look bytes up in the section's codebook, or place them in its range, one for each channel or one for all."""
    if "codebook" in section:
        return np.array(section["codebook"], dtype=np.float64).reshape(CODEBOOK)[coded]
    return between(section, coded / 255.0)


def between(section: dict[str, Any], fractions: Float[ndarray, "*row channel"]) -> Float[ndarray, "*row channel"]:
    """Place numbers in [0, 1] in the section's range, one for each channel or one for all; Damage for any other."""
    ends = [np.array(section[key], dtype=np.float64).reshape(-1) for key in ("mins", "maxs")]
    if not all(len(end) in (1, fractions.shape[-1]) for end in ends):
        raise Damage(f"a range is of {len(ends[0])} and {len(ends[1])} numbers")
    with np.errstate(invalid="ignore"):  # infinite numbers become NaN and are dropped and counted
        return ends[0] + (ends[1] - ends[0]) * fractions


def _picture_size(count: int) -> tuple[int, int]:
    """Return (width, height) of a nearly square picture with room for a pixel per Gaussian."""
    width = math.ceil(math.sqrt(count) / BLOCK_PX) * BLOCK_PX
    return width, math.ceil(count / width / BLOCK_PX) * BLOCK_PX


def _picture(rows: UInt8[ndarray, "gaussian channel"], size: tuple[int, int]) -> bytes:
    """Encode as lossless WebP: colours are kept even where alpha is 0."""
    width, height = size
    pixels = np.zeros((width * height, 4), dtype=np.uint8)
    pixels[:, 3] = 255
    pixels[: len(rows), : rows.shape[1]] = rows
    written = io.BytesIO()
    Image.fromarray(pixels.reshape(height, width, 4)).save(written, "WEBP", lossless=True, exact=True)
    return written.getvalue()


def _packed_quaternions(quaternions: Float[ndarray, "gaussian 4"]) -> UInt8[ndarray, "gaussian 4"]:
    largest, rest = without_largest(quaternions)
    parts = np.rint((rest * math.sqrt(2) * 0.5 + 0.5).clip(0, 1) * 255)
    return np.column_stack([parts, largest + LARGEST_FIRST]).astype(np.uint8)


def _quaternions(coded: UInt8[ndarray, "gaussian 4"]) -> Float[ndarray, "gaussian 4"]:
    rest = (coded[:, :3] / 255.0 * 2 - 1) / math.sqrt(2)
    largest = coded[:, 3].astype(np.int64) - LARGEST_FIRST
    quaternions = with_largest(largest.clip(0), rest)
    quaternions[largest < 0] = (1, 0, 0, 0)  # no index: read like splat-transform
    return quaternions


def _encoded_harmonics(
    higher: Float32[Tensor, "gaussian bases 3"], size: tuple[int, int]
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return the section of meta.json and its pictures: the sets of harmonics, and each Gaussian's set."""
    bases = higher.shape[1]
    wanted = min(max(len(higher) // GAUSSIANS_PER_SET, MIN_PALETTE), MAX_PALETTE)
    sets, labels = palette(higher.flatten(1), wanted)
    rows = math.ceil(len(sets) / PALETTE_COLUMNS)
    book, coded = codebook(sets.numpy())
    pixels = np.zeros((rows * PALETTE_COLUMNS * bases, 3), dtype=np.uint8)
    pixels[: len(sets) * bases] = coded.reshape(-1, 3)
    chosen = np.zeros((len(labels), 3), dtype=np.uint8)
    chosen[:, 0], chosen[:, 1] = labels.numpy() & 255, labels.numpy() >> 8
    files = ["shN_centroids.webp", "shN_labels.webp"]
    section = {"count": len(sets), "bands": HIGHER_BASES.index(bases), "codebook": book.tolist(), "files": files}
    return section, {files[0]: _picture(pixels, (PALETTE_COLUMNS * bases, rows)), files[1]: _picture(chosen, size)}


def _harmonics(section: dict[str, Any], pictures: _Pictures) -> Float[ndarray, "gaussian bases 3"]:
    centroids, labels = section["files"]
    sets = pictures.pixels(centroids, MAX_PALETTE * HIGHER_BASES[3])
    bases = HIGHER_BASES[section["bands"]] if "bands" in section else sets.shape[1] // PALETTE_COLUMNS
    if bases not in HIGHER_BASES[1:] or sets.shape[1] != PALETTE_COLUMNS * bases:
        raise Damage(f"{centroids} is not {PALETTE_COLUMNS} sets of {bases} harmonics wide")
    rows = pictures.rows(labels).astype(np.int64)
    chosen = sets[:, :, :3].reshape(-1, bases, 3)[rows[:, 0] | rows[:, 1] << 8]
    return _values(section, chosen)
