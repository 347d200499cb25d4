"""Closed routes, and the ring for scenes without cameras."""

import math

import pytest
import torch

from ilrm_cli.render.paths.auto import candidates
from ilrm_cli.render.paths.by_name import route, setting_of
from ilrm_cli.render.paths.orbits import default_cameras, ellipse, orbit, spiral, wobble
from ilrm_cli.render.paths.subject import subject_of
from tests.support.captures import (
    AROUND,
    TARGET,
    UP,
    arc,
    assert_looks_at,
    azimuths_deg,
    ball,
    looking_down,
    wall_facing,
)


@pytest.mark.parametrize("azimuths", [[-50.0, -10, 20, 40], [150.0, 170, -170, -120]])
def test_orbit_swings_within_what_the_photos_saw(azimuths: list[float]) -> None:
    cameras = arc(azimuths)
    frames = orbit(cameras, AROUND).frames(40)
    assert len(frames) == 40
    assert_looks_at(frames, TARGET)
    torch.testing.assert_close((frames.positions - TARGET).norm(dim=1), torch.full((40,), 4.0).double())
    start = azimuths[0]
    seen = (azimuths_deg(frames) - start) % 360
    covered = max((a - start) % 360 for a in azimuths)
    inside = torch.minimum(seen, 360 - seen) < 1e-6  # the very ends may round to either side
    assert ((seen <= covered + 1e-6) | inside).all()
    assert float(seen.max()) > 0.95 * covered  # both ends are reached


def test_orbit_can_be_looped() -> None:
    cameras = arc([-50, -10, 20, 40])
    for full in (False, True):
        frames = orbit(cameras, subject_of(cameras, ball()), full=full).frames(30).positions
        steps = (frames - frames.roll(1, 0)).norm(dim=1)
        assert steps[0] <= steps[1:].max() * 1.0001


def test_full_orbit_goes_all_the_way_round() -> None:
    cameras = arc([-50, -10, 20, 40])
    frames = orbit(cameras, AROUND, full=True).frames(36)
    assert_looks_at(frames, TARGET)
    steps = (azimuths_deg(frames).diff() % 360).clamp(0, 360)
    torch.testing.assert_close(torch.minimum(steps, 360 - steps), torch.full((35,), 10.0).double())


def test_cameras_all_around_make_a_full_orbit() -> None:
    cameras = arc([0, 45, 90, 135, 180, 225, 270, 315])
    turned = azimuths_deg(orbit(cameras, subject_of(cameras, ball())).frames(36)).sort().values
    torch.testing.assert_close(turned.diff(), torch.full((35,), 10.0).double())


def test_orbit_of_forward_facing_cameras_looks_at_the_scene() -> None:
    cameras, scene = wall_facing(), ball(torch.tensor([0.25, 0.25, 5.0]))
    subject = subject_of(cameras, scene)
    frames = orbit(cameras, subject).frames(20)
    assert_looks_at(frames, subject.target)
    assert frames.positions[:, 2].max() < 1
    assert frames.positions[:, 0].min() > -0.1
    assert frames.positions[:, 0].max() < 0.6


def test_spiral_stays_among_the_cameras() -> None:
    cameras, scene = wall_facing(), ball(torch.tensor([0.25, 0.25, 5.0]))
    subject = subject_of(cameras, scene)
    frames = spiral(cameras, subject).frames(60)
    assert_looks_at(frames, subject.target)
    assert frames.positions[:, :2].min() >= -1e-9
    assert frames.positions[:, :2].max() <= 0.5 + 1e-9
    assert float(frames.positions[:, 0].max() - frames.positions[:, 0].min()) > 0.4
    steps = (frames.positions - frames.positions.roll(1, 0)).norm(dim=1)
    assert steps[0] <= steps[1:].max() * 1.01


def test_spiral_of_a_ring_stays_on_one_side() -> None:
    cameras = arc([0, 45, 90, 135, 180, 225, 270, 315])
    frames = spiral(cameras, subject_of(cameras, ball())).frames(30)
    assert (frames.positions - frames.positions.mean(0)).norm(dim=1).max() < 2
    assert ((frames.positions - TARGET).norm(dim=1) > 2).all()


@pytest.mark.parametrize("yaws_deg", [[0, 0, 0, 0], [0, 90, 180, 270], [0, 180, 0, 180]])
@pytest.mark.parametrize("name", ["orbit", "ellipse", "spiral"])
def test_cameras_that_look_straight_down_leave_every_frame_a_rigid_pose(name: str, yaws_deg: list[float]) -> None:
    cameras = looking_down(yaws_deg)
    frames = route(name, setting_of(cameras, ball(torch.zeros(3)))).frames(24)
    turn = frames.world_from_cam[:, :3, :3]
    torch.testing.assert_close(turn @ turn.mT, torch.eye(3).double().expand(24, 3, 3))
    assert (frames.forward[:, 2] < -0.8).all()


def test_an_ellipse_around_the_subject_is_as_wide_as_the_cameras_places() -> None:
    cameras = arc([0, 45, 90, 135, 180, 225, 270, 315])
    squeezed = cameras.world_from_cam.clone()
    squeezed[:, 0, 3] = TARGET[0] + 0.5 * (squeezed[:, 0, 3] - TARGET[0])
    frames = ellipse(cameras.moved(squeezed), AROUND).frames(200)
    assert_looks_at(frames, TARGET)
    reach = (frames.positions - TARGET).abs().max(0).values
    full = 4 * math.cos(math.radians(20))
    assert abs(reach[0] / (0.5 * full) - 1) < 0.02
    assert abs(reach[2] / full - 1) < 0.02
    steps = (frames.positions - frames.positions.roll(1, 0)).norm(dim=1)
    assert steps.max() < 1.05 * steps.min()


def test_an_ellipse_before_the_subject_comes_no_nearer_than_the_cameras() -> None:
    """Cameras on a wide arc: an ellipse through their spread alone would pass through the target."""
    cameras = arc([-80, -50, -20, 10, 40, 70], elevation_deg=0)
    frames = ellipse(cameras, AROUND).frames(100)
    assert_looks_at(frames, TARGET)
    assert (frames.positions - TARGET).norm(dim=1).min() > 0.99 * 4 * math.cos(math.radians(75))
    assert (frames.positions - TARGET).norm(dim=1).min() > 2.5


def test_a_wobble_stays_near_its_photo_and_keeps_the_point_ahead() -> None:
    camera = arc([10])
    frames = wobble(camera, depth=4.0).frames(30)
    away = (frames.positions - camera.positions).norm(dim=1)
    assert 0.05 < away.max() <= 0.161
    seen = ((TARGET - frames.positions)[:, None] @ frames.world_from_cam[:, :3, :3])[:, 0]
    assert seen[:, :2].abs().max() < 1e-9
    assert torch.equal(frames.center_px[0], camera.center_px[0])
    upward = -frames.world_from_cam[:, :3, 1]
    assert (upward @ UP > 0.9).all()


@pytest.mark.parametrize("name", ["orbit", "ellipse", "spiral", "wobble"])
def test_closed_paths_do_not_jump_where_they_begin_again(name: str) -> None:
    for cameras in (arc([-60, -20, 10, 70]), arc([0, 60, 120, 180, 240, 300]), wall_facing()):
        path = route(name, setting_of(cameras, ball()))
        assert path.closed
        frames = path.frames(90).world_from_cam
        steps = (frames - frames.roll(1, 0)).flatten(1).norm(dim=1)
        assert steps[0] <= 1.05 * steps[1:].max()


def test_default_cameras_hold_the_scene() -> None:
    cameras = default_cameras(ball(), width=96, height=48, fov_deg=50.0)
    assert (cameras.width, cameras.height) == (96, 48)
    assert (cameras.positions[:, 1] < TARGET[1]).all()  # above: y points down
    seen = torch.einsum(
        "vij,nj->vni", cameras.cam_from_world, torch.nn.functional.pad(ball().means.double(), (0, 1), value=1)
    )
    pixels = seen[..., :2] / seen[..., 2:3] * cameras.focal_px[:, None] + cameras.center_px[:, None]
    inside = ((pixels > 0) & (pixels < torch.tensor([96, 48]))).all(-1)
    assert inside.double().mean() > 0.95
    assert pixels[..., 1].std(1).min() > 5  # and it fills the picture
    assert candidates(setting_of(cameras, ball()))[0] == "orbit"
