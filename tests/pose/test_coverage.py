import math

import numpy as np
import pytest
import torch

from ilrm_cli.capture.poses.overlap import distance_to_scene, farthest_apart, gap_deg


def test_a_photo_is_as_far_as_its_nearest_input():
    poses = torch.eye(4).repeat(3, 1, 1)
    poses[:, 0, 3] = torch.tensor([0.0, 1.0, 3.0])
    gaps = gap_deg(poses, poses[:2], depth=2.0)
    assert gaps.tolist() == pytest.approx([0, 0, 45], abs=1e-3)


def test_without_a_depth_only_directions_count():
    poses = torch.eye(4).repeat(2, 1, 1)
    poses[1, 0, 3] = 5.0
    assert gap_deg(poses[:1], poses[1:], math.inf).tolist() == [0]


def test_distances_of_the_photos_that_know_points():
    positions = np.array([[0.0, 0, 0], [0, 0, -1], [9, 9, 9]])
    found = [np.array([[0.0, 3, 4]]), np.array([[0.0, 0, 2], [0.0, 0, 6]]), None]
    assert distance_to_scene(positions, found) == 5.0  # of 5, and of 3 and 7
    assert distance_to_scene(positions, [None, np.zeros((0, 3)), None]) == math.inf
    assert farthest_apart(positions) == pytest.approx(math.sqrt(81 + 81 + 100))
