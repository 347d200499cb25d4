"""Scenes as gsplat's `PngCompression` leaves them: a folder with a `meta.json`, PNG pictures and `shN.npz`.

Pictures are square, with a pixel for each Gaussian, and their bytes lie between a minimum and a maximum of each channel
that `meta.json` tells; the coordinates of sign(x) * log(1 + |x|) take two pictures. The numbers are those that are
trained: logits of opacities and logarithms of scales. The harmonics above degree 0 are chosen from a table. All is read
without gsplat, and without unpickling.
"""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.runtime.errors import Damage, InputError
from ilrm_cli.runtime.json_values import parsed_json
from ilrm_cli.runtime.pictures import open_picture
from ilrm_cli.scene.checks import META
from ilrm_cli.scene.formats.packing import HIGHER_BASES
from ilrm_cli.scene.formats.scene_file import MOST_BASES, SceneFile, check_claim, from_columns, usable
from ilrm_cli.scene.formats.sog import (
    LOGIT_LIMIT,
    MAX_META_BYTES,
    MAX_PIXEL_BYTES,
    STEPS_16,
    between,
    part_of_folder,
    part_of_zip,
    told_as_damage,
)

LOWER, UPPER = "means_l.png", "means_u.png"  # the bytes of coordinates
HIGHER = "shN"
WIDTHS = {"means": 3, "scales": 3, "quats": 4, "opacities": 1, "sh0": 3}  # numbers of each Gaussian
MODES = {1: "L", 3: "RGB", 4: "RGBA"}  # of pictures, by their channels
SPARE = 1 << 16  # bytes that a part may have beside its numbers
MAX_TABLE = 1 << 16  # sets of harmonics, as their index has 16 bits
NPY_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def is_gsplat_png(path: Path) -> bool:
    """Return whether a path is such a folder, or the meta.json in one."""
    folder = path if path.is_dir() else path.parent
    return (path.is_dir() or path.name.lower() == META) and all((folder / name).is_file() for name in (META, LOWER))


def decode_gsplat_png(path: Path) -> SceneFile:
    """Read a scene; `path` is its folder, or the meta.json in it.

    Raises `InputError` for one that is cut short, has no colours of its own, or has no usable Gaussian.
    """
    folder = path if path.is_dir() else path.parent
    with told_as_damage(path):
        meta = parsed_json(part_of_folder(folder, META, MAX_META_BYTES))
        if missing := [name for name in WIDTHS if name not in meta]:
            raise InputError(f"{path} was compressed by gsplat without {missing[0]}; export a .ply.")
        count = int(meta["means"]["shape"][0])
        size = sum(file.stat().st_size for file in folder.iterdir() if file.is_file())
        check_claim(path, count, MOST_BASES if HIGHER in meta else 1, size)
        passed = sorted(meta.keys() - {*WIDTHS, HIGHER})
        said = f"{path} holds more than Gaussians have ({', '.join(passed)[:80]}), which was passed over."
        return usable(path, _gaussians(folder, meta, count), remarks=(said,) if passed else ())


def _gaussians(folder: Path, meta: dict[str, Any], count: int) -> Gaussians:
    lower, upper = (_rows(folder, name, count, WIDTHS["means"]).astype(np.uint16) for name in (LOWER, UPPER))
    values = {"means": between(meta["means"], (upper << 8 | lower) / STEPS_16)}
    for name in WIDTHS.keys() - {"means"}:
        if meta[name].get("quantization", 8) != 8:
            raise Damage(f"{name}.png has other steps than gsplat's")
        values[name] = between(meta[name], _rows(folder, f"{name}.png", count, WIDTHS[name]) / 255.0)
    harmonics = [values["sh0"][:, None]]
    if HIGHER in meta and all(meta[HIGHER]["shape"]):
        harmonics.append(_higher(folder, meta[HIGHER], count))
    with np.errstate(over="ignore"):
        return from_columns(
            means=np.sign(values["means"]) * np.expm1(np.abs(values["means"])),
            quaternions=values["quats"],
            scales=np.exp(values["scales"]),
            opacities=1 / (1 + np.exp(-values["opacities"][:, 0].clip(-LOGIT_LIMIT, LOGIT_LIMIT))),
            harmonics=np.concatenate(harmonics, 1),
        )


def _rows(folder: Path, name: str, count: int, channels: int) -> UInt8[ndarray, "gaussian channel"]:
    """Return the pixels of a picture, row by row."""
    content = part_of_folder(folder, name, MAX_PIXEL_BYTES * count + SPARE)
    with open_picture(io.BytesIO(content), ("PNG",)) as picture:
        if picture.width * picture.height != count or picture.mode != MODES[channels]:
            raise Damage(f"{name} is no picture of {count} pixels with {channels} channels")
        return np.asarray(picture).reshape(count, channels)


def _higher(folder: Path, section: dict[str, Any], count: int) -> Float[ndarray, "gaussian bases 3"]:
    """Return the harmonics above degree 0, each Gaussian's from the table of all."""
    bases, most = int(section["shape"][1]), 2 ** int(section["quantization"]) - 1
    if bases not in HIGHER_BASES[1:] or not 0 < most < 256:
        raise Damage(f"it has {bases} higher harmonics in steps of {most}")
    content = part_of_folder(folder, f"{HIGHER}.npz", (MAX_TABLE * 3 * bases + 2 * count) + 2 * SPARE)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        table = _array(part_of_zip(archive, "centroids.npy", MAX_TABLE * 3 * bases + SPARE))
        chosen = _array(part_of_zip(archive, "labels.npy", 8 * count + SPARE))
    if table.dtype.kind != "u" or chosen.dtype.kind not in "iu" or chosen.shape != (count,):
        raise Damage(f"{HIGHER}.npz does not hold {count} indices of sets")
    if not ((chosen >= 0) & (chosen < len(table))).all():
        raise Damage(f"{HIGHER}.npz has indices beyond its {len(table)} sets")
    return between(section, table / most).reshape(len(table), bases, 3)[chosen]


def _array(content: bytes) -> ndarray:
    """Return the numbers of a .npy, which must be there as its header says, and no objects."""
    stream = io.BytesIO(content)
    shape, by_column, kind = NPY_HEADERS[np.lib.format.read_magic(stream)](stream)
    if kind.hasobject:
        raise Damage("an array in it holds objects")
    flat = np.frombuffer(content, kind, offset=stream.tell())
    return flat.reshape(shape, order="F" if by_column else "C")
