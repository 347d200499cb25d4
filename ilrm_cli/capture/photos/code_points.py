"""Colours that a photo states by code points (ITU-T H.273) instead of a profile: of HDR and wide gamuts.

HEIF and AVIF hold them in the property `colr` of their primary item (ISO/IEC 23008-12), PNG in the chunk cICP. HDR is
brought to sRGB as `video.TONE_MAPPING` does it: white at 203 cd/m², linear up to 0.9 of it, highlights rolled off.

A PNG that states its gamma alone, in the chunk gAMA, has the colours of a power law.
"""

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32, UInt8
from numpy import ndarray
from PIL import Image

LOOKED_AT = 1 << 20  # bytes at the start of a file that hold its descriptions
PNG, IMAGE_DATA = b"\x89PNG\r\n\x1a\n", b"IDAT"
# Linear colours of other primaries (BT.2020, Display P3) to those of sRGB.
SRGB_FROM = {
    9: ((1.660491, -0.587641, -0.072850), (-0.124550, 1.132900, -0.008349), (-0.018151, -0.100579, 1.118730)),
    12: ((1.224940, -0.224940, 0.0), (-0.042057, 1.042057, 0.0), (-0.019638, -0.078636, 1.098274)),
}
PQ, HLG = 16, 18  # transfer functions
LINEAR, LIKE_SRGB = 8, (1, 6, 13, 14, 15)
POWER_LAW = 2  # transfer functions of no code: here the one of a stated gamma
PROFILES = (b"iCCP", b"sRGB")  # chunks of a PNG that count more than gAMA
USUAL_GAMMA, SAME_GAMMA = 1 / 2.2, 0.02  # of a PNG in sRGB, and by how much the rounded ones of writers are off
GAMMA_UNIT = 100_000  # in gAMA
WHITE_NITS, HLG_NITS, PQ_NITS = 203.0, 1000.0, 10_000.0  # cd/m²
LUMINANCE_2020 = (0.2627, 0.6780, 0.0593)
KNEE, PEAK = 0.9, 10.0  # of highlights, in units of white
ROWS = 256  # converted at the same time


@dataclass(frozen=True)
class CodePoints:
    """How numbers are colours."""

    primaries: int
    transfer: int
    gamma: float | None = None  # of POWER_LAW: a number is light to this power

    @property
    def to_convert(self) -> bool:
        """Whether they are known and not those of sRGB."""
        if self.gamma is not None:
            return True
        known = self.transfer in (PQ, HLG, LINEAR, *LIKE_SRGB)
        return known and (self.primaries in SRGB_FROM or self.transfer not in LIKE_SRGB)


def stated_code_points(path: Path) -> CodePoints | None:
    """Return what a HEIF, AVIF or PNG says; None if it says nothing or is damaged there."""
    with path.open("rb") as file:
        data = file.read(LOOKED_AT)
    try:
        if data.startswith(PNG):
            return _of_png(dict(_chunks(data)))
        return _of_primary_item(data)
    except (struct.error, LookupError, TypeError):
        return None


def _of_png(chunks: dict[bytes, bytes]) -> CodePoints | None:
    """Return what cICP says, or else gAMA, where no profile does and the gamma is not as that of sRGB."""
    if (stated := chunks.get(b"cICP")) is not None:
        return CodePoints(*stated[:2])
    if b"gAMA" not in chunks or not chunks.keys().isdisjoint(PROFILES):
        return None
    gamma = struct.unpack(">I", chunks[b"gAMA"])[0] / GAMMA_UNIT
    usual = gamma == 0 or abs(gamma - USUAL_GAMMA) < SAME_GAMMA
    return None if usual else CodePoints(1, POWER_LAW, gamma)


def in_srgb(image: Image.Image, points: CodePoints) -> Image.Image:
    """Convert an RGB or RGBA picture, whose transparency is kept."""
    assert points.to_convert
    stored = np.asarray(image.convert("RGB"))
    parts = [_in_srgb(stored[row : row + ROWS], points) for row in range(0, len(stored), ROWS)]
    converted = Image.fromarray(np.concatenate(parts))
    if image.mode == "RGBA":
        converted.putalpha(image.getchannel("A"))
    return converted


def _in_srgb(stored: UInt8[ndarray, "row column 3"], points: CodePoints) -> UInt8[ndarray, "row column 3"]:
    light = _linear(points)[stored]
    if points.transfer == HLG:  # from the light of the scene to that of a display
        luminance = light @ np.array(LUMINANCE_2020, np.float32)
        light *= (HLG_NITS / WHITE_NITS) * np.power(luminance, np.float32(0.2))[..., None]
    if points.primaries in SRGB_FROM:
        light = light @ np.array(SRGB_FROM[points.primaries], np.float32).T
    light = np.maximum(light, 0)
    if points.transfer in (PQ, HLG):
        strongest = light.max(2, keepdims=True)
        light *= _rolled_off(strongest) / np.maximum(strongest, 1e-6)
    light = np.minimum(light, 1)
    encoded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.power(light, np.float32(1 / 2.4)) - 0.055)
    return np.rint(encoded * 255).astype(np.uint8)


def _linear(points: CodePoints) -> Float32[ndarray, "256"]:
    """Return the light of each level: of HLG that of the scene in [0, 1], else in units of white."""
    level, transfer = np.arange(256) / 255, points.transfer
    if points.gamma is not None:
        light = np.power(level, 1 / points.gamma)
    elif transfer == PQ:
        root = np.power(level, 1 / 78.84375)
        light = np.power(np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root), 1 / 0.1593017578125)
        light *= PQ_NITS / WHITE_NITS
    elif transfer == HLG:
        upper = (np.exp((level - 0.55991073) / 0.17883277) + 0.28466892) / 12
        light = np.where(level <= 0.5, np.square(level) / 3, upper)
    elif transfer == LINEAR:
        light = level
    else:
        light = np.where(level <= 0.04045, level / 12.92, np.power((level + 0.055) / 1.055, 2.4))
    return light.astype(np.float32)


def _rolled_off(light: Float32[ndarray, "row column 1"]) -> Float32[ndarray, "row column 1"]:
    """Bring highlights up to PEAK below 1 (ffmpeg's `tonemap=mobius`)."""
    a = -KNEE * KNEE * (PEAK - 1) / (KNEE * KNEE - 2 * KNEE + PEAK)
    b = (KNEE * KNEE - 2 * KNEE * PEAK + PEAK) / (PEAK - 1)
    mapped = (b * b + 2 * b * KNEE + KNEE * KNEE) / (b - a) * (light + a) / (light + b)
    return np.where(light <= KNEE, light, mapped)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the kinds and contents of a PNG's chunks before its pixels."""
    at = len(PNG)
    while True:
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind == IMAGE_DATA:
            return
        yield kind, data[at + 8 : at + 8 + length]
        at += 12 + length


def _of_primary_item(data: bytes) -> CodePoints | None:
    meta = dict(_boxes(_box(data, b"meta")[4:]))
    version, properties = meta[b"pitm"][0], meta[b"iprp"]
    (primary,) = struct.unpack_from(">I" if version else ">H", meta[b"pitm"], 4)
    held = [*_boxes(_box(properties, b"ipco"))]
    for index in _associated(_box(properties, b"ipma"), primary):
        kind, content = held[index - 1]
        if kind == b"colr" and content[:4] == b"nclx":
            return CodePoints(*struct.unpack_from(">HH", content, 4))
    return None


def _associated(content: bytes, item: int) -> list[int]:
    """Return the numbers, from 1 on, of an item's properties."""
    stream = io.BytesIO(content)
    version, wide = stream.read(4)[0], content[3] & 1
    found = []
    for _ in range(int.from_bytes(stream.read(4), "big")):
        of = int.from_bytes(stream.read(4 if version else 2), "big")
        for _ in range(stream.read(1)[0]):
            index = int.from_bytes(stream.read(2 if wide else 1), "big") & (0x7FFF if wide else 0x7F)
            if of == item and index:
                found.append(index)
    return found


def _box(data: bytes, kind: bytes) -> bytes:
    return dict(reversed([*_boxes(data)]))[kind]  # the first of them


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the kinds and contents of boxes that follow one another (ISO/IEC 14496-12), as far as they are whole."""
    at = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        start = at + 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, start)
            start += 8
        end = at + size if size else len(data)
        if end < start or end > len(data):
            return
        yield kind, data[start:end]
        at = end
