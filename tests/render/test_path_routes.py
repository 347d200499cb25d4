"""Routes, level cameras, and what photos tell about where to stand."""

import math

import pytest
import torch

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.render.paths.routes import Route, azimuths, ground_axes, look_at, seers, upright_for, with_poses
from tests.support.captures import AROUND, TARGET, UP, arc, cameras_at


def line(phases: torch.Tensor) -> Cameras:
    """Return cameras at x = phase."""
    poses = torch.eye(4).double().repeat(len(phases), 1, 1)
    poses[:, 0, 3] = phases
    return cameras_at(poses)


def places(route: Route, count: int, loop: bool = False) -> list[float]:
    return [round(x, 9) for x in route.frames(count, loop=loop).positions[:, 0].tolist()]


def test_an_open_route_goes_from_end_to_end() -> None:
    assert places(Route(line, closed=False), 5) == [0, 0.25, 0.5, 0.75, 1]
    assert places(Route(line, closed=False), 1) == [0]


def test_a_loop_of_an_open_route_goes_there_and_back() -> None:
    assert places(Route(line, closed=False), 4, loop=True) == [0, 0.5, 1, 0.5]


def test_a_closed_route_leaves_out_its_end_which_is_its_start() -> None:
    assert places(Route(line, closed=True), 4) == [0, 0.25, 0.5, 0.75]
    assert places(Route(line, closed=True), 4, loop=True) == [0, 0.25, 0.5, 0.75]


def test_a_part_of_a_closed_route_may_pass_its_end() -> None:
    part = Route(line, closed=True).part(0.75, 1.25)
    assert not part.closed
    assert places(part, 3) == [0.75, 0, 0.25]
    assert places(Route(line, closed=False).part(0.5, 1.0), 2) == [0.5, 1]


def test_the_target_is_ahead_and_the_picture_level():
    positions = TARGET + torch.tensor([[3.0, 0, 0], [0, -1, -4], [-2, 2, 5]]).double()
    poses = look_at(positions, TARGET, UP)
    local = torch.linalg.inv(poses) @ torch.cat([TARGET, torch.ones(1).double()])
    torch.testing.assert_close(local[:, :2], torch.zeros(3, 2).double())
    torch.testing.assert_close(local[:, 2], (positions - TARGET).norm(dim=1))
    torch.testing.assert_close(poses[:, :3, 0] @ UP, torch.zeros(3).double())  # right is level
    assert (poses[:, :3, 1] @ UP < 0).all()  # down is down
    torch.testing.assert_close(torch.linalg.det(poses[:, :3, :3]), torch.ones(3).double())


def test_new_poses_look_through_the_photos_lens_with_the_target_in_the_middle():
    poses = torch.eye(4).double().repeat(2, 1, 1)
    made = with_poses(arc([0, 10, 20]), poses)
    assert made.focal_px.tolist() == [[60, 60]] * 2
    assert made.center_px.tolist() == [[32, 24]] * 2


def test_who_looks_away_does_not_see():
    inward = arc([0, 40])
    away = look_at(inward.positions[:1], 2 * inward.positions[0] - TARGET, UP)
    mixed = cameras_at(torch.cat([inward.world_from_cam, away]))
    assert len(seers(mixed, AROUND)) == 2
    assert len(seers(cameras_at(away), AROUND)) == 1  # where none sees, all count


@pytest.mark.parametrize(("angles", "span"), [([0.0, 30, 90], 90.0), ([-170.0, 170], 20), ([0.0, 90, 180, 270], 270)])
def test_the_arc_that_photos_cover_leaves_out_the_largest_gap(angles, span):
    middle, found = azimuths(arc(angles), AROUND)
    assert math.degrees(found) == pytest.approx(span)
    if span < 180:
        east, north = ground_axes(UP)
        toward = math.cos(middle) * east + math.sin(middle) * north
        offsets = torch.nn.functional.normalize(arc(angles).positions - TARGET, dim=1)
        assert (offsets @ toward > 0.5).all()


def test_the_ground_is_square_to_up():
    for up in (UP, torch.nn.functional.normalize(torch.tensor([1.0, 2, -3]).double(), dim=0)):
        frame = torch.stack([*ground_axes(up), up])
        torch.testing.assert_close(frame @ frame.T, torch.eye(3).double())
        assert float(torch.linalg.det(frame)) == pytest.approx(1)


def test_looking_straight_down_keeps_the_top_of_the_first_photo():
    cameras = arc([0.0])
    level, down = torch.tensor([[0.0, 0, 1]]).double(), -UP[None]
    assert torch.equal(upright_for(cameras, level, UP), UP)
    assert torch.equal(upright_for(cameras, down, UP), -cameras.world_from_cam[0, :3, 1])
