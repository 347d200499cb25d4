"""Scenes as .ksplat files, of Mark Kellogg's viewer GaussianSplats3D: read, never written.

A header of 4096 bytes, 1024 for each section, and then the sections: the sizes of the buckets that are not full, the
centres of all buckets, and for each Gaussian its position, scales, quaternion (w first), colour with opacity, and
harmonics. Level 0 of compression keeps float32; levels 1 and 2 keep 16-bit positions in the block of a bucket, float16,
and (level 2) harmonics as bytes. Harmonics stand degree by degree, each channel by channel. Axes are those of the .ply.
"""

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ilrm_cli.geometry.harmonics import from_color
from ilrm_cli.scene.formats.packing import HIGHER_BASES
from ilrm_cli.scene.formats.scene_file import MAX_GAUSSIANS, SceneFile, damaged, from_columns, usable

HEADER_BYTES, SECTION_HEADER_BYTES = 4096, 1024
HEADER = struct.Struct("<BB2xI8xIH14xff")  # major and minor version, most sections, Gaussians, level, harmonics' range
SECTION = struct.Struct("<IIIIfH2xI4xIIH")  # the fields of _Section, in this order
HARMONIC_RANGE = (-1.5, 1.5)  # of level 2, where the header has none
POSITION_STEPS = 32767  # half of the range of 16-bit positions, where the section has none
NUMBERS = ("<f4", "<f2", "<f2")  # of scales, quaternions and harmonics, by level; harmonics of level 2 are bytes
CENTER_BYTES = 12


@dataclass(frozen=True)
class _Section:
    """One section's header."""

    count: int  # Gaussians
    room: int  # for so many there is space
    bucket_size: int  # Gaussians in a full bucket
    buckets: int
    block: float  # side of a bucket's block, world units
    center_bytes: int  # of a bucket's centre
    position_steps: int
    full: int  # buckets that are full; they come first
    partial: int  # buckets that are not
    degree: int  # of harmonics


def decode_ksplat(path: Path) -> SceneFile:
    """Read a scene. Gaussians with non-finite numbers are dropped and counted.

    Raises `InputError` for a file that is cut short, has another version, or has no usable Gaussian.
    """
    data = path.read_bytes()
    if len(data) < HEADER_BYTES:
        raise damaged(path, "it ends within its header")
    major, minor, most, total, level, low, high = HEADER.unpack_from(data)
    if major != 0 or minor < 1 or level >= len(NUMBERS):
        raise damaged(path, f"version {major}.{minor} with compression {level}")
    start = HEADER_BYTES + most * SECTION_HEADER_BYTES
    if start > len(data) or not 0 < total <= MAX_GAUSSIANS:
        raise damaged(path, f"{most} sections with {total} Gaussians")
    bounds = (low or HARMONIC_RANGE[0], high or HARMONIC_RANGE[1])
    parts: list[tuple[ndarray, ...]] = []
    for number in range(most):
        section = _Section(*SECTION.unpack_from(data, HEADER_BYTES + number * SECTION_HEADER_BYTES))
        if section.degree >= len(HIGHER_BASES) or section.count > section.room:
            raise damaged(path, f"{section.count} Gaussians in room for {section.room}, degree {section.degree}")
        row = _row(level, section.degree)
        rows_at = start + section.partial * 4 + section.buckets * section.center_bytes
        end = rows_at + section.room * row.itemsize
        if end > len(data):
            raise damaged(path, f"{len(data)} of {end} bytes are there")
        if section.count:
            rows = np.frombuffer(data, row, section.count, rows_at)
            parts.append(_columns(path, section, rows, data[start:rows_at], level, bounds))
        start = end
    if sum(len(part[0]) for part in parts) != total:
        raise damaged(path, f"its sections do not hold its {total} Gaussians")
    bases = max(part[-1].shape[1] for part in parts)
    padded = [(*part[:-1], np.pad(part[-1], ((0, 0), (0, bases - part[-1].shape[1]), (0, 0)))) for part in parts]
    return usable(path, from_columns(*(np.concatenate(columns) for columns in zip(*padded, strict=True))))


def _row(level: int, degree: int) -> np.dtype:
    """Return the layout of one Gaussian."""
    number = NUMBERS[level]
    fields = [
        ("mean", "<f4" if level == 0 else "<u2", 3),
        ("scale", number, 3),
        ("quaternion", number, 4),
        ("rgba", "u1", 4),
        ("higher", "u1" if level == 2 else number, 3 * HIGHER_BASES[degree]),
    ]
    return np.dtype(fields if degree else fields[:-1])


def _columns(
    path: Path, section: _Section, rows: ndarray, buckets: bytes, level: int, bounds: tuple[float, float]
) -> tuple[ndarray, ...]:
    """Return means, quaternions, scales, opacities and harmonics of a section."""
    means = rows["mean"].astype(np.float64)
    if level > 0:
        steps = section.position_steps or POSITION_STEPS
        means = (means - steps) * (section.block / 2 / steps) + _centers(path, section, buckets)
    rgba = rows["rgba"].astype(np.float64) / 255
    harmonics = from_color(rgba[:, :3])
    if section.degree:
        higher = rows["higher"].astype(np.float64)
        if level == 2:
            higher = bounds[0] + higher / 255 * (bounds[1] - bounds[0])
        harmonics = np.concatenate([harmonics, _channels_together(higher, section.degree)], axis=1)
    return means, rows["quaternion"].astype(np.float64), rows["scale"].astype(np.float64), rgba[:, 3], harmonics


def _centers(path: Path, section: _Section, buckets: bytes) -> Float[ndarray, "gaussian 3"]:
    """Return the centre of each Gaussian's bucket."""
    if section.full + section.partial > section.buckets or section.center_bytes < CENTER_BYTES:
        raise damaged(path, f"{section.full} full and {section.partial} other buckets of {section.buckets}")
    partial = np.frombuffer(buckets, "<u4", section.partial).astype(np.int64)
    sizes = np.concatenate([np.full(section.full, section.bucket_size, np.int64), partial])
    if sizes.sum() != section.count:
        raise damaged(path, f"its buckets do not hold {section.count} Gaussians")
    coded = np.frombuffer(buckets, np.uint8, offset=4 * section.partial).reshape(section.buckets, section.center_bytes)
    centers = np.ascontiguousarray(coded[: len(sizes), :CENTER_BYTES]).view("<f4").astype(np.float64)
    return np.repeat(centers, sizes, axis=0)


def _channels_together(higher: Float[ndarray, "gaussian rest"], degree: int) -> Float[ndarray, "gaussian bases 3"]:
    bands = []
    for band in range(1, degree + 1):
        coded = higher[:, 3 * HIGHER_BASES[band - 1] : 3 * HIGHER_BASES[band]]
        bands.append(coded.reshape(len(higher), 3, 2 * band + 1).transpose(0, 2, 1))
    return np.concatenate(bands, axis=1)
