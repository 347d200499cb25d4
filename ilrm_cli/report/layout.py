"""Cameras in the scene: a level three-dimensional layout."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float64, UInt8
from numpy import ndarray

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.frames import frame_from_input
from ilrm_cli.geometry.harmonics import to_color
from ilrm_cli.pipeline.reconstruct import Reconstruction
from ilrm_cli.report.photo_list import PhotoEntry, Role

SOLID = 0.3  # opacity from which a Gaussian is drawn as a point
MAX_POINTS = 40_000  # evenly chosen; more would only fill the picture
FAR = 2.5  # times the scene's distance from the nearest camera; points beyond are the backdrop and not drawn


@dataclass(frozen=True)
class Standing:
    """A photo's camera in the frame of the drawing."""

    name: str
    role: Role
    number: int | None  # of an input
    position: Float64[ndarray, "3"]
    corners: Float64[ndarray, "4 3"]  # unit depth: directions of the image's corners, from the top left clockwise


@dataclass(frozen=True)
class Layout:
    """Cameras and points in a level frame: x right, y ahead, z up, in the units of the normalised scene."""

    cameras: tuple[Standing, ...]  # inputs and scored photos
    points: Float64[ndarray, "point 3"]  # means of Gaussians
    colors: UInt8[ndarray, "point 3"]


def layout_of(result: Reconstruction, photos: Sequence[PhotoEntry]) -> Layout:
    """Return the cameras of inputs and scored photos, and the means of solid Gaussians near them."""
    poses = torch.from_numpy(np.stack([photo.world_from_cam for photo in result.capture.photos]))
    level = frame_from_input("up", result.normalized_from_world.poses(poses))
    numbers = {photo.name: photo.number for photo in photos}
    cameras = _standing(result.inputs.cameras, [p.name for p in result.used], "input", numbers, level.rotation)
    if result.targets:
        cameras += _standing(
            result.targets.cameras, [p.name for p in result.scored], "held_out", numbers, level.rotation
        )
    gaussians = result.gaussians[result.gaussians.opacities > SOLID].to("cpu")
    near = torch.cdist(gaussians.means.double(), result.inputs.cameras.positions.double().cpu()).min(1).values
    gaussians = gaussians[near < FAR * result.depth]
    gaussians = gaussians[:: -(-max(len(gaussians), 1) // MAX_POINTS)]
    return Layout(
        cameras=tuple(cameras),
        points=level.points(gaussians.means.double()).numpy(),
        colors=(to_color(gaussians.harmonics).clamp(0, 1) * 255).round().byte().numpy(),
    )


def _standing(
    cameras: Cameras,
    names: Sequence[str],
    role: Role,
    numbers: dict[str, int | None],
    level: Float[torch.Tensor, "3 3"],
) -> list[Standing]:
    cameras = cameras.to("cpu").to(torch.float64)
    pixels = torch.tensor([[0, 0], [1, 0], [1, 1], [0, 1]]) * torch.tensor([cameras.width, cameras.height])
    flat = (pixels - cameras.center_px[:, None]) / cameras.focal_px[:, None]  # [camera, 4, 2] at unit depth
    rays = torch.cat([flat, torch.ones_like(flat[..., :1])], dim=-1)
    rays = rays @ (level @ cameras.world_from_cam[:, :3, :3]).mT
    positions = cameras.positions @ level.T
    return [
        Standing(name, role, numbers.get(name), position.numpy(), corners.numpy())
        for name, position, corners in zip(names, positions, rays, strict=True)
    ]
