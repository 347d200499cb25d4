from collections.abc import Sequence

import numpy as np
import pytest

from ilrm_cli.pipeline.choose_views import Swap, choose_views, select_views
from ilrm_cli.runtime.errors import InputError


def poses(positions: np.ndarray, forward: np.ndarray | None = None) -> np.ndarray:
    world_from_cam = np.tile(np.eye(4), (len(positions), 1, 1))
    world_from_cam[:, :3, 3] = positions
    if forward is not None:
        world_from_cam[:, :3, 2] = forward
    return world_from_cam


def groups() -> np.ndarray:
    """Return three tight groups of five cameras."""
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


# --- connected and sharp


def row(count: int) -> np.ndarray:
    return poses(np.stack([np.arange(count), np.zeros(count), np.zeros(count)], axis=1).astype(float))


def never(indices: Sequence[int]) -> list[float]:
    return [1.0 for _ in indices]


def test_without_blur_and_strays_the_choice_is_that_of_k_means():
    points = [np.random.default_rng(0).normal(size=(50, 3))] * 12
    assert choose_views(row(12), 4, points, never).inputs == select_views(row(12), 4)
    assert choose_views(row(12), 4, [None] * 12, never).swaps == ()


def test_the_sharper_of_two_photos_beside_each_other_is_taken():
    """Twelve photos in a row, each with a twin 0.05 beside it; one input is blurred, all the others are not."""
    world_from_cam = np.concatenate([row(12), row(12)])
    world_from_cam[12:, 1, 3] = 0.05
    plain = select_views(world_from_cam, 4)
    blurred, twin = plain[1], (plain[1] + 12) % 24
    choice = choose_views(world_from_cam, 4, [None] * 24, lambda asked: [0.1 if i == blurred else 1.0 for i in asked])
    assert choice.swaps == (Swap(blurred, twin, "blurred"),)
    assert set(choice.inputs) == (set(plain) - {blurred}) | {twin}


def test_a_slightly_sharper_photo_is_no_reason():
    world_from_cam = np.concatenate([row(12), row(12)])
    world_from_cam[12:, 1, 3] = 0.05
    plain = select_views(world_from_cam, 4)
    assert (
        choose_views(world_from_cam, 4, [None] * 24, lambda asked: [1 + (i not in plain) for i in asked]).inputs
        == plain
    )


def test_a_sharper_photo_far_away_is_no_reason():
    plain = select_views(row(12), 6)
    assert (
        choose_views(row(12), 6, [None] * 12, lambda asked: [1 + 9 * (i not in plain) for i in asked]).inputs == plain
    )


def test_an_input_that_shares_no_points_gives_way_to_the_nearest_that_does():
    world_from_cam = row(12)
    world_from_cam[11, 0, 3] = 30.0  # a stray: k-means gives it a centre of its own
    place = np.random.default_rng(0).normal(size=(50, 3))
    points = [place] * 11 + [place + 100]
    assert 11 in select_views(world_from_cam, 4)
    choice = choose_views(world_from_cam, 4, points, never)
    assert [(swap.dropped, swap.why) for swap in choice.swaps] == [(11, "alone")]
    assert 11 not in choice.inputs
    assert len(set(choice.inputs)) == 4
    assert choice.swaps[0].taken == max(set(range(11)) - set(select_views(world_from_cam, 4)))


def test_where_no_photo_shares_points_all_stay():
    points = [np.full((50, 3), float(i)) + np.arange(50)[:, None] / 100 for i in range(12)]
    assert choose_views(row(12), 4, points, never).swaps == ()


def test_a_photo_that_shares_no_points_does_not_come_back_for_being_sharp():
    world_from_cam = np.concatenate([row(12), row(12)])
    world_from_cam[12:, 1, 3] = 0.05  # a twin beside each photo
    lonely = select_views(world_from_cam, 4)[1]
    place = np.random.default_rng(0).normal(size=(50, 3))
    points = [place + 100 if i == lonely else place for i in range(24)]
    choice = choose_views(world_from_cam, 4, points, lambda asked: [9.0 if i == lonely else 1.0 for i in asked])
    assert choice.swaps == (Swap(lonely, (lonely + 12) % 24, "alone"),)
