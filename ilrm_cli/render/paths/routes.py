"""Routes and the geometry that camera paths share: level cameras, and what photos tell about where to stand.

A route says where the camera is at each moment of a film, before the film is cut into frames.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.render.paths.subject import Subject

# A path closer than this to straight up or down has no horizon; the photos' own upright direction is used instead.
POLE_DEG = 10.0

STEADY_SHARE = 0.95  # of the frames, among which the fastest one sets the pace


@dataclass(frozen=True)
class Route:
    """A smooth curve of cameras over phases in [0, 1]."""

    at: Callable[[Float[Tensor, " frame"]], Cameras]
    closed: bool  # phase 1 equals phase 0, without a jump

    def frames(self, count: int, *, loop: bool = False) -> Cameras:
        """Return `count` frames; on a closed route, or with `loop`, the first follows the last without a jump.

        An open route is followed from end to end, or, with `loop`, there and back smoothly.
        """
        assert count > 0, f"{count} frames"
        steps = torch.arange(count, dtype=torch.float64)
        if self.closed:
            return self.at(steps / count)
        if loop:
            return self.at((1 - (2 * math.pi * steps / count).cos()) / 2)
        return self.at(steps / max(1, count - 1))

    def part(self, start: float, end: float) -> "Route":
        """Return the stretch between two phases, as an open route; on a closed route it may go past 1."""
        return Route(
            lambda phases: self.at(
                (start + (end - start) * phases) % 1.0 if self.closed else start + (end - start) * phases
            ),
            closed=False,
        )


def fastest_deg(frames: Cameras, depth: float) -> float:
    """Return by how many degrees the view changes in the time of all frames, at the pace where it changes fastest.

    A view changes by the angle that the camera turns, or the one by which a point at `depth` (world units) moves as the
    camera is displaced, whichever is larger. A few jumps, as between photos, do not count.
    """
    if len(frames) < 2:
        return 0.0
    before, after = frames.world_from_cam[:-1], frames.world_from_cam[1:]
    cosines = ((before[:, :3, :3] * after[:, :3, :3]).sum(dim=(1, 2)) - 1) / 2
    shifts = (after[:, :3, 3] - before[:, :3, 3]).norm(dim=1)
    changes = torch.maximum(cosines.clamp(-1, 1).arccos(), (shifts / depth).arctan())
    return len(frames) * math.degrees(float(changes.quantile(STEADY_SHARE)))


def look_at(
    positions: Float[Tensor, "camera 3"], target: Float[Tensor, "3"], up: Float[Tensor, "3"]
) -> Float[Tensor, "camera 4 4"]:
    """Return poses of level cameras at the positions, with the target in the middle of the picture."""
    forward = torch.nn.functional.normalize(target - positions, dim=1)
    right = torch.nn.functional.normalize(torch.linalg.cross(forward, up.expand_as(forward)), dim=1)
    down = torch.linalg.cross(forward, right)
    poses = torch.eye(4).to(positions).repeat(len(positions), 1, 1)
    poses[:, :3, :] = torch.stack([right, down, forward, positions], dim=2)
    return poses


def with_poses(cameras: Cameras, poses: Float[Tensor, "frame 4 4"]) -> Cameras:
    """Return cameras with the photos' median focal length and the principal point in the middle."""
    focal = cameras.focal_px.median(0).values
    center = torch.tensor([cameras.width / 2, cameras.height / 2]).to(focal)
    return replace(
        cameras, world_from_cam=poses, focal_px=focal.repeat(len(poses), 1), center_px=center.repeat(len(poses), 1)
    )


def seers(cameras: Cameras, subject: Subject) -> Cameras:
    """Return the cameras with the target within 60 degrees of their axis (all of them if none has)."""
    toward = torch.nn.functional.normalize(subject.target - cameras.positions, dim=1)
    seeing = ((toward * cameras.forward).sum(1) > 0.5).nonzero()[:, 0]
    return cameras[seeing] if len(seeing) else cameras


def azimuths(cameras: Cameras, subject: Subject) -> tuple[float, float]:
    """Return middle and length (radians) of the arc around the target that the cameras cover: all but the main gap."""
    east, north = ground_axes(subject.up)
    offsets = seers(cameras, subject).positions - subject.target
    sorted_rad = torch.atan2(offsets @ north, offsets @ east).sort().values
    gaps = torch.cat([sorted_rad[1:], sorted_rad[:1] + 2 * math.pi]) - sorted_rad
    largest = int(gaps.argmax())
    span = 2 * math.pi - float(gaps[largest])
    start = float(sorted_rad[(largest + 1) % len(sorted_rad)])
    return start + span / 2, span


def upright_for(cameras: Cameras, forward: Float[Tensor, "direction 3"], up: Float[Tensor, "3"]) -> Float[Tensor, "3"]:
    """Return `up`, or the first photo's upright if a path looks nearly along it (drones look straight down)."""
    along = float((torch.nn.functional.normalize(forward, dim=1) @ up).abs().max())
    return up if along < math.cos(math.radians(POLE_DEG)) else -cameras.world_from_cam[0, :3, 1]


def ground_axes(up: Float[Tensor, "3"]) -> tuple[Float[Tensor, "3"], Float[Tensor, "3"]]:
    """Return two unit axes that form a right-handed frame with `up`."""
    seed = torch.zeros_like(up)
    seed[int(up.abs().argmin())] = 1
    east = torch.nn.functional.normalize(torch.linalg.cross(seed, up), dim=0)
    return east, torch.linalg.cross(up, east)
