"""What an .spz may hold beside its Gaussians: flags, records that other programs add, levels of detail.

Records (type, length, content) lie behind the header of version 4; one of Adobe's names the axes.

Spark's `build-lod` writes files of version 2 or 3 whose Gaussians form a tree: two more sections tell the number of
children of each, and the first of them. Opacities are halved, since a Gaussian that stands for several may exceed 1.
Those without children are the scene as it was.
"""

import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from numpy import ndarray

from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.scene.formats.scene_file import damaged

ANTIALIASED, HAS_EXTENSIONS, HAS_LEVELS = 0x01, 0x02, 0x80  # flags; the last two in version 4 and below it
CHILD_BYTES = (2, 4)  # per Gaussian: how many children it has, and which is the first
RECORD = struct.Struct("<II")  # of an extension: type, and bytes of its content
AXES_RECORD = 0xADBE0003  # SPZ_ADOBE_coordinate_system
# Axes by their number in that record: the directions of x, y and z, as factors of those of a .ply (right, down, front).
AXES = {
    1: (-1, 1, -1), 2: (1, 1, -1), 3: (-1, -1, -1), 4: (1, -1, -1),  # LDB, RDB, LUB, RUB
    5: (-1, 1, 1), 6: (1, 1, 1), 7: (-1, -1, 1), 8: (1, -1, 1),  # LDF, RDF, LUF, RUF
}  # fmt: skip
RUB = 4


def has_levels(version: int, flags: int) -> bool:
    """Return whether the Gaussians of a file form a tree of levels of detail."""
    return version < 4 and bool(flags & HAS_LEVELS)


def unknown_flags(path: Path, version: int, flags: int) -> tuple[str, ...]:
    """Return a remark on flags that say something we do not know; records are known where they precede the data."""
    unknown = flags & ~(ANTIALIASED | (HAS_EXTENSIONS if version >= 4 else HAS_LEVELS))
    said = f"{path} has flags of unknown meaning in its header ({unknown:#04x}), which were passed over."
    return (said,) if unknown else ()


def axes_record(axes: int) -> bytes:
    """Return the record that names axes, a key of AXES."""
    return RECORD.pack(AXES_RECORD, 4) + struct.pack("<I", axes)


def named_axes(path: Path, records: bytes) -> tuple[int, tuple[str, ...]]:
    """Return the axes that the records of version 4 name, a key of AXES, and a remark on other records."""
    at, axes, unknown = 0, RUB, set[str]()
    while at + RECORD.size <= len(records):
        kind, size = RECORD.unpack_from(records, at)
        content = records[at + RECORD.size :][:size]
        at += RECORD.size + size
        if kind != AXES_RECORD:
            unknown.add(f"{kind:#010x}")
        elif len(content) != 4 or (named := int.from_bytes(content, "little")) not in (0, *AXES):
            raise damaged(path, "its axes are none that the format knows")
        else:
            axes = named or RUB  # 0: unspecified
    said = f"{path} has extension records of unknown type ({', '.join(sorted(unknown)[:3])}), which were passed over."
    return axes, (said,) if unknown else ()


def finest_level(
    path: Path, read: Gaussians, children: UInt8[ndarray, "gaussian 2"]
) -> tuple[Gaussians, tuple[str, ...]]:
    """Return the Gaussians of a tree that have no children, at their full opacity, and a remark."""
    leaves = np.flatnonzero(~children.any(1))
    if not len(leaves):
        raise damaged(path, "all Gaussians of its tree have children")
    said = f"{path} holds levels of detail (Spark): the finest was read, {len(leaves)} of {len(read)} Gaussians."
    chosen = read[torch.from_numpy(leaves)]
    return replace(chosen, opacities=(2 * chosen.opacities).clamp(max=1)), (said,)
