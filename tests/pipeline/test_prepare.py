"""Tests of the choice of inputs, of their frame, and of the depths to search."""

import numpy as np
import pytest
import torch

from ilrm_cli.capture.load_views import visible_depths
from ilrm_cli.geometry.cameras import Cameras, stack
from ilrm_cli.geometry.transforms import Similarity, matrix_from_quaternion
from ilrm_cli.geometry.views import Views
from ilrm_cli.pipeline.prepare import normalize, normalized_cameras


def camera_at(z: float) -> Cameras:
    pose = torch.eye(4, dtype=torch.float64)[None].clone()
    pose[0, 2, 3] = z
    ten = torch.full((1, 2), 10.0, dtype=torch.float64)
    return Cameras(pose, ten, ten, width=20, height=20)


def test_only_points_inside_the_image_count():
    points = torch.tensor(
        [[0.0, 0, 5], [0, 0, -5], [4.9, 0, 5], [5.1, 0, 5], [0, 0, 1]], dtype=torch.float64
    )  # seen; behind; just inside; just outside; behind this camera
    depths = visible_depths(points, camera_at(2.0))
    assert sorted(depths.tolist()) == pytest.approx([3.0])
    assert sorted(visible_depths(points, camera_at(0.0)).tolist()) == pytest.approx([1.0, 5.0, 5.0])


def test_normalising_cameras_keeps_what_they_see():
    to_normal = Similarity(
        0.5,
        matrix_from_quaternion(torch.tensor([0.9, 0.2, -0.1, 0.3], dtype=torch.float64)),
        torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64),
    )
    points = torch.rand(50, 3, dtype=torch.float64) + torch.tensor([0, 0, 4.0])
    moved = normalized_cameras(camera_at(0.0), to_normal)
    assert moved.world_from_cam.dtype == torch.float32
    depths = visible_depths(points, camera_at(0.0))
    torch.testing.assert_close(visible_depths(to_normal.points(points), moved), 0.5 * depths, rtol=1e-5, atol=1e-5)


def test_masks_stay_and_silence_the_sparse_depth_below_them():
    cameras = stack([camera_at(0.0), camera_at(1.0)])
    masks = torch.ones(2, 20, 20)
    masks[1, 5] = 0
    views = Views(torch.zeros(2, 3, 20, 20), cameras, torch.full((2, 20, 20), 3.0), masks)
    prepared = normalize(cameras.world_from_cam.numpy(), views, None, np.zeros((0, 3)))
    assert torch.equal(prepared.inputs.masks, masks)
    scaled = 3.0 * prepared.normalized_from_world.scale
    torch.testing.assert_close(prepared.inputs.sparse_depth, scaled * masks)
