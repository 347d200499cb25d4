"""Files of our own for radiance fields, `.ilrm`: safetensors, so that nothing in them is ever executed.

Parts of the field are the tensors "field.NAME", see `Field.parts`; its surface, with the Gaussians that lie on it, the
tensors "surface.NAME". The header tells what network made them, and where the field lies in the frame of the file.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ilrm_cli.geometry.fields import StoredField
from ilrm_cli.geometry.meshes import Mesh
from ilrm_cli.geometry.transforms import FARTHEST, Similarity
from ilrm_cli.render.surface import Surface, discs
from ilrm_cli.runtime.errors import Damage, InputError
from ilrm_cli.runtime.json_values import fitted, parsed_json
from ilrm_cli.runtime.memory import free_bytes
from ilrm_cli.scene.formats.scene_file import KeptField, SceneFile, damaged, ready_to_write, usable

FORMAT = "ilrm field 1"  # the number rises when readers of the older form cannot read the newer one
HEADER = "ilrm"  # the key of the header that holds ours, as JSON
PART, SURFACE = "field.", "surface."
COLUMNS = ("vertices", "normals", "colors")  # of the surface, three numbers for each vertex
PER_BYTE = 4  # of the file that memory takes: itself, as it is read, and its Gaussians
ROTATED = 1e-6  # by which the product of a rotation with its inverse may be off


@dataclass(frozen=True)
class Header:
    """What a file tells besides its tensors."""

    format: str
    architecture: str
    config: dict[str, Any]
    model: dict[str, str]  # see `KeptField`
    scale: float  # of the frame of the file, in which lengths are so many times as large as in the field's
    rotation: tuple[tuple[float, ...], ...]
    translation: tuple[float, ...]
    comments: tuple[str, ...]

    @property
    def world_from_field(self) -> Similarity:
        """The place of the field. Raises Damage for one that is none."""
        rotation, translation = (torch.tensor(part, dtype=torch.float64) for part in (self.rotation, self.translation))
        if (rotation.shape, translation.shape) != ((3, 3), (3,)):
            raise Damage("it lies in a frame of other dimensions than three")
        straight = (rotation @ rotation.T - torch.eye(3)).abs().max() < ROTATED and rotation.det() > 0
        if not (straight and 1 / FARTHEST < self.scale < FARTHEST and translation.abs().max() < FARTHEST):
            raise Damage("it lies in a frame that is none")
        return Similarity(self.scale, rotation, translation)


def encode_field(file: SceneFile) -> bytes:
    """Encode a scene that is a field, with all that is needed to draw it."""
    kept = file.field
    assert kept is not None, "Gaussians alone make no field: `check_scene_output` has seen to it"
    place, mesh = kept.world_from_field, kept.surface.mesh
    ready_to_write(file.gaussians)
    header = Header(
        format=FORMAT,
        architecture=kept.stored.architecture,
        config=dict(kept.stored.config),
        model=dict(kept.model),
        scale=place.scale,
        rotation=tuple(map(tuple, place.rotation.tolist())),
        translation=tuple(place.translation.tolist()),
        comments=file.comments,
    )
    tensors = {f"{PART}{name}": tensor for name, tensor in kept.stored.parts.items()}
    tensors |= {f"{SURFACE}{name}": getattr(mesh, name) for name in COLUMNS}
    tensors |= {f"{SURFACE}triangles": mesh.triangles.int(), f"{SURFACE}cell": kept.surface.cell}
    content = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    return save(content, {HEADER: json.dumps(vars(header))})


def decode_field(path: Path) -> SceneFile:
    """Read a field, with the Gaussians on its surface in the frame of the file. Raises `InputError`."""
    needed, free = PER_BYTE * path.stat().st_size, free_bytes(torch.device("cpu"))
    if needed > free:
        raise InputError(
            f"{path} takes {needed / 1e9:.1f} GB of memory to read, and {free / 1e9:.1f} GB are free; "
            "end other programs."
        )
    try:
        header, tensors = _read(path)
        kept = KeptField(
            StoredField(header.architecture, header.config, _those_of(PART, tensors)),
            _surface(_those_of(SURFACE, tensors)),
            header.world_from_field,
            header.model,
        )
    except Damage as error:
        raise damaged(path, str(error)) from error
    except (SafetensorError, OSError, ValueError, LookupError, TypeError, RuntimeError, MemoryError) as error:
        raise damaged(path, "it cannot be read as safetensors") from error
    gaussians = discs(kept.surface).transformed(kept.world_from_field)
    read = usable(path, gaussians, header.comments)
    return SceneFile(read.gaussians, read.comments, read.dropped, remarks=read.remarks, field=kept)


def _read(path: Path) -> tuple[Header, dict[str, Tensor]]:
    """Return what a file holds; safetensors checks sizes against that of the file. Raises Damage for a foreign one."""
    with safe_open(path, "pt") as file:
        told = (file.metadata() or {}).get(HEADER)
        if told is None:
            raise Damage("its header tells of no field")
        content = parsed_json(told)
        if isinstance(content, dict) and content.get("format") != FORMAT:
            raise Damage(f"its format is {content.get('format')!r}, and this version of ilrm reads {FORMAT!r}")
        header = fitted(content, Header)
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no dictionary
    for name, tensor in tensors.items():
        if tensor.dtype != (torch.int32 if name == f"{SURFACE}triangles" else torch.float32):
            raise Damage(f"{name} holds numbers of the kind {str(tensor.dtype).removeprefix('torch.')}")
        if not tensor.isfinite().all():
            raise Damage(f"{name} holds numbers that are not finite")
    return header, tensors


def _those_of(start: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}


def _surface(parts: dict[str, Tensor]) -> Surface:
    """Return the surface. Raises Damage for parts that make none."""
    if missing := [name for name in (*COLUMNS, "triangles", "cell") if name not in parts]:
        raise Damage(f"it lacks {SURFACE}{missing[0]}")
    vertices, normals, colors = (_columns(parts[name], name) for name in COLUMNS)
    triangles, cell = parts["triangles"].long(), parts["cell"]
    if not len(vertices) == len(normals) == len(colors) > 0:
        raise Damage("its surface has no colour or direction for each of its vertices")
    if triangles.ndim != 2 or triangles.shape[1] != 3 or ((triangles < 0) | (triangles >= len(vertices))).any():
        raise Damage("its surface has triangles between vertices that are not there")
    if cell.shape != (3,) or not (cell > 0).all():
        raise Damage("its surface has no size of details")
    return Surface(Mesh(vertices, normals, colors, triangles), cell)


def _columns(tensor: Tensor, name: str) -> Float[Tensor, "vertex 3"]:
    if tensor.ndim != 2 or tensor.shape[1] != 3:
        raise Damage(f"{SURFACE}{name} has the shape {tuple(tensor.shape)}")
    return tensor
