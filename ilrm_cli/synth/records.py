"""Scenes and cameras as tables of fixed-size rows, which are sent to a GPU in one piece.

Kernels access a row by the same names: `row.shapes.kind[i]` works for a NamedTuple of arrays and for a record. Arrays
whose length differs between scenes are padded, always to the same few lengths, since each length is compiled
separately; nothing reads the padding.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ilrm_cli.synth.scene import Scene
from ilrm_cli.synth.tiling import Projected

GROUPS = ("shapes", "materials", "surround", "sun", "above")  # fields of Scene, each a NamedTuple of arrays
CONSTANT = {  # fields that have the same length in every scene
    "shapes": ("relief", "steepness"),
    "surround": ("kind", "box", "dome", "material", "to_sun", "sun", "ambient", "pool", "softness", "sky", "weather",
                 "exposure"),
    "sun": ("to_light", "axes", "corner", "per_unit", "start"),
    "above": ("to_light", "axes", "corner", "per_unit", "start"),
}  # fmt: skip
ROOM = 512  # minimum rows of every padded array: enough for 97 % of the scenes
LONG_ROOM = {"solids": 8192}  # entries of the light maps


def _room(field: str, length: int) -> int:
    """Return the rows allocated for an array of the given length, a power of two."""
    return max(LONG_ROOM.get(field, ROOM), 1 << (length - 1).bit_length())


def _row_type(group: str, examples: Sequence[Any]) -> np.dtype:
    """Return the record type that holds any of the given NamedTuples of arrays."""
    fields = []
    for number, name in enumerate(type(examples[0])._fields):
        arrays = [example[number] for example in examples]
        shape = arrays[0].shape
        if name not in CONSTANT.get(group, ()):
            shape = (_room(name, max(len(array) for array in arrays)), *shape[1:])
        fields.append((name, arrays[0].dtype, shape))
    return np.dtype(fields, align=True)


def scene_type(scenes: Sequence[Scene]) -> np.dtype:
    """Return the record type that holds any of the scenes."""
    groups = [(group, _row_type(group, [getattr(scene, group) for scene in scenes])) for group in GROUPS]
    return np.dtype(groups, align=True)


def view_type(solids: int) -> np.dtype:
    """Return the record type of one camera in a scene of at most `solids` solids: the fields of Projected and more."""
    return np.dtype(
        [
            ("scene", np.int32), ("solids", np.int32), ("pose", np.float32, (3, 4)), ("focal", np.float32, 2),
            ("center", np.float32, 2), ("matrix", np.float32, (solids, 3, 3)), ("origin", np.float32, (solids, 3)),
            ("reach", np.float32, (solids, 4)), ("near", np.float32, solids), ("order", np.int32, solids),
        ],
        align=True,
    )  # fmt: skip


def fill_scenes(rows: np.ndarray, scenes: Sequence[Scene]) -> None:
    """Write the scenes into rows [S] of `scene_type`."""
    for group in GROUPS:
        table = rows[group]
        for number, name in enumerate(table.dtype.fields or ()):
            column = table[name]
            for row, scene in enumerate(scenes):
                array = getattr(scene, group)[number]
                column[row, : len(array)] = array


def fill_views(rows: np.ndarray, projected: Sequence[Projected]) -> None:
    """Write the cameras of each scene, one scene after the other, into rows of `view_type`."""
    first = 0
    for scene, cameras in enumerate(projected):
        views, solids = cameras.near.shape
        part = rows[first : first + views]
        part["scene"], part["solids"] = scene, solids
        for name in ("pose", "focal", "center"):
            part[name] = getattr(cameras, name)
        for name in ("matrix", "origin", "reach", "near", "order"):
            part[name][:, :solids] = getattr(cameras, name)
        first += views
