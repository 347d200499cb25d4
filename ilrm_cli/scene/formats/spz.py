"""Scenes as .spz files, Niantic's format: about a tenth of a .ply.

A gzip stream of a header and then, one property after the other: positions as 24-bit fixed point, opacities, colours
(with room beyond black and white), logarithms of scales in sixteenths, quaternions, and the other harmonics with the
three channels together. We write version 3, which every reader knows, or version 4: zstd streams after a table of
contents. Version 1 (positions in float16) and 2 (quaternions as three bytes) are read as well.

The format's axes are x right, y up, z back (RUB), and those of a .ply are taken to be x right, y down, z forward (RDF):
the scene is rotated by 180° about x on writing and on reading, as in Niantic's library. Version 4 may have extension
records (type, length, content) after its header; one names other axes, which are honoured, and we write it. Records of
other types are passed over with a remark. Files of Spark with levels of detail are read at the finest of them.
"""

import gzip
import math
import struct
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import zstandard
from jaxtyping import Float, UInt8
from numpy import ndarray

from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.scene.formats.packing import (
    HIGHER_BASES,
    LEAST_SCALE,
    along_a_curve,
    mirrored,
    turned,
    with_largest,
    without_largest,
)
from ilrm_cli.scene.formats.scene_file import (
    SceneFile,
    check_claim,
    damaged,
    from_columns,
    ready_to_write,
    usable,
    without_degree_4,
)
from ilrm_cli.scene.formats.spz_extras import (
    ANTIALIASED,
    AXES,
    CHILD_BYTES,
    HAS_EXTENSIONS,
    RUB,
    axes_record,
    finest_level,
    has_levels,
    named_axes,
    unknown_flags,
)

MAGIC = 0x5053474E  # "NGSP"
GZIP_LEVEL = 6  # as in other writers; 9 takes nine times as long for 3 % less
ZSTD_LEVEL = 12  # as in Niantic's library
VERSIONS = (3, 4)  # that are written
HEADER = struct.Struct("<IIIBBBB")  # magic, version, Gaussians, degree, fractional bits, flags, reserved or streams
TABLE_AT = struct.Struct("<I12x")  # version 4: offset of the table of contents, after the header
TABLE_ROW = struct.Struct("<QQ")  # compressed and uncompressed bytes of a stream

FIXED_MAX = 2**23 - 1  # positions are signed 24-bit numbers
CUSTOMARY_FRACTION = 12  # fractional bits of other writers: a quarter of a millimetre if units are metres
STEPS_PER_SCENE = 2**16  # our target: this many steps across the middle half of the scene
COLOR_RANGE = 0.15  # colour bytes hold 0.5 + COLOR_RANGE * coefficient
LOG_SCALE_OFFSET, LOG_SCALE_STEPS = 10, 16
MOST_SCALE = math.exp(255 / LOG_SCALE_STEPS - LOG_SCALE_OFFSET)  # 380 units
QUATERNION_MAX = 2**9 - 1  # magnitude of a component without its sign; represents sqrt(1/2)
SH_STEPS = 128  # of harmonics in [-1, 1)
# Niantic's writer rounds harmonics for better compression: byte steps for degree 1 and for those above.
SH_ROUNDING = (8, 16)


@dataclass(frozen=True)
class _Layout:
    """The parts of a header that determine the layout of the data."""

    version: int
    count: int
    degree: int
    fraction: int  # fractional bits of positions
    flags: int

    def sections(self) -> tuple[int, ...]:
        """Return bytes per Gaussian of positions, opacities, colours, scales, quaternions, harmonics and a tree."""
        position, quaternion = (6 if self.version == 1 else 9), (4 if self.version >= 3 else 3)
        tree = CHILD_BYTES if has_levels(self.version, self.flags) else (0, 0)
        return position, 1, 3, 3, quaternion, 3 * HIGHER_BASES[self.degree], *tree


def encode_spz(file: SceneFile, version: int = VERSIONS[0]) -> bytes:
    """Encode the scene as a file of version 3 or 4."""
    assert version in VERSIONS, f"version {version}"
    scene = along_a_curve(turned(ready_to_write(file.gaussians), about="x"))
    means = scene.means.double().numpy()
    fraction = _fraction(means)
    fixed = np.clip(np.rint(means * 2.0**fraction), -FIXED_MAX, FIXED_MAX).astype("<i4")
    log_scales = scene.scales.double().clamp_min(LEAST_SCALE).log().numpy()
    higher = scene.harmonics[:, 1:].double().numpy()
    sections = [
        fixed.view(np.uint8).reshape(len(fixed), 3, 4)[:, :, :3],
        _byte(scene.opacities.double().numpy() * 255),
        _byte((scene.harmonics[:, 0].double().numpy() * COLOR_RANGE + 0.5) * 255),
        _byte((log_scales + LOG_SCALE_OFFSET) * LOG_SCALE_STEPS),
        _packed_quaternions(scene.quaternions.double().numpy()),
        _harmonic_bytes(higher),
    ]
    contents, flags = [section.tobytes() for section in sections], ANTIALIASED * scene.antialiased
    numbers = (MAGIC, version, len(scene), scene.sh_degree, fraction)
    if version == 3:
        return gzip.compress(HEADER.pack(*numbers, flags, 0) + b"".join(contents), GZIP_LEVEL, mtime=0)
    return _in_streams(numbers, flags, [content for content in contents if content])


def beyond_spz(scene: Gaussians) -> int:
    """Return how many Gaussians lie farther away or are larger than a file can say; it has them at its limits."""
    beyond = (scene.means.abs() > FIXED_MAX).any(1) | (scene.scales.abs() > MOST_SCALE).any(1)
    return int(beyond.sum())


def _in_streams(numbers: tuple[int, ...], flags: int, contents: list[bytes]) -> bytes:
    """Return a file of version 4, with the record that states its axes."""
    streams = [zstandard.ZstdCompressor(ZSTD_LEVEL).compress(content) for content in contents]
    record = axes_record(RUB)
    header = HEADER.pack(*numbers, flags | HAS_EXTENSIONS, len(streams))
    place = TABLE_AT.pack(len(header) + TABLE_AT.size + len(record))
    table = [TABLE_ROW.pack(len(one), len(content)) for one, content in zip(streams, contents, strict=True)]
    return b"".join([header, place, record, *table, *streams])


def decode_spz(path: Path) -> SceneFile:
    """Read a scene of version 1 to 4. Gaussians with non-finite numbers are dropped and counted.

    Raises `InputError` for a file that is cut short, has another layout, or has no usable Gaussian.
    """
    data, axes, remarks = path.read_bytes(), RUB, tuple[str, ...]()
    if data[:4] == struct.pack("<I", MAGIC):
        layout, body = _from_zstd(path, data)
        if layout.flags & HAS_EXTENSIONS:
            (table,) = TABLE_AT.unpack_from(data, HEADER.size)
            axes, remarks = named_axes(path, data[HEADER.size + TABLE_AT.size : table])
    else:
        layout, body = _from_gzip(path, data)
    parts, start = [], 0
    for size in layout.sections():
        parts.append(np.frombuffer(body, np.uint8, layout.count * size, start).reshape(layout.count, size))
        start += layout.count * size
    positions, opacities, colors, scales, quaternions, higher, children, _ = parts
    harmonics = [(colors[:, None] / 255.0 - 0.5) / COLOR_RANGE]
    harmonics.append(
        (higher.reshape(layout.count, HIGHER_BASES[layout.degree], 3).astype(np.float64) - SH_STEPS) / SH_STEPS
    )
    read = from_columns(
        means=_positions(positions, layout),
        quaternions=_quaternions(quaternions, layout.version),
        scales=np.exp(scales / LOG_SCALE_STEPS - LOG_SCALE_OFFSET),
        opacities=opacities[:, 0] / 255.0,
        harmonics=np.concatenate(harmonics, 1),
    )
    read, cut = without_degree_4(path, replace(read, antialiased=bool(layout.flags & ANTIALIASED)))
    placed = turned(read, about="x") if axes == RUB else mirrored(read, AXES[axes])
    said = (*unknown_flags(path, layout.version, layout.flags), *cut, *remarks)
    if children.size:
        placed, finest = finest_level(path, placed, children)
        said += finest
    return usable(path, placed, remarks=said)


def _fraction(means: Float[ndarray, "gaussian 3"]) -> int:
    """Return the fractional bits of positions: usually 12, more for small scenes, fewer if positions do not fit."""
    low, high = np.quantile(means, (0.25, 0.75), axis=0)
    extent, farthest = float((high - low).max()), float(np.abs(means).max())
    wanted = math.ceil(math.log2(STEPS_PER_SCENE / extent)) if extent > 0 else CUSTOMARY_FRACTION
    fitting = math.floor(math.log2(FIXED_MAX / farthest)) if farthest > 0 else FIXED_MAX.bit_length()
    return max(0, min(max(wanted, CUSTOMARY_FRACTION), fitting, FIXED_MAX.bit_length()))


def _from_gzip(path: Path, data: bytes) -> tuple[_Layout, bytes]:
    """Unpack versions 1 to 3, no more than the header asks for."""
    stream = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        head = stream.decompress(data, HEADER.size)
        if len(head) < HEADER.size:
            raise damaged(path, "it ends within its header")
        layout, _ = _layout(path, head, versions=(1, 2, 3))
        check_claim(path, layout.count, 1 + HIGHER_BASES[layout.degree])
        size = layout.count * sum(layout.sections())
        body = stream.decompress(stream.unconsumed_tail, size) if size else b""
    except zlib.error as error:
        raise damaged(path, "its compression is broken") from error
    if len(body) < size:
        raise damaged(path, f"{len(body)} of {size} bytes are there")
    return layout, body


def _from_zstd(path: Path, data: bytes) -> tuple[_Layout, bytes]:
    """Unpack version 4."""
    if len(data) < HEADER.size + TABLE_AT.size:
        raise damaged(path, "it ends within its header")
    layout, streams = _layout(path, data[: HEADER.size], versions=(4,))
    check_claim(path, layout.count, 1 + HIGHER_BASES[layout.degree])
    sizes = [layout.count * size for size in layout.sections() if size]
    (table,) = TABLE_AT.unpack_from(data, HEADER.size)
    start = table + streams * TABLE_ROW.size
    if streams != len(sizes) or start > len(data):
        raise damaged(path, f"{streams} streams instead of {len(sizes)}, or none")
    parts = []
    for row, size in enumerate(sizes):
        packed, unpacked = TABLE_ROW.unpack_from(data, table + row * TABLE_ROW.size)
        if unpacked != size or start + packed > len(data):
            raise damaged(path, "its table of contents does not fit its content")
        try:
            with zstandard.ZstdDecompressor().stream_reader(data[start : start + packed]) as stream:
                part = stream.read(size)
        except zstandard.ZstdError as error:
            raise damaged(path, "its compression is broken") from error
        if len(part) != size:
            raise damaged(path, f"{len(part)} of {size} bytes are there")
        parts.append(part)
        start += packed
    return layout, b"".join(parts)


def _layout(path: Path, head: bytes, versions: tuple[int, ...]) -> tuple[_Layout, int]:
    """Parse the header; return the layout and the number of streams (version 4)."""
    magic, version, count, degree, fraction, flags, streams = HEADER.unpack(head)
    if magic != MAGIC:
        raise damaged(path, "its header is another")
    if version not in versions:
        raise InputError(f"{path} is an .spz of version {version}; 1 to 4 are known.")
    if degree >= len(HIGHER_BASES):
        raise InputError(f"{path} has spherical harmonics of degree {degree}; 0 to 4 are known.")
    if fraction > FIXED_MAX.bit_length() + 1:
        raise damaged(path, f"positions with {fraction} fractional bits")
    return _Layout(version, count, degree, fraction, flags), streams


def _byte(values: Float[ndarray, "..."]) -> UInt8[ndarray, "..."]:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _positions(coded: UInt8[ndarray, "gaussian size"], layout: _Layout) -> Float[ndarray, "gaussian 3"]:
    if layout.version == 1:
        return coded.reshape(-1).view("<f2").reshape(-1, 3).astype(np.float64)
    wide = np.zeros((layout.count, 3, 4), dtype=np.uint8)
    wide[:, :, 1:] = coded.reshape(-1, 3, 3)  # into the upper bytes, which hold the sign
    return (wide.reshape(-1).view("<i4").reshape(-1, 3) >> 8) / 2.0**layout.fraction


def _packed_quaternions(quaternions: Float[ndarray, "gaussian 4"]) -> ndarray:
    """Pack into little-endian words: 2 bits for the largest of x, y, z, w, then sign and 9 bits for each other one."""
    largest, rest = without_largest(np.roll(quaternions, -1, axis=1))
    words = largest.astype("<u4")
    magnitudes = np.rint(np.abs(rest) * math.sqrt(2) * QUATERNION_MAX).clip(0, QUATERNION_MAX).astype("<u4")
    for sign, magnitude in zip((rest < 0).T, magnitudes.T, strict=True):
        words = (words << 10) | (sign.astype("<u4") << 9) | magnitude
    return words.astype("<u4")


def _quaternions(coded: UInt8[ndarray, "gaussian size"], version: int) -> Float[ndarray, "gaussian 4"]:
    """Return quaternions with w first."""
    if version < 3:
        vector = coded / 127.5 - 1
        real = np.sqrt(np.clip(1 - np.square(vector).sum(1, keepdims=True), 0, None))
        return np.concatenate([real, vector], 1)
    words = np.ascontiguousarray(coded).view("<u4")[:, 0]
    fields = np.stack([(words >> shift) & 1023 for shift in (20, 10, 0)], 1).astype(np.int64)
    magnitudes = (fields & QUATERNION_MAX) / (QUATERNION_MAX * math.sqrt(2))
    rest = np.where(fields > QUATERNION_MAX, -magnitudes, magnitudes)
    return np.roll(with_largest((words >> 30).astype(np.int64), rest), 1, axis=1)


def _harmonic_bytes(higher: Float[ndarray, "gaussian bases 3"]) -> UInt8[ndarray, "gaussian bases 3"]:
    step = np.full((higher.shape[1], 1), SH_ROUNDING[1])
    step[: HIGHER_BASES[1]] = SH_ROUNDING[0]
    whole = np.rint(higher * SH_STEPS) + SH_STEPS
    return _byte((whole + step // 2) // step * step)
