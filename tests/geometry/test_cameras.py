"""Cameras, what they project, and the rays through their pixels."""

import torch

from ilrm_cli.geometry.cameras import Cameras, pixel_centers, stack, unit_rays
from ilrm_cli.geometry.transforms import matrix_from_quaternion
from ilrm_cli.models.layers.tokens import pixel_channels

CAMERA = Cameras(
    torch.tensor([[[1.0, 0, 0, 5], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]]),
    torch.tensor([[2.0, 2.0]]),
    torch.tensor([[1.5, 0.5]]),
    width=2,
    height=1,
)


def one_camera() -> Cameras:
    pose = torch.eye(4, dtype=torch.float64)[None].clone()
    pose[0, :3, :3] = matrix_from_quaternion(torch.tensor([0.9, 0.1, -0.3, 0.2], dtype=torch.float64))
    pose[0, :3, 3] = torch.tensor([1.0, 2.0, -3.0])
    return Cameras(pose, torch.tensor([[500.0, 510.0]]).double(), torch.tensor([[320.0, 200.0]]).double(), 640, 480)


def project(cameras: Cameras, point: torch.Tensor) -> torch.Tensor:
    return cameras.project(point[None]).pixels[:, 0]


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


def test_projections_are_what_the_intrinsics_and_poses_say():
    cameras = stack([one_camera(), one_camera().moved(torch.eye(4, dtype=torch.float64)[None])])
    points = torch.rand(50, 3, dtype=torch.float64) * 8 - 4
    seen = cameras.project(points)
    homogeneous = torch.cat([points, torch.ones(50, 1, dtype=torch.float64)], 1)
    local = torch.einsum("cij,pj->cpi", cameras.cam_from_world, homogeneous)[..., :3]
    rays = torch.einsum("cij,cpj->cpi", cameras.intrinsics_px, local)
    torch.testing.assert_close(seen.depth, local[..., 2])
    ahead = seen.depth > 0
    torch.testing.assert_close(seen.pixels[ahead], (rays[..., :2] / rays[..., 2:])[ahead])
    each = cameras.project(points.expand(2, 50, 3))
    torch.testing.assert_close(each.pixels, seen.pixels)


def test_what_is_behind_or_beside_the_image_is_not_inside_and_has_some_cell():
    cameras = one_camera().moved(torch.eye(4, dtype=torch.float64)[None])
    right, below = (640 - 320) / 500, (480 - 200) / 510  # of the last pixels' far edges, at depth 1
    points = [[0, 0, 1], [0, 0, -1], [0, 0, 0], [right, 0, 1], [0, below, 1], [right - 1e-9, 0, 1]]
    seen = cameras.project(torch.tensor(points, dtype=torch.float64))
    assert seen.inside[0].tolist() == [True, False, False, False, False, True]
    row, column = seen.cells()
    assert (row[0, 0], column[0, 0]) == (200, 320)
    assert column[0, -1] == 639
    assert row.min() >= 0
    assert row.max() < 480


def test_pixel_centres():
    assert pixel_centers(2, 1, torch.zeros(())).tolist() == [[[0.5, 0.5], [1.5, 0.5]]]


def test_rays_of_a_known_camera():
    origin, direction = unit_rays(CAMERA)
    assert origin[0, 0, 0].tolist() == [5, 0, 0]
    torch.testing.assert_close(direction[0, 0, 1], torch.tensor([0.0, 0, 1]))  # through the principal point
    torch.testing.assert_close(direction[0, 0, 0], torch.tensor([-0.5, 0, 1]) / 1.25**0.5)


def test_channels_come_in_the_order_of_their_names():
    image = torch.tensor([1.0, 0.5, 0.0]).view(1, 3, 1, 1).expand(1, 3, 1, 2)
    channels = pixel_channels(CAMERA, ("color", "moment", "direction"), image)[0, 0, 1]
    torch.testing.assert_close(channels, torch.tensor([1.0, 0, -1, 0, -5, 0, 0, 0, 1]))
