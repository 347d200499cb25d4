import math

import numpy as np
import pytest
import torch

from ilrm_cli.pose.coverage import gap_deg, median_depth


def test_a_photo_is_as_far_as_its_nearest_input():
    poses = torch.eye(4).repeat(3, 1, 1)
    poses[:, 0, 3] = torch.tensor([0.0, 1.0, 3.0])
    gaps = gap_deg(poses, poses[:2], depth=2.0)
    assert gaps.tolist() == pytest.approx([0, 0, 45], abs=1e-3)


def test_without_a_depth_only_directions_count():
    poses = torch.eye(4).repeat(2, 1, 1)
    poses[1, 0, 3] = 5.0
    assert gap_deg(poses[:1], poses[1:], math.inf).tolist() == [0]


def test_depth_is_along_the_viewing_axis_of_the_photos_that_know_points():
    poses = np.tile(np.eye(4), (3, 1, 1))
    poses[1, 2, 3] = -1.0
    found = [np.array([[5.0, 0, 2]]), np.array([[0.0, 0, 2], [0.0, 9, 5]]), None]
    assert median_depth(found, poses) == 3.0  # of 2, 3 and 6
    assert median_depth([None, None, None], poses) == math.inf
