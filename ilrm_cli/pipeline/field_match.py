"""Gaussians sampled from a field, and how well they show it."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.fields import Field, PlacedField, StoredField
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.transforms import Similarity, rotations
from ilrm_cli.geometry.views import Views
from ilrm_cli.models.base import Capabilities, Network
from ilrm_cli.models.checkpoint import restored_field, stored_field
from ilrm_cli.pipeline.settings import Settings, check_unfitted
from ilrm_cli.render.metrics import psnr
from ilrm_cli.render.rasterize import render
from ilrm_cli.render.surface import Surface, discs, surface_of
from ilrm_cli.render.volume import render_field
from ilrm_cli.runtime.errors import Damage, InputError
from ilrm_cli.runtime.progress import Report, ignore
from ilrm_cli.scene.checks import FIELD, suffix_of_file
from ilrm_cli.scene.formats.scene_file import KeptField
from ilrm_cli.scene.opened import read_shown_scene

SIDE_PX = 128  # of the pictures that are compared
VIEWS = 4  # from all sides, or so many of the input views


@dataclass(frozen=True)
class SampledField:
    """A field, its surface, and what its Gaussians are worth."""

    field: Field
    stored: StoredField  # the same, as files keep it
    surface: Surface
    psnr: float  # dB of pictures of the Gaussians against pictures of the field, mean
    views: int  # compared

    @property
    def figures(self) -> dict[str, float | int]:
        return {"psnr": self.psnr, "views": self.views, "triangles": len(self.surface.mesh.triangles)}

    @property
    def drawn(self) -> PlacedField:
        """The field as scenes are drawn, in its own frame."""
        return PlacedField(self.field, Similarity.identity())


def require_field(can: Capabilities, settings: Settings) -> None:
    """Raise InputError if a model predicts no field, or if anything is asked for that only Gaussians have."""
    if can.output != "field":
        raise InputError(f"the model {settings.model} predicts Gaussians and no field; write a .ply, not a .ilrm.")
    check_unfitted(settings)


def sampled_field(
    model: Network, inputs: Views, depth_range: tuple[float, float], report: Report = ignore
) -> tuple[SampledField, Gaussians]:
    """Predict a field, and Gaussians on its surface.

    Raises InputError for views that the model cannot take, and as `surface_of` does.
    """
    if not model.capabilities.needs_poses and len(inputs) != 1:
        raise InputError("the model takes one photo of an object, and not several with poses: ilrm reconstruct PHOTO.")
    field = model.fields([inputs], report, [depth_range])[0]
    surface = surface_of(field, report=report)
    gaussians = discs(surface)
    match, views = matched(field, gaussians, inputs.cameras, report)
    return SampledField(field, stored_field(model, field), surface, match, views), gaussians


def matched(field: Field, gaussians: Gaussians, cameras: Cameras, report: Report = ignore) -> tuple[float, int]:
    """Return the mean PSNR in dB of pictures of Gaussians against those of their field, and how many were compared.

    All are in the frame of the field, float32. Pictures are small, from the first cameras, or around from a single one.
    """
    chosen = cameras[:VIEWS] if len(cameras) > 1 else _from_all_sides(cameras, field)
    small = chosen.at_long_side(SIDE_PX)
    theirs = render_field(field, small, report=report).color
    ours = render(gaussians, small, background=field.background).color
    return float(psnr(ours, theirs).mean()), len(small)


def placed(scene: Path, kept: KeptField, device: torch.device) -> PlacedField:
    """Return the field of a scene file on a device, ready to be drawn. Raises InputError if it makes none."""
    parts = {name: part.to(device) for name, part in kept.stored.parts.items()}
    try:
        field = restored_field(replace(kept.stored, parts=parts))
    except Damage as error:
        raise InputError(f"{scene} holds a field that cannot be drawn ({error}); make it again.") from error
    return PlacedField(field, kept.world_from_field.inverse())


def match_of_file(scene: Path, device: torch.device, report: Report = ignore) -> dict[str, float | int] | None:
    """Return how well the Gaussians of a scene file that is a field show it; None for other files. Raises InputError.

    "psnr" is as in `matched`, over so many "views", from the cameras of the photos.
    """
    if suffix_of_file(scene) != FIELD or (kept := (shown := read_shown_scene(scene)).file.field) is None:
        return None
    there = placed(scene, kept, device)
    cameras = shown.cameras.moved(there.field_from_world.poses(shown.cameras.world_from_cam)).to(torch.float32)
    quality, views = matched(there.field, discs(kept.surface).to(device), cameras.to(device), report)
    return {"psnr": quality, "views": views}


def _from_all_sides(cameras: Cameras, field: Field) -> Cameras:
    """Return the camera, and others around the field's middle, evenly turned about its picture's up direction."""
    pose, middle = cameras.world_from_cam[0], (field.box.least + field.box.most) / 2
    angles = torch.arange(VIEWS).to(pose) * (2 * torch.pi / VIEWS)
    turns = torch.eye(4).to(pose).repeat(VIEWS, 1, 1)
    turns[:, :3, :3] = rotations(-angles[:, None] * pose[:3, 1])
    turns[:, :3, 3] = middle - turns[:, :3, :3] @ middle
    return cameras[[0] * VIEWS].moved(turns @ pose)
