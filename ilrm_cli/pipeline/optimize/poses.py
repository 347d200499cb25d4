"""Poses that are refined with the scene: six numbers a photo, learned like its colours when it is drawn.

A camera that moves sees what it would see if the scene moved the other way as a rigid body. So the gradient of a pose
is a sum over gradients that every rasteriser gives: those of means, of quaternions, and of harmonics of degree 1, which
turn with the scene (those of higher degrees hardly change a pose, and are left out).

Turns are about the camera's own centre, in world axes, and shifts are in the scene's normalised unit. Both have mean
zero over the photos: what all cameras do together is the scene's own frame, which stays.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.transforms import rotations
from ilrm_cli.geometry.views import Views, ViewSource
from ilrm_cli.pipeline.optimize.parameters import Parameters
from ilrm_cli.pipeline.optimize.per_photo import PhotoNumbers

# First step sizes of turns, in radians, and of shifts, in normalised units; as for the scene, a cosine shrinks them.
# Poses off by 1 degree and 1 %, after 300 small steps: with 1e-3 each, held-out photos that were aligned scored 20.8 dB
# on fern and 23.6 on fox; with 2e-3 each 21.0 and 23.9; with 4e-3 and 2e-3 21.1 and 24.1. Good poses on fox turned by
# 0.20 degrees in 100 steps with two thirds of these rates, by 0.25 with these.
TURN_RATE, SHIFT_RATE = 3e-3, 2e-3


def pose_gradient(scene: Parameters, position: Float[Tensor, "3"]) -> Float[Tensor, "6"]:
    """Return the gradient of a picture's error to a turn and a shift of its camera, which is at `position`.

    The scene holds its own gradients for that picture.
    """
    means, w, v = scene.means.detach(), scene.quaternions.detach()[:, :1], scene.quaternions.detach()[:, 1:]
    along, turned = scene.means.grad, scene.quaternions.grad
    assert along is not None, "between the backward pass and the step"
    assert turned is not None, "as above"
    turn = torch.linalg.cross(means - position, along).sum(0)
    gw, gv = turned[:, :1], turned[:, 1:]
    turn = turn + 0.5 * (w * gv - gw * v + torch.linalg.cross(v, gv)).sum(0)
    if scene.rest.shape[1]:
        assert scene.rest.grad is not None, "as above"
        turn = turn + torch.linalg.cross(_vectors(scene.rest.detach()), _vectors(scene.rest.grad)).sum((0, 1))
    return -torch.cat([turn, along.sum(0)])


def _vectors(rest: Float[Tensor, "gaussian bases 3"]) -> Float[Tensor, "gaussian channel 3"]:
    """Return the vector whose product with a direction is the part of degree 1, but for a factor; see `harmonics`."""
    minus_y, z, minus_x = rest[:, 0], rest[:, 1], rest[:, 2]
    return torch.stack([-minus_x, -minus_y, z], dim=-1)


def moved(cameras: Cameras, changes: Float[Tensor, "camera 6"]) -> Cameras:
    """Return the cameras after each was turned about its centre, by a rotation vector in world axes, and shifted."""
    poses = cameras.world_from_cam.clone()
    poses[:, :3, :3] = rotations(changes[:, :3].to(poses)) @ poses[:, :3, :3]
    poses[:, :3, 3] += changes[:, 3:].to(poses)
    return cameras.moved(poses)


class PhotoPoses(PhotoNumbers):
    """The change of each photo's pose: a turn, then a shift."""

    def __init__(self, photos: int, device: torch.device):
        rates = torch.tensor([TURN_RATE] * 3 + [SHIFT_RATE] * 3, device=device)
        super().__init__(photos, torch.zeros(6, device=device), rates)

    def of(self, photo: int, camera: Cameras) -> Cameras:
        """Return the camera of a photo as it is now."""
        return moved(camera, self.numbers[[photo]])


@dataclass(frozen=True)
class PosedAgain:
    """The views of a source with other cameras, of which some pixels may count no more."""

    source: ViewSource
    cameras: Cameras
    counts: Float[Tensor, "height width"] | None = None  # 1 where pixels still count; None: everywhere

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: Sequence[int]) -> Views:
        views = replace(self.source[index], cameras=self.cameras[index])
        return views if self.counts is None else counting(views, self.counts)


def counting(views: Views, counts: Float[Tensor, "height width"]) -> Views:
    """Return the views with the pixels masked as well that do not count."""
    counts = counts.to(views.images).expand(len(views), -1, -1)
    return replace(views, masks=counts if views.masks is None else counts * views.masks)


@dataclass(frozen=True)
class PoseCorrections:
    """What was done to the poses of photos: a turn about the camera's centre and a shift, in normalised axes."""

    names: tuple[str, ...]
    turns: Float[Tensor, "photo 3 3"]
    shifts: Float[Tensor, "photo 3"]

    @staticmethod
    def between(
        names: Sequence[str], given: Float[Tensor, "photo 4 4"], found: Float[Tensor, "photo 4 4"]
    ) -> "PoseCorrections":
        turns = found[:, :3, :3] @ given[:, :3, :3].transpose(1, 2)
        return PoseCorrections(tuple(names), turns, found[:, :3, 3] - given[:, :3, 3])

    def applied(self, names: Sequence[str], cameras: Cameras) -> Cameras:
        """Return other cameras of these photos, as of another size, corrected; they are named in order."""
        return cameras.moved(self.of_poses(names, cameras.world_from_cam))

    def of_poses(self, names: Sequence[str], world_from_cam: Float[Tensor, "photo 4 4"]) -> Float[Tensor, "photo 4 4"]:
        """Return other poses of these photos, as of upright ones, corrected; they are named in order."""
        rows = [self.names.index(name) for name in names]
        poses = world_from_cam.clone()
        poses[:, :3, :3] = self.turns[rows].to(poses) @ poses[:, :3, :3]
        poses[:, :3, 3] += self.shifts[rows].to(poses)
        return poses

    @property
    def turn_deg(self) -> float:
        """Mean angle."""
        cosines = (self.turns.double().diagonal(dim1=-2, dim2=-1).sum(-1) - 1) / 2
        return math.degrees(float(cosines.clamp(-1, 1).acos().mean()))

    @property
    def shift(self) -> float:
        """Mean length, in the normalised unit: a share of how far the farthest camera is from the middle."""
        return float(self.shifts.norm(dim=1).mean())
