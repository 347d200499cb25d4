import math

import pytest
import torch

from ilrm_cli.geometry.frames import ORBIT_RADIUS, centred_from_world, frame_of_model, normalisation_of
from ilrm_cli.geometry.transforms import matrix_from_quaternion


def random_poses(count: int = 6, seed: int = 0) -> torch.Tensor:
    """Return cameras that look roughly the same way from different places."""
    generator = torch.Generator().manual_seed(seed)
    quaternion = torch.tensor([1.0, 0.3, -0.2, 0.1]) + 0.1 * torch.randn(count, 4, generator=generator)
    poses = torch.eye(4, dtype=torch.float64).repeat(count, 1, 1)
    poses[:, :3, :3] = matrix_from_quaternion(quaternion.double())
    poses[:, :3, 3] = torch.randn(count, 3, generator=generator).double() * 3 + 10
    return poses


def looking_inward(count: int) -> torch.Tensor:
    """Return a full circle of upright cameras around the origin, radius 2, y down."""
    poses = torch.eye(4, dtype=torch.float64).repeat(count, 1, 1)
    for pose, k in zip(poses, range(count), strict=True):
        c, s = math.cos(2 * math.pi * k / count), math.sin(2 * math.pi * k / count)
        forward = torch.tensor([-c, 0, -s], dtype=torch.float64)
        down = torch.tensor([0, 1.0, 0], dtype=torch.float64)
        pose[:3, :3] = torch.stack([torch.linalg.cross(down, forward), down, forward], dim=1)
        pose[:3, 3] = -2 * forward
    return poses


def test_two_parallel_cameras_by_hand():
    poses = torch.eye(4, dtype=torch.float64).repeat(2, 1, 1)
    poses[:, :3, 3] = torch.tensor([[1.0, 5, 0], [5.0, 5, 0]])
    similarity = normalisation_of(poses)
    expected = torch.tensor([[-1.0, 0, 0], [1.0, 0, 0]], dtype=torch.float64)
    torch.testing.assert_close(similarity.poses(poses)[:, :3, 3], expected)
    assert similarity.scale == 0.5
    assert normalisation_of(poses, "raw").scale == 1 / 5


def test_normalised_cameras_are_centred_aligned_and_of_unit_extent():
    poses = random_poses()
    normalized = normalisation_of(poses).poses(poses)
    torch.testing.assert_close(normalized[:, :3, 3].mean(0), torch.zeros(3, dtype=torch.float64))
    torch.testing.assert_close(normalized[:, :3, 3].abs().max(), torch.tensor(1.0, dtype=torch.float64))
    forward, down = normalized[:, :3, 2].mean(0), normalized[:, :3, 1].mean(0)
    torch.testing.assert_close(forward[:2], torch.zeros(2, dtype=torch.float64))
    torch.testing.assert_close(down[0], torch.tensor(0.0, dtype=torch.float64))
    assert forward[2] > 0
    assert down[1] > 0


def test_the_world_frame_does_not_matter():
    poses = random_poses()
    moved = normalisation_of(random_poses(seed=5)).poses(poses)  # some similarity or other
    torch.testing.assert_close(normalisation_of(poses).poses(poses), normalisation_of(moved).poses(moved))


def test_matches_the_recipe_step_by_step():
    poses = random_poses(seed=7)
    forward = poses[:, :3, 2].mean(0)
    forward = forward / forward.norm()
    down = poses[:, :3, 1].mean(0)
    down = down - (down @ forward) * forward
    down = down / down.norm()
    frame = torch.eye(4, dtype=torch.float64)
    frame[:3, :3] = torch.stack([torch.linalg.cross(down, forward), down, forward], dim=1)
    frame[:3, 3] = poses[:, :3, 3].mean(0)
    expected = torch.linalg.inv(frame) @ poses
    expected[:, :3, 3] /= expected[:, :3, 3].abs().max()
    torch.testing.assert_close(normalisation_of(poses).poses(poses), expected)


def test_a_full_circle_keeps_a_proper_frame():
    poses = looking_inward(8)
    similarity = normalisation_of(poses)
    torch.testing.assert_close(similarity.rotation @ similarity.rotation.T, torch.eye(3, dtype=torch.float64))
    normalized = similarity.poses(poses)
    torch.testing.assert_close(normalized[0, :3, :3], torch.eye(3, dtype=torch.float64))  # the first camera's axes
    torch.testing.assert_close(normalized[:, 1, 1], torch.ones(8, dtype=torch.float64))  # upright stays upright


def test_cameras_at_one_place_keep_their_scale():
    poses = random_poses()
    poses[:, :3, 3] = torch.tensor([7.0, -3, 11])
    similarity = normalisation_of(poses)
    assert similarity.scale == 1
    assert similarity.poses(poses)[:, :3, 3].abs().max() < 1e-9


def test_an_objects_frame_has_it_at_the_origin_and_stands_upright():
    """Cameras around a point, moved anywhere: the point is found, and the cameras are as far away as trained on."""
    angle = torch.arange(6, dtype=torch.float64)
    positions = torch.stack([angle.cos(), angle.sin(), 0.2 * angle], dim=-1)
    forward = torch.nn.functional.normalize(-positions, dim=-1)
    right = torch.nn.functional.normalize(torch.linalg.cross(forward, torch.tensor([[0.0, 0, 1]]).double()), dim=-1)
    poses = torch.eye(4, dtype=torch.float64).repeat(6, 1, 1)
    poses[:, :3, :3] = torch.stack([right, torch.linalg.cross(forward, right), forward], dim=-1)
    poses[:, :3, 3] = positions
    away = torch.linalg.matrix_exp(torch.tensor([[0, -0.4, 0.1], [0.4, 0, 0.3], [-0.1, -0.3, 0]]).double())
    moved = poses.clone()
    moved[:, :3, :3] = away @ poses[:, :3, :3]
    moved[:, :3, 3] = 5 * positions @ away.T + 7
    seen = centred_from_world(moved).poses(moved)
    assert float(seen[:, :3, 3].norm(dim=-1).mean()) == pytest.approx(ORBIT_RADIUS, rel=1e-2)
    off = torch.linalg.cross(seen[:, :3, 3], seen[:, :3, 2]).norm(dim=-1)
    assert off.max() < 0.05, "the optical axes pass the origin"
    assert (seen[:, 2, 1] < -0.7).all(), "down is -z"


def test_an_objects_frame_of_cameras_that_look_one_way_lies_ahead():
    poses = torch.eye(4, dtype=torch.float64).repeat(3, 1, 1)
    poses[:, 0, 3] = torch.tensor([-1.0, 0.0, 1.0])
    seen = centred_from_world(poses).poses(poses)
    assert ((-seen[:, :3, 3] * seen[:, :3, 2]).sum(-1) > 0).all()
    assert frame_of_model(poses, "centred").scale == centred_from_world(poses).scale
