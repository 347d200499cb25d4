"""Made-up captures: photos around a ball, before a wall, from a drone; no pixels."""

import math

import torch
from torch import Tensor

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.render.paths.routes import look_at
from ilrm_cli.render.paths.subject import Subject

UP = torch.tensor([0.0, -1.0, 0.0]).double()
TARGET = torch.tensor([1.0, -2.0, 3.0]).double()

AROUND = Subject(TARGET, UP, depth=4.0, converging=True)


def ball(center: Tensor = TARGET, count: int = 500, radius: float = 0.3) -> Gaussians:
    means = center.float() + radius * torch.randn(count, 3, generator=torch.Generator().manual_seed(0))
    return Gaussians(
        means=means,
        quaternions=torch.tensor([1.0, 0, 0, 0]).repeat(count, 1),
        scales=torch.full((count, 3), 0.05),
        opacities=torch.full((count,), 0.8),
        harmonics=torch.zeros(count, 1, 3),
    )


def cameras_at(poses: Tensor) -> Cameras:
    count = len(poses)
    return Cameras(
        world_from_cam=poses,
        focal_px=torch.full((count, 2), 60.0).double(),
        center_px=torch.tensor([[31.0, 25.0]] * count).double(),
        width=64,
        height=48,
    )


def arc(azimuths_deg: list[float], elevation_deg: float = 20.0, radius: float = 4.0) -> Cameras:
    """Return inward-facing cameras around TARGET; azimuth 0 looks along +z, 90 along -x."""
    azimuth = torch.tensor(azimuths_deg).double().deg2rad()
    level = torch.stack([azimuth.sin(), torch.zeros_like(azimuth), -azimuth.cos()], dim=1)
    elevation = math.radians(elevation_deg)
    positions = TARGET + radius * (math.cos(elevation) * level + math.sin(elevation) * UP)
    return cameras_at(look_at(positions, TARGET, UP))


def wall_facing(count: int = 9) -> Cameras:
    """Return cameras on a grid of 0.5 x 0.5 at z = 0, all looking along +z."""
    side = round(count**0.5)
    poses = torch.eye(4).double().repeat(count, 1, 1)
    poses[:, 0, 3] = torch.arange(count) % side * 0.5 / (side - 1)
    poses[:, 1, 3] = torch.arange(count) // side * 0.5 / (side - 1)
    return cameras_at(poses)


def azimuths_deg(cameras: Cameras) -> Tensor:
    offsets = cameras.positions - TARGET
    return torch.atan2(offsets[:, 0], -offsets[:, 2]).rad2deg()


def assert_looks_at(cameras: Cameras, point: Tensor) -> None:
    """Check that the point is in the middle of every picture and that the horizon is level."""
    seen = (point - cameras.positions)[:, None] @ cameras.world_from_cam[:, :3, :3]
    assert (seen[:, 0, 2] > 0).all()
    assert seen[:, 0, :2].abs().max() < 1e-9
    assert (cameras.world_from_cam[:, :3, 0] @ UP).abs().max() < 1e-9
    assert ((-cameras.world_from_cam[:, :3, 1]) @ UP > 0).all()
    assert (cameras.center_px == torch.tensor([32.0, 24.0])).all()


def looking_down(yaws_deg: list[float]) -> Cameras:
    """Return drone cameras 10 above z = 0 that look straight down, each turned by its yaw."""
    yaw = torch.tensor(yaws_deg).double().deg2rad()
    poses = torch.eye(4).double().repeat(len(yaw), 1, 1)
    zero = torch.zeros_like(yaw)
    poses[:, :3, 0] = torch.stack([yaw.cos(), yaw.sin(), zero], dim=1)
    poses[:, :3, 1] = torch.stack([yaw.sin(), -yaw.cos(), zero], dim=1)
    poses[:, :3, 2] = torch.tensor([0.0, 0.0, -1.0]).double()
    poses[:, :3, 3] = torch.tensor([[-2.0, -2, 10], [2, -2, 10], [2, 2, 10], [-2, 2, 10]]).double()
    return cameras_at(poses)
