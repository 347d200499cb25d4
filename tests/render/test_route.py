import torch

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.render.paths.routes import Route
from tests.support.captures import cameras_at


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
