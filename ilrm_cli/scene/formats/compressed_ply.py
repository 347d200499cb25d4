"""Scenes as .compressed.ply files, SuperSplat's layout: about a quarter of a .ply without harmonics.

Gaussians follow a Z-order curve. An element `chunk` holds, for every 256 of them, the range of their positions, of the
logarithms of their scales and of their colours; `vertex` holds four 32-bit words for each Gaussian: position and scale
as 11, 10 and 11 bits within that range, the quaternion as the index of its largest component and 10 bits for each of
the others, colour and opacity as 8 bits each. `sh` holds the other harmonics as bytes from -4 to 4, in the order of the
.ply. Axes are those of the .ply.
"""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32, UInt8, UInt32
from numpy import ndarray
from plyfile import PlyData, PlyElement

from ilrm_cli.geometry.harmonics import from_color, to_color
from ilrm_cli.scene.formats.packing import LEAST_SCALE, along_a_curve, with_largest, without_largest
from ilrm_cli.scene.formats.ply import READ_REST_COUNTS, ParsedPly, header_line, parsed, rest_names
from ilrm_cli.scene.formats.scene_file import SceneFile, damaged, from_columns, is_antialiased, ready_to_write, usable

CHUNK = 256  # Gaussians that share a range
POSITION_RANGE = ("min_x", "min_y", "min_z", "max_x", "max_y", "max_z")
SCALE_RANGE = ("min_scale_x", "min_scale_y", "min_scale_z", "max_scale_x", "max_scale_y", "max_scale_z")
COLOR_RANGE = ("min_r", "min_g", "min_b", "max_r", "max_g", "max_b")  # missing in older files: colours in [0, 1]
PACKED = ("packed_position", "packed_rotation", "packed_scale", "packed_color")

POSITION_BITS, COLOR_BITS, ROTATION_BITS = (11, 10, 11), (8, 8, 8, 8), (10, 10, 10)  # highest bits first
LOG_SCALE_LIMIT = 20.0  # readers clamp the range to it
SH_LIMIT = 4.0


def encode_compressed_ply(file: SceneFile) -> bytes:
    """Encode the scene, with one header line per comment."""
    scene = along_a_curve(ready_to_write(file.gaussians))
    colors = to_color(scene.harmonics.double().numpy())
    opacities = scene.opacities.double().numpy()[:, None]
    log_scales = scene.scales.double().clamp_min(LEAST_SCALE).log().clamp(-LOG_SCALE_LIMIT, LOG_SCALE_LIMIT).numpy()
    positions, position_range = _within_chunks(scene.means.double().numpy())
    scales, scale_range = _within_chunks(log_scales)
    colors, color_range = _within_chunks(colors)
    words = np.column_stack(
        [
            _packed(positions, POSITION_BITS),
            _packed_rotations(scene.quaternions.double().numpy()),
            _packed(scales, POSITION_BITS),
            _packed(np.concatenate([colors, opacities], 1), COLOR_BITS),
        ]
    )
    elements = [
        _element("chunk", np.concatenate([position_range, scale_range, color_range], 1), "<f4", _chunk_names(True)),
        _element("vertex", words, "<u4", PACKED),
    ]
    if scene.harmonics.shape[1] > 1:
        higher = scene.harmonics[:, 1:].transpose(1, 2).flatten(1).numpy()  # channel-major
        elements.append(_element("sh", _harmonic_bytes(higher), "u1", rest_names(higher.shape[1])))
    written = io.BytesIO()
    PlyData(elements, byte_order="<", comments=[header_line(c) for c in file.marked_comments]).write(written)
    return written.getvalue()


def decode_compressed_ply(path: Path, content: ParsedPly | None = None) -> SceneFile:
    """Read a scene, from the file or from its already parsed content.

    Raises `InputError` for a file that is cut short, has another layout, or has no usable Gaussian.
    """
    ply, remarks = content or parsed(path)
    count, chunks = _counts(path, ply)
    chunk = np.repeat(np.arange(chunks), CHUNK)[:count]
    words = {name: np.asarray(ply["vertex"][name], dtype=np.uint32) for name in PACKED}
    has_colors = set(COLOR_RANGE) <= set(ply["chunk"].data.dtype.names)
    with np.errstate(invalid="ignore"):  # NaN stays NaN
        ranges = np.stack([ply["chunk"][name] for name in _chunk_names(has_colors)], 1).astype(np.float64)[chunk]

    def inside(fractions: Float[ndarray, "gaussian 3"], first: int) -> Float[ndarray, "gaussian 3"]:
        low, high = ranges[:, first : first + 3], ranges[:, first + 3 : first + 6]
        return low * (1 - fractions) + high * fractions

    rgba = _unpacked(words["packed_color"], COLOR_BITS)
    colors = inside(rgba[:, :3], 12) if has_colors else rgba[:, :3]
    harmonics = from_color(colors)
    if "sh" in ply:
        rest = len(ply["sh"].data.dtype.names)
        coded = np.stack([ply["sh"][name] for name in rest_names(rest)], 1)
        higher = _harmonic_values(coded).reshape(count, 3, rest // 3).transpose(0, 2, 1)
        harmonics = np.concatenate([harmonics, higher], 1)
    with np.errstate(over="ignore"):
        scales = np.exp(inside(_unpacked(words["packed_scale"], POSITION_BITS), 6))
    read = from_columns(
        means=inside(_unpacked(words["packed_position"], POSITION_BITS), 0),
        quaternions=_unpacked_rotations(words["packed_rotation"]),
        scales=scales,
        opacities=rgba[:, 3],
        harmonics=harmonics,
    )
    antialiased = is_antialiased(ply.comments)
    return usable(path, replace(read, antialiased=antialiased), tuple(ply.comments), remarks=remarks)


def _counts(path: Path, ply: PlyData) -> tuple[int, int]:
    """Return the number of Gaussians and of chunks; raise `InputError` if the file is incomplete."""
    if not {"chunk", "vertex"} <= {element.name for element in ply.elements}:
        raise damaged(path, "no chunks of packed Gaussians")
    for element, needed in {"vertex": PACKED, "chunk": POSITION_RANGE + SCALE_RANGE}.items():
        missing = [name for name in needed if name not in ply[element].data.dtype.names]
        if missing:
            raise damaged(path, f"no property {missing[0]}")
    count, chunks = ply["vertex"].count, ply["chunk"].count
    if chunks != -(-count // CHUNK):
        raise damaged(path, f"{chunks} chunks for {count} Gaussians")
    if "sh" in ply:
        names = set(ply["sh"].data.dtype.names)
        if ply["sh"].count != count or len(names) not in READ_REST_COUNTS[1:] or names != set(rest_names(len(names))):
            raise damaged(path, "its harmonics are not those of its Gaussians")
    return count, chunks


def _chunk_names(with_colors: bool) -> tuple[str, ...]:
    return POSITION_RANGE + SCALE_RANGE + (COLOR_RANGE if with_colors else ())


def _element(name: str, columns: ndarray, kind: str, properties: tuple[str, ...] | list[str]) -> PlyElement:
    rows = np.ascontiguousarray(columns.astype(kind)).view([(p, kind) for p in properties]).reshape(len(columns))
    return PlyElement.describe(rows, name)


def _within_chunks(
    values: Float[ndarray, "gaussian 3"],
) -> tuple[Float[ndarray, "gaussian 3"], Float32[ndarray, "chunk 6"]]:
    """Return each value's position in the range of its chunk, in [0, 1], and the ranges (3 minima, 3 maxima)."""
    starts = np.arange(0, len(values), CHUNK)
    low = np.minimum.reduceat(values, starts).astype(np.float32)
    high = np.maximum.reduceat(values, starts).astype(np.float32)
    chunk = np.arange(len(values)) // CHUNK
    span = (high - low).astype(np.float64)[chunk]
    fractions = (values - low[chunk]) / np.where(span > 0, span, 1)
    return np.clip(fractions, 0, 1), np.concatenate([low, high], 1)


def _packed(fractions: Float[ndarray, "gaussian part"], bits: tuple[int, ...]) -> UInt32[ndarray, " gaussian"]:
    words = np.zeros(len(fractions), dtype=np.uint32)
    for part, count in zip(fractions.T, bits, strict=True):
        words = (words << np.uint32(count)) | np.rint(np.clip(part, 0, 1) * (2**count - 1)).astype(np.uint32)
    return words


def _unpacked(words: UInt32[ndarray, " gaussian"], bits: tuple[int, ...]) -> Float[ndarray, "gaussian part"]:
    parts = []
    for count in reversed(bits):
        parts.append((words & np.uint32(2**count - 1)) / (2**count - 1))
        words = words >> np.uint32(count)
    return np.stack(parts[::-1], 1).astype(np.float64)


def _packed_rotations(quaternions: Float[ndarray, "gaussian 4"]) -> UInt32[ndarray, " gaussian"]:
    largest, rest = without_largest(quaternions)
    return (largest.astype(np.uint32) << np.uint32(30)) | _packed(rest / np.sqrt(2) + 0.5, ROTATION_BITS)


def _unpacked_rotations(words: UInt32[ndarray, " gaussian"]) -> Float[ndarray, "gaussian 4"]:
    rest = (_unpacked(words & np.uint32(2**30 - 1), ROTATION_BITS) - 0.5) * np.sqrt(2)
    return with_largest((words >> np.uint32(30)).astype(np.int64), rest)


def _harmonic_bytes(values: Float32[ndarray, "gaussian rest"]) -> UInt8[ndarray, "gaussian rest"]:
    """Quantise into 256 bins from -SH_LIMIT to SH_LIMIT."""
    return np.clip((values / (2 * SH_LIMIT) + 0.5) * 256, 0, 255).astype(np.uint8)


def _harmonic_values(coded: UInt8[ndarray, "gaussian rest"]) -> Float[ndarray, "gaussian rest"]:
    """Return the middles of the bins, but the limits for the outermost two."""
    fractions = (coded.astype(np.float64) + 0.5) / 256
    fractions[coded == 0], fractions[coded == 255] = 0.0, 1.0
    return (fractions - 0.5) * 2 * SH_LIMIT
