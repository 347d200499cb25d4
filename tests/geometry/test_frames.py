"""Which way is up, and the frames a scene can be written in."""

import math

import pytest
import torch
from torch import Tensor

from ilrm_cli.geometry.frames import turn_to, up_direction, upright
from ilrm_cli.render.paths.routes import look_at

DOWN = torch.tensor([0.0, 1.0, 0.0]).double()  # of the frames below: y points down, as in most COLMAP models
AHEAD = torch.tensor([0.0, 0.0, 1.0]).double()

UP = torch.tensor([0.0, -1.0, 0.0]).double()
ALL_AROUND = [0, 40, 80, 120, 160, 200, 240, 280, 320]


def facing(elevation: float = 0.5) -> torch.Tensor:
    """Return three upright cameras that look along +z and down."""
    positions = torch.tensor([[-1.0, -elevation, -2], [0, -elevation, -2], [1, -elevation, -2]]).double()
    return look_at(positions, torch.zeros(3).double(), -DOWN)


def test_the_input_frame_stays() -> None:
    assert torch.equal(turn_to("input", facing()).rotation, torch.eye(3).double())


@pytest.mark.parametrize(
    ("frame", "up", "ahead"),
    [
        ("up", (0.0, 0, 1), (0.0, 1, 0)),
        ("opengl", (0.0, 1, 0), (0.0, 0, -1)),
        ("opencv", (0.0, -1, 0), (0.0, 0, 1)),
    ],
)
def test_up_and_ahead_are_where_the_frame_says(frame, up, ahead) -> None:
    turn = turn_to(frame, facing())
    torch.testing.assert_close(turn.points(-DOWN), torch.tensor(up).double(), atol=0.02, rtol=0)
    torch.testing.assert_close(turn.points(AHEAD), torch.tensor(ahead).double(), atol=0.02, rtol=0)
    torch.testing.assert_close(torch.linalg.det(turn.rotation), torch.tensor(1.0).double())
    assert (turn.scale, turn.translation.tolist()) == (1.0, [0, 0, 0])


@pytest.mark.parametrize("frame", ["up", "opengl"])
def test_cameras_all_around_still_give_a_frame(frame) -> None:
    positions = torch.tensor([[4.0, 0, 0], [0, 0, 4], [-4, 0, 0], [0, 0, -4]]).double()
    ring = look_at(positions, torch.zeros(3).double(), -DOWN)
    rotation = turn_to(frame, ring).rotation
    torch.testing.assert_close(rotation @ rotation.T, torch.eye(3).double())


def arc(azimuths_deg: list[float], elevation_deg: float = 20.0) -> Tensor:
    """Return inward-facing poses around the origin, above it for elevations > 0. [camera, 4, 4]"""
    azimuth, elevation = torch.tensor(azimuths_deg).double().deg2rad(), math.radians(elevation_deg)
    level = torch.stack([azimuth.sin(), torch.zeros_like(azimuth), -azimuth.cos()], dim=1)
    positions = 4 * (math.cos(elevation) * level + math.sin(elevation) * UP)
    return look_at(positions, torch.zeros(3).double(), UP)


def rolled(poses: Tensor, angles_deg: list[float]) -> Tensor:
    angle = torch.tensor(angles_deg).double().deg2rad()
    turn = torch.eye(4).double().repeat(len(angle), 1, 1)
    turn[:, 0, 0], turn[:, 1, 1] = angle.cos(), angle.cos()
    turn[:, 0, 1], turn[:, 1, 0] = -angle.sin(), angle.sin()
    return poses @ turn


def degrees_between(a: Tensor, b: Tensor) -> float:
    return math.degrees(math.acos(min(1.0, float(a @ b))))


def test_up_is_found_though_all_cameras_look_down() -> None:
    torch.testing.assert_close(up_direction(arc([0, 72, 144, 216, 288], 40)), UP, rtol=0, atol=1e-6)
    assert degrees_between(up_direction(arc([-45, -20, 0, 20, 45], 30)), UP) < 4
    assert torch.equal(up_direction(torch.eye(4).double().repeat(9, 1, 1)), UP)


@pytest.mark.parametrize("angle_deg", [90, -90])
def test_photos_that_all_lie_on_one_side_around_a_thing(angle_deg: float) -> None:
    """The images say that up is level; that the cameras circle about another axis, looking down a little, says more."""
    assert degrees_between(up_direction(rolled(arc(ALL_AROUND, 15), 9 * [angle_deg])), UP) < 1


def test_a_few_turned_photos_do_not_tilt_the_rest() -> None:
    poses = rolled(arc(ALL_AROUND[:6], 10), [1, -2, 180, 2, 91, -1])
    assert degrees_between(up_direction(poses), UP) < 2


def test_one_careless_photo_does_not_tilt_the_rest() -> None:
    poses = rolled(arc(ALL_AROUND, 10), [0, 1, -1, 40, 0, 1, -1, 0, 0])
    assert degrees_between(up_direction(poses), UP) < 8


def test_where_all_face_one_way_up_is_where_the_images_have_it() -> None:
    lying = rolled(arc([-10, -5, 0, 5, 10], 5), 5 * [90])
    assert degrees_between(up_direction(lying), -lying[2, :3, 1]) < 10


def test_up_turns_with_the_world() -> None:
    poses = rolled(arc(ALL_AROUND, 15), 9 * [90])
    turn = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(4)).double()).Q
    turn = turn * torch.linalg.det(turn)
    moved = poses.clone()
    moved[:, :3] = turn @ poses[:, :3]
    torch.testing.assert_close(up_direction(moved), turn @ up_direction(poses), rtol=0, atol=1e-6)


@pytest.mark.parametrize("quarter_turns", [1, 2, 3])
def test_a_camera_on_its_side_is_set_upright(quarter_turns: int) -> None:
    """Three cameras stand upright, one lies: it is turned, the others stay as they are."""
    straight = look_at(
        torch.tensor([[0.0, 0, -3], [1, 0, -3], [2, 0, -3], [3, 0, -3]]).double(), torch.zeros(3).double(), UP
    )
    lying = rolled(straight, [0, 90 * quarter_turns, 0, 0])
    torch.testing.assert_close(upright(lying, UP), straight, atol=1e-6, rtol=0)
