"""The smallest camera RAW file: an uncompressed DNG (Adobe, Digital Negative Specification 1.6), little-endian."""

import struct

import numpy as np

SHORT, LONG, ASCII, BYTE, RATIONAL, SRATIONAL = 3, 4, 2, 1, 5, 10
SIZES = {BYTE: 1, ASCII: 1, SHORT: 2, LONG: 4, RATIONAL: 8, SRATIONAL: 8}
FORMATS = {BYTE: "<B", SHORT: "<H", LONG: "<I"}
XYZ_TO_SRGB = (3134, -1617, -491, -979, 1916, 33, 72, -229, 1405)  # thousandths; sRGB from XYZ at D50
Tag = tuple[int, int, object]  # number, type, values


def dng(mosaic: np.ndarray, orientation: int, focal_35mm: int, model: bytes = b"Camera\0") -> bytes:
    """Return a DNG file of an RGGB mosaic, uint16 of even height and width."""
    height, width = mosaic.shape

    def tags(strip: int, exif: int) -> list[Tag]:
        return [
            (254, LONG, [0]), (256, LONG, [width]), (257, LONG, [height]), (258, SHORT, [16]), (259, SHORT, [1]),
            (262, SHORT, [32803]), (271, ASCII, b"Maker\0"), (272, ASCII, model), (273, LONG, [strip]),
            (274, SHORT, [orientation]), (277, SHORT, [1]), (278, LONG, [height]), (279, LONG, [2 * mosaic.size]),
            (33421, SHORT, [2, 2]), (33422, BYTE, [0, 1, 1, 2]), (34665, LONG, [exif]), (50706, BYTE, [1, 4, 0, 0]),
            (50708, ASCII, model), (50714, SHORT, [0]), (50717, SHORT, [65535]),
            (50721, SRATIONAL, [(value, 1000) for value in XYZ_TO_SRGB]), (50728, RATIONAL, [(1, 1)] * 3),
            (50778, SHORT, [21]),
        ]  # fmt: skip

    exif_at = 8 + len(_directory(tags(0, 0), 8))
    exif = _directory([(41989, SHORT, [focal_35mm])], exif_at)
    directory = _directory(tags(exif_at + len(exif), exif_at), 8)
    return b"II*\0" + struct.pack("<I", 8) + directory + exif + mosaic.astype("<u2").tobytes()


def _directory(tags: list[Tag], at: int) -> bytes:
    """Encode a TIFF directory at this offset, with its longer values behind it."""
    entries, values, behind = struct.pack("<H", len(tags)), b"", at + 2 + 12 * len(tags) + 4
    for number, kind, content in tags:
        packed = _packed(kind, content)
        if len(packed) <= 4:
            field = packed.ljust(4, b"\0")
        else:
            field = struct.pack("<I", behind + len(values))
            values += packed + b"\0" * (len(packed) % 2)
        entries += struct.pack("<HHI", number, kind, len(packed) // SIZES[kind]) + field
    return entries + struct.pack("<I", 0) + values


def _packed(kind: int, content: object) -> bytes:
    if isinstance(content, bytes):
        return content
    assert isinstance(content, list)
    if kind in (RATIONAL, SRATIONAL):
        return b"".join(struct.pack("<ii", *pair) for pair in content)
    return b"".join(struct.pack(FORMATS[kind], value) for value in content)
