"""Tours of the photos' cameras, and moving in from one of them."""

import itertools

import numpy as np
import pytest
import torch

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.transforms import matrix_from_quaternion
from ilrm_cli.render.paths.tours import (
    DOLLY_CLEARANCE,
    DOLLY_SHARE,
    central,
    dolly,
    inputs,
    interpolate,
    nearest,
    short_way,
    there_and_back,
    through,
)
from tests.support.captures import arc


def random_cameras(count: int, seed: int = 0) -> Cameras:
    draw = torch.Generator().manual_seed(seed)
    poses = torch.eye(4).double().repeat(count, 1, 1)
    poses[:, :3, :3] = matrix_from_quaternion(torch.randn(count, 4, generator=draw).double())
    poses[:, :3, 3] = torch.randn(count, 3, generator=draw).double()
    focal = 50 + 10 * torch.rand(count, 2, generator=draw).double()
    return Cameras(poses, focal, torch.full((count, 2), 16.0).double(), 32, 32)


def test_inputs_are_the_inputs_held_equally() -> None:
    cameras = random_cameras(3)
    held = inputs(cameras).frames(7)
    expected = [0, 0, 0, 1, 1, 2, 2]
    assert torch.equal(held.world_from_cam, cameras.world_from_cam[expected])
    assert torch.equal(held.focal_px, cameras.focal_px[expected])
    assert torch.equal(inputs(cameras).frames(3).world_from_cam, cameras.world_from_cam)


@pytest.mark.parametrize("count", [2, 3, 6])
def test_the_curve_passes_through_the_cameras(count: int) -> None:
    cameras = random_cameras(count)
    knots = np.arange(count) ** 1.5
    at_knots = through(cameras, knots, knots)
    for name in ("world_from_cam", "focal_px", "center_px"):
        torch.testing.assert_close(getattr(at_knots, name), getattr(cameras, name), rtol=1e-9, atol=1e-9)


def test_poses_between_are_rigid_and_steps_are_even() -> None:
    cameras = random_cameras(5)
    frames = interpolate(cameras, depth=1.0).frames(400)
    turn = frames.world_from_cam[:, :3, :3]
    torch.testing.assert_close(turn @ turn.mT, torch.eye(3).double().expand(400, 3, 3))
    torch.testing.assert_close(torch.linalg.det(turn), torch.ones(400).double())
    assert frames.positions.diff(dim=0).norm(dim=1).max() < 0.1


def test_interpolation_visits_every_camera() -> None:
    cameras = random_cameras(5)
    frames = interpolate(cameras, depth=1.0).frames(2000)
    assert torch.cdist(cameras.positions, frames.positions).min(dim=1).values.max() < 0.01


def test_cameras_at_one_place() -> None:
    cameras = random_cameras(1)[[0, 0, 0]]
    frames = interpolate(cameras, depth=1.0).frames(6)
    torch.testing.assert_close(frames.world_from_cam, cameras.world_from_cam[[0] * 6])


def test_a_line_is_walked_from_end_to_end() -> None:
    places = np.array([3.0, 0, 4, 1, 2])
    way = places[short_way(np.abs(places[:, None] - places))]
    assert way.tolist() in ([0, 1, 2, 3, 4], [4, 3, 2, 1, 0])


def test_the_way_is_nearly_the_shortest() -> None:
    """The tour is compared with all orders of seven points."""
    points = np.random.default_rng(3).normal(size=(7, 2))
    gaps = np.linalg.norm(points[:, None] - points, axis=2)
    best = min(gaps[list(way[:-1]), list(way[1:])].sum() for way in itertools.permutations(range(7)))
    way = short_way(gaps)
    assert sorted(way.tolist()) == list(range(7))
    assert gaps[way[:-1], way[1:]].sum() <= 1.1 * best


def test_there_and_back_closes_a_way_that_starts_in_the_middle() -> None:
    places = [0.0, 2.0, 1.0, 4.0, 3.0]
    poses = random_cameras(1).world_from_cam.repeat(5, 1, 1)
    poses[:, 0, 3] = torch.tensor(places).double()
    way = [places[i] for i in there_and_back(random_cameras(5).moved(poses), depth=1.0)]
    assert way in ([2, 3, 4, 3, 2, 1, 0, 1], [2, 1, 0, 1, 2, 3, 4, 3])
    for count in (1, 2):
        assert there_and_back(random_cameras(count), depth=1.0) == list(range(count))


def on_a_circle(degrees: list[float]) -> Cameras:
    angles = torch.tensor(degrees).double().deg2rad()
    poses = torch.eye(4).double().repeat(len(angles), 1, 1)
    poses[:, 0, 3], poses[:, 1, 3] = angles.cos(), angles.sin()
    return random_cameras(len(angles)).moved(poses)


def test_a_tour_closes_where_its_ends_are_neighbours_and_not_elsewhere() -> None:
    ring = interpolate(on_a_circle([0, 60, 120, 180, 240, 300]), depth=1.0, loop=True)
    assert ring.closed
    frames = ring.frames(120).positions
    steps = (frames - frames.roll(1, 0)).norm(dim=1)
    assert steps.max() < 1.5 * steps.min()
    assert not interpolate(on_a_circle([0, 30, 60, 90, 120]), depth=1.0, loop=True).closed
    assert not interpolate(on_a_circle([0, 60, 120, 180, 240, 300]), depth=1.0).closed


def test_the_central_and_the_nearest_camera() -> None:
    cameras = on_a_circle([0, 20, 50, 90, 100])
    assert central(cameras, depth=1.0) == 2
    assert nearest(on_a_circle([80]), cameras, depth=1.0) == 3


@pytest.mark.parametrize(("clearance", "way"), [(4.0, DOLLY_SHARE * 4), (0.5, DOLLY_CLEARANCE * 0.5)])
def test_a_dolly_goes_straight_ahead_and_not_into_things(clearance: float, way: float) -> None:
    camera = arc([10])
    frames = dolly(camera, depth=4.0, clearance=clearance).frames(5)
    torch.testing.assert_close(frames.positions[0], camera.positions[0])
    torch.testing.assert_close(frames.positions[-1], camera.positions[0] + way * camera.forward[0])
    assert torch.equal(frames.focal_px, camera.focal_px.expand(5, 2))


def test_a_dolly_zoom_keeps_the_size_of_the_subject_and_ends_with_the_photos_lens() -> None:
    camera = arc([10])
    frames = dolly(camera, depth=4.0, clearance=4.0, zoom=True).frames(5)
    distances = 4.0 - (frames.positions - camera.positions[0]) @ camera.forward[0]
    sizes = frames.focal_px[:, 0] / distances
    torch.testing.assert_close(sizes, sizes[:1].expand(5))
    torch.testing.assert_close(frames.focal_px[-1], camera.focal_px[0])
    assert (frames.focal_px.diff(dim=0) < 0).all()
