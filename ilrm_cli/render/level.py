"""Geometry that camera paths share: level cameras, and what photos tell about where to stand."""

import math
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from ilrm_cli.cameras import Cameras
from ilrm_cli.render.subject import Subject

# A path that looks closer than this to straight up or down has no horizon; the photos' own upright takes its place.
POLE_DEG = 10.0


def look_at(
    positions: Float[Tensor, "camera 3"], target: Float[Tensor, "3"], up: Float[Tensor, "3"]
) -> Float[Tensor, "camera 4 4"]:
    """Poses of level cameras at the positions, with the target in the middle of the picture."""
    forward = torch.nn.functional.normalize(target - positions, dim=1)
    right = torch.nn.functional.normalize(torch.linalg.cross(forward, up.expand_as(forward)), dim=1)
    down = torch.linalg.cross(forward, right)
    poses = torch.eye(4).to(positions).repeat(len(positions), 1, 1)
    poses[:, :3, :] = torch.stack([right, down, forward, positions], dim=2)
    return poses


def with_poses(cameras: Cameras, poses: Float[Tensor, "frame 4 4"]) -> Cameras:
    """Cameras with the median focal length of the photos' and the principal point in the middle."""
    focal = cameras.focal_px.median(0).values
    center = torch.tensor([cameras.width / 2, cameras.height / 2]).to(focal)
    return replace(
        cameras, world_from_cam=poses, focal_px=focal.repeat(len(poses), 1), center_px=center.repeat(len(poses), 1)
    )


def seers(cameras: Cameras, subject: Subject) -> Cameras:
    """The cameras that have the target within 60 degrees of their axis (all of them where none has)."""
    toward = torch.nn.functional.normalize(subject.target - cameras.positions, dim=1)
    seeing = ((toward * cameras.forward).sum(1) > 0.5).nonzero()[:, 0]
    return cameras[seeing] if len(seeing) else cameras


def azimuths(cameras: Cameras, subject: Subject) -> tuple[float, float]:
    """Middle and length (radians) of the arc around the target that the cameras cover: all but the largest gap."""
    east, north = ground_axes(subject.up)
    offsets = seers(cameras, subject).positions - subject.target
    sorted_rad = torch.atan2(offsets @ north, offsets @ east).sort().values
    gaps = torch.cat([sorted_rad[1:], sorted_rad[:1] + 2 * math.pi]) - sorted_rad
    largest = int(gaps.argmax())
    span = 2 * math.pi - float(gaps[largest])
    start = float(sorted_rad[(largest + 1) % len(sorted_rad)])
    return start + span / 2, span


def upright_for(cameras: Cameras, forward: Float[Tensor, "direction 3"], up: Float[Tensor, "3"]) -> Float[Tensor, "3"]:
    """`up`, or the top of the first photo's picture where a path looks nearly along it (drones look straight down)."""
    along = float((torch.nn.functional.normalize(forward, dim=1) @ up).abs().max())
    return up if along < math.cos(math.radians(POLE_DEG)) else -cameras.world_from_cam[0, :3, 1]


def ground_axes(up: Float[Tensor, "3"]) -> tuple[Float[Tensor, "3"], Float[Tensor, "3"]]:
    """Two unit axes that make a right-handed frame with `up`."""
    seed = torch.zeros_like(up)
    seed[int(up.abs().argmin())] = 1
    east = torch.nn.functional.normalize(torch.linalg.cross(seed, up), dim=0)
    return east, torch.linalg.cross(up, east)
