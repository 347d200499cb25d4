"""Meshes as binary glTF, PLY, Wavefront OBJ or STL, coloured at their vertices, and clouds of points: only written.

In binary glTF they may have a texture instead, and in OBJ, which names it.
"""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from ilrm_cli.geometry.harmonics import linear_from_srgb
from ilrm_cli.geometry.meshes import Mesh, PointCloud
from ilrm_cli.geometry.transforms import Similarity
from ilrm_cli.scene.checks import MADE_BY
from ilrm_cli.scene.formats.gltf import glb_bytes

TRIANGLES = 4  # mode of a glTF primitive
STL_HEADER = 80  # bytes
JPEG_QUALITY = 92  # of textures


def encode_mesh(mesh: Mesh, suffix: str) -> bytes:
    """Encode a mesh in the format of a suffix of `checks.MESH_SUFFIXES`."""
    return {".glb": _glb, ".ply": _ply, ".obj": _obj, ".stl": _stl}[suffix](mesh)


def standing(up: Float[Tensor, "3"], toward: Float[Tensor, "3"]) -> Similarity:
    """Return the rotation to glTF's axes: y up, and what faces the viewer along z."""
    up = torch.nn.functional.normalize(up.double(), dim=0)
    front = toward.double() - (toward.double() @ up) * up
    if front.norm() < 1e-6 * toward.norm():  # seen from above: any side may be in front
        front = torch.linalg.cross(up, torch.eye(3, dtype=torch.float64)[int(up.abs().argmin())])
    front = torch.nn.functional.normalize(front, dim=0)
    rows = torch.stack([torch.linalg.cross(up, front), up, front])
    return Similarity.turning(rows)


def _glb(mesh: Mesh) -> bytes:
    columns = {
        "POSITION": mesh.vertices.cpu().numpy().astype("<f4"),
        "NORMAL": mesh.normals.cpu().numpy().astype("<f4"),
    }
    surface: dict[str, Any] = {"metallicFactor": 0.0, "roughnessFactor": 1.0}
    content: dict[str, Any] = {"asset": {"version": "2.0", "generator": "ilrm"}}
    jpeg = b""
    if mesh.texture is None:
        columns["COLOR_0"] = _linear(mesh.colors)
    else:
        columns["TEXCOORD_0"] = mesh.texture.uvs.cpu().numpy().astype("<f4")
        surface["baseColorTexture"] = {"index": 0}
        content |= {"textures": [{"source": 0}]}
        jpeg = _jpeg(mesh.texture.image)
    content["materials"] = [{"pbrMetallicRoughness": surface, "doubleSided": True}]
    indices = mesh.triangles.cpu().numpy().astype("<u4").reshape(-1, 1)
    return glb_bytes(content, columns, {"mode": TRIANGLES, "material": 0}, indices=indices, jpeg=jpeg)


def _linear(colors: Float[Tensor, "vertex 3"]) -> Float[np.ndarray, "vertex 4"]:
    """Return the light of sRGB colours, and an alpha of 1."""
    return np.hstack([linear_from_srgb(colors.cpu().numpy()), np.ones((len(colors), 1))]).astype("<f4")


def _jpeg(image: Float[Tensor, "3 height width"]) -> bytes:
    out = io.BytesIO()
    Image.fromarray(_bytes_of(image.permute(1, 2, 0))).save(out, "JPEG", quality=JPEG_QUALITY)
    return out.getvalue()


def _ply(mesh: Mesh) -> bytes:
    faces = np.empty(len(mesh.triangles), np.dtype([("count", "u1"), ("vertices", "<i4", 3)]))
    faces["count"], faces["vertices"] = 3, mesh.triangles.cpu().numpy()
    header = (f"element face {len(faces)}", "property list uchar int vertex_indices")
    return _ply_of(PointCloud(mesh.vertices, mesh.normals, mesh.colors), header, faces.tobytes())


def encode_points(cloud: PointCloud) -> bytes:
    """Encode a cloud of points as .ply."""
    return _ply_of(cloud, (), b"")


def _ply_of(cloud: PointCloud, more: Sequence[str], rows: bytes) -> bytes:
    """Encode points with their normals and colours, and another element with its header after them."""
    names, shades = ("x", "y", "z", "nx", "ny", "nz"), ("red", "green", "blue")
    vertices = np.empty(len(cloud), np.dtype([*((name, "<f4") for name in names), *((name, "u1") for name in shades)]))
    numbers = np.hstack([cloud.points.cpu().numpy(), cloud.normals.cpu().numpy()])
    for name, column in zip((*names, *shades), (*numbers.T, *_bytes_of(cloud.colors).T), strict=True):
        vertices[name] = column
    header = [
        "ply", "format binary_little_endian 1.0", "comment made by ilrm", f"element vertex {len(vertices)}",
        *(f"property float {name}" for name in names), *(f"property uchar {name}" for name in shades),
        *more, "end_header",
    ]  # fmt: skip
    return "\n".join(header).encode() + b"\n" + vertices.tobytes() + rows


def _obj(mesh: Mesh) -> bytes:
    """Encode with colours behind the positions, as most programs read them."""
    text = io.StringIO()
    text.write(f"{MADE_BY}\n")
    rows = np.hstack([mesh.vertices.cpu().numpy(), mesh.colors.cpu().numpy()])
    np.savetxt(text, rows, fmt="v %.9g %.9g %.9g %.4f %.4f %.4f")
    np.savetxt(text, mesh.normals.cpu().numpy(), fmt="vn %.4f %.4f %.4f")
    first = mesh.triangles.cpu().numpy() + 1
    np.savetxt(text, np.repeat(first, 2, axis=1), fmt="f %d//%d %d//%d %d//%d")
    return text.getvalue().encode()


def encode_painted_obj(mesh: Mesh, material: str, texture: str) -> tuple[bytes, bytes, bytes]:
    """Encode a mesh with a texture as .obj, and its material and its texture, files of these names, as .mtl and .png.

    Texture coordinates of .obj go up from the lower left corner.
    """
    assert mesh.texture is not None, "there is something to name"
    text = io.StringIO()
    text.write(f"{MADE_BY}\nmtllib {material}\nusemtl painted\n")
    np.savetxt(text, mesh.vertices.cpu().numpy(), fmt="v %.9g %.9g %.9g")
    right, down = mesh.texture.uvs.cpu().double().numpy().T
    np.savetxt(text, np.stack([right, 1 - down], 1), fmt="vt %.6f %.6f")
    np.savetxt(text, mesh.normals.cpu().numpy(), fmt="vn %.4f %.4f %.4f")
    np.savetxt(text, np.repeat(mesh.triangles.cpu().numpy() + 1, 3, axis=1), fmt="f %d/%d/%d %d/%d/%d %d/%d/%d")
    described = f"{MADE_BY}\nnewmtl painted\nKa 0 0 0\nKd 1 1 1\nKs 0 0 0\nillum 1\nmap_Kd {texture}\n"
    png = io.BytesIO()
    Image.fromarray(_bytes_of(mesh.texture.image.permute(1, 2, 0))).save(png, "PNG")
    return text.getvalue().encode(), described.encode(), png.getvalue()


def _stl(mesh: Mesh) -> bytes:
    """Encode in the binary form: a normal and three corners per triangle."""
    corners = mesh.vertices[mesh.triangles].cpu()
    across = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    row = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attributes", "<u2")])
    rows = np.zeros(len(corners), row)
    rows["normal"], rows["corners"] = torch.nn.functional.normalize(across, dim=1).numpy(), corners.numpy()
    return b"made by ilrm".ljust(STL_HEADER, b"\0") + len(rows).to_bytes(4, "little") + rows.tobytes()


def _bytes_of(colors: Float[Tensor, "*shape 3"]) -> UInt8[np.ndarray, "*shape 3"]:
    return (colors.cpu().numpy() * 255).round().astype(np.uint8)
