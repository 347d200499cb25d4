import math

import pytest
import torch

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.transforms import matrix_from_quaternion
from ilrm_cli.visualize.page.poses import Pose, level, poses_of

OPENGL_FROM_OPENCV = torch.diag(torch.tensor([1.0, -1.0, -1.0]).double())


def level_cameras(count: int) -> Cameras:
    """Return cameras anywhere, without roll in a world with y down."""
    draw = torch.Generator().manual_seed(1)
    yaw = 2 * math.pi * torch.rand(count, generator=draw).double()
    pitch = 2.4 * (torch.rand(count, generator=draw).double() - 0.5)
    zero = torch.zeros(count).double()
    about_y = torch.stack([(yaw / 2).cos(), zero, (yaw / 2).sin(), zero], dim=1)
    about_x = torch.stack([(pitch / 2).cos(), (pitch / 2).sin(), zero, zero], dim=1)
    poses = torch.eye(4).double().repeat(count, 1, 1)
    poses[:, :3, :3] = matrix_from_quaternion(about_y) @ matrix_from_quaternion(about_x)
    poses[:, :3, 3] = torch.randn(count, 3, generator=draw).double()
    focal = torch.tensor([[80.0, 80.0]]).double().expand(count, 2)
    return Cameras(poses, focal, torch.tensor([[60.0, 40.0]]).double().expand(count, 2), 120, 80)


def as_the_viewer_stands(pose: Pose) -> torch.Tensor:
    """Return the viewer's world_from_cam (OpenGL axes) of a pose, by its `look`, `vecToAngles` and Euler angles."""
    position, target = torch.tensor(pose.position).double(), torch.tensor(pose.target).double()
    x, y, z = torch.nn.functional.normalize(target - position, dim=0).tolist()
    pitch, yaw = math.asin(y), math.atan2(-x, -z)
    about_x = matrix_from_quaternion(torch.tensor([math.cos(pitch / 2), math.sin(pitch / 2), 0, 0]).double())
    about_y = matrix_from_quaternion(torch.tensor([math.cos(yaw / 2), 0, math.sin(yaw / 2), 0]).double())
    made = torch.eye(4).double()
    made[:3, :3], made[:3, 3] = about_y @ about_x, position
    return made


def test_level_cameras_come_back_from_the_viewer() -> None:
    cameras = level_cameras(20)
    turned = torch.diag(torch.tensor([-1.0, -1.0, 1.0]).double())  # the viewer's entity: 180 degrees about z
    for i, pose in enumerate(poses_of(cameras, torch.linspace(0.5, 3, 20))):
        stands = as_the_viewer_stands(pose)
        torch.testing.assert_close(turned @ stands[:3, 3], cameras.positions[i])
        axes = turned @ stands[:3, :3] @ OPENGL_FROM_OPENCV
        torch.testing.assert_close(axes, cameras.world_from_cam[i, :3, :3], rtol=0, atol=1e-6)


def test_targets_lie_ahead_at_the_depth() -> None:
    cameras = level_cameras(4)
    depths = torch.tensor([1.0, 2.0, 3.0, 4.0])
    for pose, depth in zip(poses_of(cameras, depths), depths.tolist(), strict=True):
        assert math.dist(pose.position, pose.target) == pytest.approx(depth)


def test_the_field_of_view_is_that_of_the_longer_side() -> None:
    (pose,) = poses_of(level_cameras(1), torch.ones(1))
    assert pose.extent == pytest.approx((60 / 80, 40 / 80))
    assert pose.fov_deg == pytest.approx(2 * math.degrees(math.atan(60 / 80)))


def test_a_photo_on_its_side_is_high_when_seen_level() -> None:
    cameras = level_cameras(1)
    poses = cameras.world_from_cam.clone()
    x, y = poses[:, :3, 0].clone(), poses[:, :3, 1].clone()
    poses[:, :3, 0], poses[:, :3, 1] = y, -x
    (pose,) = poses_of(cameras.moved(poses), torch.ones(1))
    assert pose.extent == pytest.approx((40 / 80, 60 / 80))


@pytest.mark.parametrize("up", [(0.0, -1, 0), (0, 1, 0), (0, 0, 1), (0.6, 0, 0.8), (1e-12, 1, 0), (0.28, -0.96, 0)])
def test_level_turns_up_to_minus_y(up: tuple[float, float, float]) -> None:
    vector = torch.tensor(up, dtype=torch.float64)
    turn = level(vector)
    torch.testing.assert_close(turn.points(vector), torch.tensor([0.0, -1, 0]).double(), rtol=0, atol=1e-9)
    torch.testing.assert_close(turn.rotation @ turn.rotation.T, torch.eye(3).double())
    assert float(torch.linalg.det(turn.rotation)) == pytest.approx(1)


def test_level_turns_no_farther_than_needed() -> None:
    up = torch.tensor([0.28, -0.96, 0.0], dtype=torch.float64)
    angle = math.acos((float(level(up).rotation.trace()) - 1) / 2)
    assert angle == pytest.approx(math.acos(0.96))
