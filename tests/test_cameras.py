import torch

from ilrm_cli.cameras import Cameras, stack
from ilrm_cli.rotations import matrix_from_quaternion


def one_camera() -> Cameras:
    pose = torch.eye(4, dtype=torch.float64)[None].clone()
    pose[0, :3, :3] = matrix_from_quaternion(torch.tensor([0.9, 0.1, -0.3, 0.2], dtype=torch.float64))
    pose[0, :3, 3] = torch.tensor([1.0, 2.0, -3.0])
    return Cameras(pose, torch.tensor([[500.0, 510.0]]).double(), torch.tensor([[320.0, 200.0]]).double(), 640, 480)


def project(cameras: Cameras, point: torch.Tensor) -> torch.Tensor:
    cam = (cameras.cam_from_world @ torch.cat([point, torch.ones(1).to(point)]))[:, :3]
    pixel = (cameras.intrinsics_px @ cam[..., None]).squeeze(-1)
    return pixel[:, :2] / pixel[:, 2:]


def test_point_on_the_axis_lands_on_the_principal_point():
    cameras = one_camera()
    point = cameras.positions[0] + 4 * cameras.forward[0]
    torch.testing.assert_close(project(cameras, point), cameras.center_px)


def test_inverse_pose():
    cameras = one_camera()
    torch.testing.assert_close(cameras.cam_from_world @ cameras.world_from_cam, torch.eye(4).double()[None])


def test_resizing_moves_pixels_in_proportion():
    cameras = one_camera()
    point = cameras.positions[0] + cameras.world_from_cam[0, :3, :3] @ torch.tensor([0.2, -0.1, 2.0]).double()
    before = project(cameras, point)
    torch.testing.assert_close(project(cameras.resized(320, 120), point), before * torch.tensor([0.5, 0.25]))


def test_stack_and_pick():
    both = stack([one_camera(), one_camera()])
    assert len(both) == 2
    assert len(both[[1]]) == 1
