import pytest
import torch

from ilrm_cli.geometry.frames import frame_from_input
from ilrm_cli.render.paths.routes import look_at

DOWN = torch.tensor([0.0, 1.0, 0.0]).double()  # of the frames below: y points down, as in most COLMAP models
AHEAD = torch.tensor([0.0, 0.0, 1.0]).double()


def facing(elevation: float = 0.5) -> torch.Tensor:
    """Return three upright cameras that look along +z and down."""
    positions = torch.tensor([[-1.0, -elevation, -2], [0, -elevation, -2], [1, -elevation, -2]]).double()
    return look_at(positions, torch.zeros(3).double(), -DOWN)


def test_the_input_frame_stays() -> None:
    assert torch.equal(frame_from_input("input", facing()).rotation, torch.eye(3).double())


@pytest.mark.parametrize(
    ("frame", "up", "ahead"),
    [
        ("up", (0.0, 0, 1), (0.0, 1, 0)),
        ("opengl", (0.0, 1, 0), (0.0, 0, -1)),
        ("opencv", (0.0, -1, 0), (0.0, 0, 1)),
    ],
)
def test_up_and_ahead_are_where_the_frame_says(frame, up, ahead) -> None:
    turn = frame_from_input(frame, facing())
    torch.testing.assert_close(turn.points(-DOWN), torch.tensor(up).double(), atol=0.02, rtol=0)
    torch.testing.assert_close(turn.points(AHEAD), torch.tensor(ahead).double(), atol=0.02, rtol=0)
    torch.testing.assert_close(torch.linalg.det(turn.rotation), torch.tensor(1.0).double())
    assert (turn.scale, turn.translation.tolist()) == (1.0, [0, 0, 0])


@pytest.mark.parametrize("frame", ["up", "opengl"])
def test_cameras_all_around_still_give_a_frame(frame) -> None:
    positions = torch.tensor([[4.0, 0, 0], [0, 0, 4], [-4, 0, 0], [0, 0, -4]]).double()
    ring = look_at(positions, torch.zeros(3).double(), -DOWN)
    rotation = frame_from_input(frame, ring).rotation
    torch.testing.assert_close(rotation @ rotation.T, torch.eye(3).double())
