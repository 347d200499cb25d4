import numpy as np
import pytest
import torch

from ilrm_cli.capture.load_views import sparse_depth_of, visible_depths
from ilrm_cli.geometry.cameras import Cameras


def cameras() -> Cameras:
    """Return cameras at the origin and one unit behind it, both looking along z; 8 x 6 px."""
    pose = torch.eye(4).repeat(2, 1, 1)
    pose[1, 2, 3] = -1.0
    return Cameras(pose, torch.full((2, 2), 4.0), torch.tensor([[4.0, 3.0]]).repeat(2, 1), 8, 6)


def test_points_become_depths_at_their_pixels():
    found = [np.array([[0.0, 0, 2], [1, 0.5, 4]]), None]
    sparse = sparse_depth_of(found, cameras())
    assert sparse.shape == (2, 6, 8)
    assert sparse.nonzero().tolist() == [[0, 3, 4], [0, 3, 5]]
    assert sparse[0, 3, 4] == 2
    assert sparse[0, 3, 5] == 4


def test_points_outside_the_image_are_left_out():
    found = [np.array([[0.0, 0, -2], [50, 0, 2]]), np.array([[0.0, 0, 2]])]
    sparse = sparse_depth_of(found, cameras())
    assert sparse[0].sum() == 0
    assert sparse[1, 3, 4] == 3


def test_nothing_known():
    assert sparse_depth_of([None, None], cameras()) is None
    assert sparse_depth_of([np.zeros((0, 3)), None], cameras()) is None


def test_visible_depths_are_those_in_front_and_inside():
    points = torch.tensor([[0.0, 0, 2], [0, 0, -0.5], [50, 0, 2]], dtype=torch.float64)
    assert sorted(visible_depths(points, cameras()).tolist()) == pytest.approx([0.5, 2.0, 3.0])


def test_points_on_ignored_pixels_do_not_count():
    points = torch.tensor([[0.0, 0, 2], [1, 0.5, 4]], dtype=torch.float64)
    masks = torch.ones(2, 6, 8)
    masks[0, 3, 4] = 0  # where the first camera sees the first point
    assert sorted(visible_depths(points, cameras(), masks).tolist()) == pytest.approx([3.0, 4.0, 5.0])
