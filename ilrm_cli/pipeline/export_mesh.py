"""The mesh of a reconstruction whose model makes a field."""

from pathlib import Path

import torch

from ilrm_cli.models.checkpoint import architecture_in
from ilrm_cli.models.registry import FIELDS
from ilrm_cli.pipeline.reconstruct import Reconstruction
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.files import atomic_write
from ilrm_cli.scene.formats.mesh import encode_mesh, moved, standing
from ilrm_cli.scene.record import SceneRecord

NO_FIELD = (
    "--mesh is for models that make a field, such as triposr; this one predicts Gaussians, which have no surface."
)


def require_field(model: str) -> None:
    """Raise InputError if a model makes no field, before it is loaded."""
    if architecture_in(model) not in FIELDS:
        raise InputError(NO_FIELD)


def write_mesh(result: Reconstruction, record: SceneRecord, output: Path) -> None:
    """Write the surface of the field in the frame of the scene file; a .glb stands on its feet, as glTF wants it.

    Raises InputError if there is no field.
    """
    sampled = result.prediction.sampled
    if sampled is None:
        raise InputError(NO_FIELD)
    surface = moved(sampled.surface, record.model_from_world.inverse())
    suffix = output.suffix.lower()
    if suffix == ".glb" and record.up is not None:
        first = torch.tensor(record.views[0].world_from_cam, dtype=torch.float64)
        surface = moved(surface, standing(torch.tensor(record.up, dtype=torch.float64), -first[:3, 2]))
    atomic_write(output, encode_mesh(surface, suffix))
