"""Gaussians sampled from a field, and how well they show it."""

from dataclasses import dataclass

import torch

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.fields import Field
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.transforms import rotations
from ilrm_cli.geometry.views import Views
from ilrm_cli.models.base import Network
from ilrm_cli.render.metrics import psnr
from ilrm_cli.render.rasterize import render
from ilrm_cli.render.surface import Surface, discs, surface_of
from ilrm_cli.render.volume import render_field
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.progress import Report, ignore

SIDE_PX = 128  # of the pictures that are compared
VIEWS = 4  # from all sides, or so many of the input views


@dataclass(frozen=True)
class SampledField:
    """A field, its surface, and what its Gaussians are worth."""

    field: Field
    surface: Surface
    psnr: float  # dB of pictures of the Gaussians against pictures of the field, mean
    views: int  # compared

    @property
    def figures(self) -> dict[str, float | int]:
        return {"psnr": self.psnr, "views": self.views, "triangles": len(self.surface.mesh.triangles)}


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
    cameras = _from_all_sides(inputs.cameras) if not model.capabilities.needs_poses else inputs.cameras[:VIEWS]
    small = cameras.at_long_side(SIDE_PX)
    theirs = render_field(field, small, report=report).color
    ours = render(gaussians, small, background=field.background).color
    return SampledField(field, surface, float(psnr(ours, theirs).mean()), len(small)), gaussians


def _from_all_sides(cameras: Cameras) -> Cameras:
    """Return the first camera, and others around the origin, evenly turned about its picture's up direction."""
    pose = cameras.world_from_cam[0]
    angles = torch.arange(VIEWS).to(pose) * (2 * torch.pi / VIEWS)
    turns = torch.eye(4).to(pose).repeat(VIEWS, 1, 1)
    turns[:, :3, :3] = rotations(-angles[:, None] * pose[:3, 1])
    return cameras[[0] * VIEWS].moved(turns @ pose)
