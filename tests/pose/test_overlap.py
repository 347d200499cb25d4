import numpy as np

from ilrm_cli.capture.poses.overlap import overlap_matrix, point_keys, shared_points

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
