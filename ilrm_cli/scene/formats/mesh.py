"""Meshes with a colour at every vertex, as binary glTF, PLY or Wavefront OBJ: written, never read."""

import io
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ilrm_cli.geometry.transforms import Similarity
from ilrm_cli.render.surface import Surface
from ilrm_cli.scene.formats.gltf import glb_bytes

TRIANGLES = 4  # mode of a glTF primitive
LINEAR_BELOW, LINEAR_SLOPE, GAMMA, OFFSET = 0.04045, 12.92, 2.4, 0.055  # of sRGB; glTF wants linear vertex colours


def encode_mesh(surface: Surface, suffix: str) -> bytes:
    """Encode a mesh in the format of a suffix of `checks.MESH_SUFFIXES`."""
    return {".glb": _glb, ".ply": _ply, ".obj": _obj}[suffix](surface)


def moved(surface: Surface, to_from_from: Similarity) -> Surface:
    """Return the mesh in another frame."""
    rotation = to_from_from.rotation.to(surface.normals)
    vertices = to_from_from.points(surface.vertices)
    return replace(
        surface, vertices=vertices, normals=surface.normals @ rotation.T, cell=surface.cell * to_from_from.scale
    )


def standing(up: Float[Tensor, "3"], toward: Float[Tensor, "3"]) -> Similarity:
    """Return the rotation to glTF's axes: y up, and what faces the viewer along z."""
    up = torch.nn.functional.normalize(up.double(), dim=0)
    front = toward.double() - (toward.double() @ up) * up
    if front.norm() < 1e-6 * toward.norm():  # seen from above: any side may be in front
        front = torch.linalg.cross(up, torch.eye(3, dtype=torch.float64)[int(up.abs().argmin())])
    front = torch.nn.functional.normalize(front, dim=0)
    rows = torch.stack([torch.linalg.cross(up, front), up, front])
    return Similarity(1.0, rows, torch.zeros(3, dtype=torch.float64))


def _glb(surface: Surface) -> bytes:
    srgb = surface.colors.cpu().numpy()
    linear = np.where(srgb <= LINEAR_BELOW, srgb / LINEAR_SLOPE, ((srgb + OFFSET) / (1 + OFFSET)) ** GAMMA)
    alpha = np.ones((len(linear), 1))
    columns = {
        "POSITION": surface.vertices.cpu().numpy().astype("<f4"),
        "NORMAL": surface.normals.cpu().numpy().astype("<f4"),
        "COLOR_0": np.hstack([linear, alpha]).astype("<f4"),
    }
    material = {"pbrMetallicRoughness": {"metallicFactor": 0.0, "roughnessFactor": 1.0}, "doubleSided": True}
    content = {"asset": {"version": "2.0", "generator": "ilrm"}, "materials": [material]}
    indices = surface.triangles.cpu().numpy().astype("<u4").reshape(-1, 1)
    return glb_bytes(content, columns, {"mode": TRIANGLES, "material": 0}, indices=indices)


def _ply(surface: Surface) -> bytes:
    names = ("x", "y", "z", "nx", "ny", "nz")
    vertex = np.dtype([*((name, "<f4") for name in names), *((name, "u1") for name in ("red", "green", "blue"))])
    vertices = np.empty(len(surface.vertices), vertex)
    numbers = np.hstack([surface.vertices.cpu().numpy(), surface.normals.cpu().numpy()])
    for name, column in zip(names, numbers.T, strict=True):
        vertices[name] = column
    for name, column in zip(("red", "green", "blue"), _bytes_of(surface).T, strict=True):
        vertices[name] = column
    faces = np.empty(len(surface.triangles), np.dtype([("count", "u1"), ("vertices", "<i4", 3)]))
    faces["count"], faces["vertices"] = 3, surface.triangles.cpu().numpy()
    header = [
        "ply", "format binary_little_endian 1.0", "comment made by ilrm", f"element vertex {len(vertices)}",
        *(f"property float {name}" for name in names),
        *(f"property uchar {name}" for name in ("red", "green", "blue")),
        f"element face {len(faces)}", "property list uchar int vertex_indices", "end_header",
    ]  # fmt: skip
    return "\n".join(header).encode() + b"\n" + vertices.tobytes() + faces.tobytes()


def _obj(surface: Surface) -> bytes:
    """Encode with colours behind the positions, as most programs read them."""
    text = io.StringIO()
    text.write("# made by ilrm\n")
    rows = np.hstack([surface.vertices.cpu().numpy(), surface.colors.cpu().numpy()])
    np.savetxt(text, rows, fmt="v %.6g %.6g %.6g %.4f %.4f %.4f")
    np.savetxt(text, surface.normals.cpu().numpy(), fmt="vn %.4f %.4f %.4f")
    first = surface.triangles.cpu().numpy() + 1
    np.savetxt(text, np.repeat(first, 2, axis=1), fmt="f %d//%d %d//%d %d//%d")
    return text.getvalue().encode()


def _bytes_of(surface: Surface) -> np.ndarray:
    return (surface.colors.cpu().numpy() * 255).round().astype(np.uint8)
