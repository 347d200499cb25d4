import numpy as np
import pytest

from ilrm_cli.errors import InputError
from ilrm_cli.pose.select import select_views


def poses(positions: np.ndarray, forward: np.ndarray | None = None) -> np.ndarray:
    world_from_cam = np.tile(np.eye(4), (len(positions), 1, 1))
    world_from_cam[:, :3, 3] = positions
    if forward is not None:
        world_from_cam[:, :3, 2] = forward
    return world_from_cam


def groups() -> np.ndarray:
    """Three tight groups of five cameras."""
    rng = np.random.default_rng(0)
    centers = np.array([[0.0, 0, 0], [10, 0, 0], [0, 10, 0]])
    return np.repeat(centers, 5, axis=0) + rng.normal(0, 0.1, (15, 3))


def test_one_from_each_group():
    assert {index // 5 for index in select_views(poses(groups()), 3)} == {0, 1, 2}


def test_directions_count_where_positions_do_not():
    forward = np.repeat(np.eye(3), 4, axis=0)
    assert {index // 4 for index in select_views(poses(np.zeros((12, 3)), forward), 3)} == {0, 1, 2}


def test_the_unit_of_length_does_not_matter():
    rng = np.random.default_rng(1)
    forward = rng.normal(size=(15, 3))
    forward /= np.linalg.norm(forward, axis=1, keepdims=True)
    assert select_views(poses(groups(), forward), 6) == select_views(poses(1000 * groups(), forward), 6)


@pytest.mark.parametrize("count", [1, 2, 7, 14, 15])
def test_exactly_as_many_distinct_ones_as_asked_in_order(count):
    chosen = select_views(poses(groups()), count)
    assert len(chosen) == count
    assert list(chosen) == sorted(set(chosen))
    assert set(chosen) <= set(range(15))


def test_distinct_even_where_all_cameras_coincide():
    assert len(set(select_views(poses(np.zeros((6, 3))), 4))) == 4


def test_same_seed_same_choice():
    positions = np.random.default_rng(2).normal(size=(40, 3))
    assert select_views(poses(positions), 8, seed=3) == select_views(poses(positions), 8, seed=3)


def test_more_than_there_are():
    with pytest.raises(InputError, match=r"--views 9 is more than the 4 photos"):
        select_views(poses(np.zeros((4, 3))), 9)
