"""The container of .glb files, binary glTF 2.0: JSON, a chunk of bytes with columns of numbers, and nodes."""

import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from ilrm_cli.geometry.transforms import FARTHEST, Similarity, matrix_from_quaternion
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.json_values import parsed_json
from ilrm_cli.scene.formats.scene_file import damaged

MAGIC, VERSION, JSON_CHUNK, BINARY_CHUNK = 0x46546C67, 2, 0x4E4F534A, 0x004E4942
HEADER, CHUNK_HEADER = struct.Struct("<III"), struct.Struct("<II")
ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER = 34962, 34963
INDICES = "indices"  # of triangles, which are no attribute
COMPONENTS = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}
TOLERANCE = 1e-4  # allowed deviation of a node's axes from a rotation, relative to their length


@dataclass(frozen=True)
class Gltf:
    """A parsed .glb file."""

    path: Path
    content: dict[str, Any]  # the JSON chunk
    binary: memoryview

    def column(self, accessor_index: int, width: int) -> Float[ndarray, "row width"]:
        """Return the numbers of an accessor, with normalised integers scaled to [-1, 1] or [0, 1]."""
        accessor = self.content["accessors"][accessor_index]
        if "sparse" in accessor or "bufferView" not in accessor:
            raise InputError(f"{self.path} keeps numbers in a sparse or compressed form; save it without compression.")
        view = self.content["bufferViews"][accessor["bufferView"]]
        if WIDTHS[accessor["type"]] != width:
            raise damaged(self.path, f"{accessor['type']} where {width} numbers belong")
        kind = np.dtype(COMPONENTS[accessor["componentType"]])
        start = int(view.get("byteOffset", 0)) + int(accessor.get("byteOffset", 0))
        count, step = int(accessor["count"]), int(view.get("byteStride", kind.itemsize * width))
        end = start + (count - 1) * step + kind.itemsize * width
        if view["buffer"] != 0 or start < 0 or count < 0 or step < kind.itemsize * width or end > len(self.binary):
            raise damaged(self.path, "an accessor lies outside of the file")
        rows: ndarray = np.ndarray((count, width), kind, self.binary, start, (step, kind.itemsize))
        with np.errstate(invalid="ignore"):  # NaN stays NaN
            numbers = rows.astype(np.float64)
        if accessor.get("normalized") and kind.kind != "f":
            numbers = np.maximum(numbers / np.iinfo(kind).max, -1)
        return numbers

    def primitives(self, extension: str) -> Iterator[tuple[dict[str, Any], Similarity]]:
        """Yield the shown scene's primitives that have an extension, each with its world_from_node transform."""
        roots = self.content["scenes"][self.content.get("scene", 0)].get("nodes", [])
        nodes, parent_from_node = self.content["nodes"], _matrices(self.content["nodes"])
        todo, seen = [(index, np.eye(4)) for index in reversed(roots)], set()
        while todo:
            index, world_from_parent = todo.pop()
            if index in seen:
                raise damaged(self.path, f"node {index} is in several places")
            seen.add(index)
            node = nodes[index]
            with np.errstate(all="ignore"):  # numbers that are not finite are told of once they place a primitive
                world_from_node = world_from_parent @ parent_from_node[index]
            todo += [(child, world_from_node) for child in reversed(node.get("children", []))]
            mesh = self.content["meshes"][node["mesh"]]["primitives"] if "mesh" in node else []
            shown = [primitive for primitive in mesh if extension in primitive.get("extensions", {})]
            if shown:
                place = self._similarity(world_from_node)
                yield from ((primitive, place) for primitive in shown)

    def _similarity(self, world_from_node: Float[ndarray, "4 4"]) -> Similarity:
        if not (np.abs(world_from_node) < FARTHEST).all():
            raise damaged(self.path, "a node is placed by numbers that are not finite or too large")
        axes = world_from_node[:3, :3]
        scale = float(np.cbrt(np.linalg.det(axes)))
        if not scale > 0 or np.abs(axes @ axes.T / scale**2 - np.eye(3)).max() > TOLERANCE:
            raise InputError(f"{self.path} shears, mirrors or stretches its scene in one direction; save it without.")
        return Similarity(scale, torch.from_numpy(axes / scale), torch.from_numpy(world_from_node[:3, 3].copy()))


def read_glb(path: Path) -> Gltf:
    """Parse a .glb. Raises `InputError` for a file that is cut short or not a .glb."""
    data = memoryview(path.read_bytes())
    try:
        magic, version, _ = HEADER.unpack_from(data)
        length, kind = CHUNK_HEADER.unpack_from(data, HEADER.size)
        if (magic, version, kind) != (MAGIC, VERSION, JSON_CHUNK):
            raise damaged(path, "it does not begin as a .glb of glTF 2.0")
        start = HEADER.size + CHUNK_HEADER.size
        content = parsed_json(bytes(data[start : start + length]))
        size, kind = CHUNK_HEADER.unpack_from(data, start + length)
    except (struct.error, ValueError, RecursionError) as error:
        raise damaged(path, "its header or its description cannot be read") from error
    binary = data[start + length + CHUNK_HEADER.size :][:size]
    if kind != BINARY_CHUNK or len(binary) < size or not isinstance(content, dict):
        raise damaged(path, "its binary chunk is not whole")
    return Gltf(path, content, binary)


def glb_bytes(
    content: dict[str, Any],
    columns: Mapping[str, ndarray],
    primitive: dict[str, Any],
    indices: ndarray | None = None,
    jpeg: bytes = b"",
) -> bytes:
    """Return a file with a mesh of one primitive whose attributes are the columns (bytes are marked normalised).

    `indices` are of one column: the vertices of triangles, one after another. A `jpeg` becomes the file's image 0.
    """
    flat = None if indices is None else indices.reshape(-1, 1)
    attributes = {name: i for i, name in enumerate(columns)}
    if flat is not None:
        columns, primitive = {**columns, INDICES: flat}, {**primitive, "indices": len(columns)}
    views, accessors, parts, offset = [], [], [], 0
    for index, (name, column) in enumerate(columns.items()):
        rows = np.ascontiguousarray(column)
        kind = next(code for code, kind in COMPONENTS.items() if np.dtype(kind) == rows.dtype)
        width = next(name for name, width in WIDTHS.items() if width == rows.shape[1])
        accessor = {"bufferView": index, "componentType": kind, "count": len(rows), "type": width}
        if rows.dtype.kind != "f" and name != INDICES:
            accessor["normalized"] = True
        if name == "POSITION":  # its range is required by the specification
            accessor |= {"min": rows.min(0).tolist(), "max": rows.max(0).tolist()}
        accessors.append(accessor)
        target = ELEMENT_ARRAY_BUFFER if name == INDICES else ARRAY_BUFFER
        views.append({"buffer": 0, "byteOffset": offset, "byteLength": rows.nbytes, "target": target})
        parts.append(_padded(rows.tobytes(), b"\0"))
        offset += len(parts[-1])
    if jpeg:
        content = {**content, "images": [{"bufferView": len(views), "mimeType": "image/jpeg"}]}
        views.append({"buffer": 0, "byteOffset": offset, "byteLength": len(jpeg)})
        parts.append(_padded(jpeg, b"\0"))
        offset += len(parts[-1])
    content = {
        **content,
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": attributes, **primitive}]}],
        "buffers": [{"byteLength": offset}],
        "bufferViews": views,
        "accessors": accessors,
    }
    text = _padded(json.dumps(content, separators=(",", ":"), allow_nan=False).encode(), b" ")
    chunks = [(JSON_CHUNK, text), (BINARY_CHUNK, b"".join(parts))]
    body = b"".join(CHUNK_HEADER.pack(len(chunk), kind) + chunk for kind, chunk in chunks)
    return HEADER.pack(MAGIC, VERSION, HEADER.size + len(body)) + body


def _padded(data: bytes, filler: bytes) -> bytes:
    """Pad to a multiple of 4 bytes, where chunks and columns must begin."""
    return data + filler * (-len(data) % 4)


def _matrices(nodes: list[dict[str, Any]]) -> Float[ndarray, "node 4 4"]:
    """Return parent_from_node of each; glTF stores matrices by column and quaternions with w last."""

    def all_of(name: str, default: tuple[float, ...]) -> Float[ndarray, "node number"]:
        return np.array([node.get(name, default) for node in nodes], dtype=np.float64).reshape(-1, len(default))

    quaternions = np.roll(all_of("rotation", (0.0, 0.0, 0.0, 1.0)), 1, axis=1)
    matrices = np.tile(np.eye(4), (len(nodes), 1, 1))
    matrices[:, :3, :3] = matrix_from_quaternion(torch.from_numpy(quaternions)).numpy()
    matrices[:, :3, :3] *= all_of("scale", (1.0, 1.0, 1.0))[:, None]
    matrices[:, :3, 3] = all_of("translation", (0.0, 0.0, 0.0))
    given = [index for index, node in enumerate(nodes) if "matrix" in node]
    stored = np.array([nodes[index]["matrix"] for index in given], dtype=np.float64)
    matrices[given] = stored.reshape(-1, 4, 4).transpose(0, 2, 1)
    return matrices
