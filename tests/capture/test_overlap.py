"""What photos share, and how far they stand from each other."""

import math

import numpy as np
import pytest
import torch

from ilrm_cli.capture.poses.overlap import (
    distance_to_scene,
    farthest_apart,
    gap_deg,
    overlap_matrix,
    point_keys,
    shared_points,
)

WALL = np.stack([np.full(6, -2.0), np.arange(6), np.arange(6) % 2], axis=1)  # one x for all


def test_points_are_told_apart_on_a_wall_and_counted_once():
    assert len(point_keys(np.concatenate([WALL, WALL[:2]]))) == 6


def test_shared_with_any_of_the_others():
    keys = [point_keys(points) for points in (WALL[:4], WALL[3:], WALL[2:4] + 1e-9, np.zeros((0, 3)))]
    assert shared_points(keys[0], keys[1:]) == 1
    assert shared_points(keys[1], [keys[0], keys[1]]) == 3
    assert shared_points(keys[0], []) == 0


def test_the_matrix_counts_every_pair():
    matrix = overlap_matrix([WALL[:4], WALL[3:], WALL[1:5], np.zeros((0, 3))])
    assert matrix.tolist() == [[0, 1, 3, 0], [1, 0, 2, 0], [3, 2, 0, 0], [0, 0, 0, 0]]


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
