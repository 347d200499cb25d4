import math

import pytest
import torch
from torch import Tensor

from ilrm_cli.cameras import Cameras
from ilrm_cli.gaussians import Gaussians
from ilrm_cli.render.paths import choose, default_cameras, look_at, orbit, path, spiral
from ilrm_cli.render.subject import Subject, subject_of, visible_depth, weighted_quantiles

UP = torch.tensor([0.0, -1.0, 0.0]).double()
TARGET = torch.tensor([1.0, -2.0, 3.0]).double()

AROUND = Subject(TARGET, UP, depth=4.0, converging=True)


def ball(center: Tensor = TARGET, count: int = 500, radius: float = 0.3) -> Gaussians:
    means = center.float() + radius * torch.randn(count, 3, generator=torch.Generator().manual_seed(0))
    return Gaussians(
        means=means,
        quaternions=torch.tensor([1.0, 0, 0, 0]).repeat(count, 1),
        scales=torch.full((count, 3), 0.05),
        opacities=torch.full((count,), 0.8),
        harmonics=torch.zeros(count, 1, 3),
    )


def cameras_at(poses: Tensor) -> Cameras:
    count = len(poses)
    return Cameras(
        world_from_cam=poses,
        focal_px=torch.full((count, 2), 60.0).double(),
        center_px=torch.tensor([[31.0, 25.0]] * count).double(),
        width=64,
        height=48,
    )


def arc(azimuths_deg: list[float], elevation_deg: float = 20.0, radius: float = 4.0) -> Cameras:
    """Inward-facing cameras around TARGET; azimuth 0 looks along +z, 90 along -x."""
    azimuth = torch.tensor(azimuths_deg).double().deg2rad()
    level = torch.stack([azimuth.sin(), torch.zeros_like(azimuth), -azimuth.cos()], dim=1)
    elevation = math.radians(elevation_deg)
    positions = TARGET + radius * (math.cos(elevation) * level + math.sin(elevation) * UP)
    return cameras_at(look_at(positions, TARGET, UP))


def wall_facing(count: int = 9) -> Cameras:
    """Cameras on a grid of 0.5 x 0.5 at z = 0, all looking along +z."""
    side = round(count**0.5)
    poses = torch.eye(4).double().repeat(count, 1, 1)
    poses[:, 0, 3] = torch.arange(count) % side * 0.5 / (side - 1)
    poses[:, 1, 3] = torch.arange(count) // side * 0.5 / (side - 1)
    return cameras_at(poses)


def azimuths_deg(cameras: Cameras) -> Tensor:
    offsets = cameras.positions - TARGET
    return torch.atan2(offsets[:, 0], -offsets[:, 2]).rad2deg()


def assert_looks_at(cameras: Cameras, point: Tensor) -> None:
    """The point is in the middle of every picture, and the horizon is level."""
    seen = (point - cameras.positions)[:, None] @ cameras.world_from_cam[:, :3, :3]
    assert (seen[:, 0, 2] > 0).all()
    assert seen[:, 0, :2].abs().max() < 1e-9
    assert (cameras.world_from_cam[:, :3, 0] @ UP).abs().max() < 1e-9
    assert ((-cameras.world_from_cam[:, :3, 1]) @ UP > 0).all()
    assert (cameras.center_px == torch.tensor([32.0, 24.0])).all()


# --- what the cameras look at


def test_weighted_quantiles() -> None:
    values = torch.tensor([[3.0], [1.0], [2.0]])
    assert weighted_quantiles(values, torch.tensor([1.0, 1, 1]), (0.1, 0.5, 0.9)).tolist() == [[1], [2], [3]]
    assert weighted_quantiles(values, torch.tensor([8.0, 1, 1]), (0.5,)).tolist() == [[3]]


def test_inward_cameras_cross_at_their_target() -> None:
    subject = subject_of(arc([-60, -20, 10, 70]), ball())
    assert subject.converging
    torch.testing.assert_close(subject.target, TARGET)
    assert abs(subject.depth - 4) < 0.3


def test_parallel_axes_take_the_depth_of_the_scene() -> None:
    subject = subject_of(wall_facing(), ball(torch.tensor([0.25, 0.25, 5.0])))
    assert not subject.converging
    torch.testing.assert_close(subject.target[:2], torch.tensor([0.25, 0.25]).double())
    assert abs(float(subject.target[2]) - 5) < 0.1


def test_nearly_parallel_axes_do_not_run_away() -> None:
    """A degree of noise in the poses moves the crossing far; the target stays at the scene."""
    draw = torch.Generator().manual_seed(1)
    cameras = wall_facing()
    aims = torch.tensor([0.25, 0.25, 5.0]).double() + 0.1 * torch.randn(9, 3, generator=draw).double()
    poses = torch.cat([look_at(p[None], a, UP) for p, a in zip(cameras.positions, aims, strict=True)])
    subject = subject_of(cameras_at(poses), ball(torch.tensor([0.25, 0.25, 5.0])))
    assert abs(float(subject.target[2]) - 5) < 0.2


def test_cameras_that_look_outward_do_not_converge() -> None:
    inward = arc([0, 60, 120, 180, 240, 300], elevation_deg=0)
    outward = inward.world_from_cam @ torch.diag(torch.tensor([-1.0, 1, -1, 1]).double())
    assert not subject_of(cameras_at(outward), ball()).converging


def test_depth_counts_only_what_is_in_the_picture() -> None:
    behind = ball(torch.tensor([0.25, 0.25, -50.0]), count=5000)
    ahead = ball(torch.tensor([0.25, 0.25, 5.0]))
    both = Gaussians(*(torch.cat([getattr(behind, n), getattr(ahead, n)]) for n in vars(ahead)))
    assert abs(visible_depth(wall_facing(), both) - 5) < 0.1
    assert abs(visible_depth(wall_facing(), behind) - 50) < 1


# --- orbit


@pytest.mark.parametrize("azimuths", [[-50.0, -10, 20, 40], [150.0, 170, -170, -120]])
def test_orbit_swings_within_what_the_photos_saw(azimuths: list[float]) -> None:
    cameras = arc(azimuths)
    frames = orbit(cameras, AROUND, 40)
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
        frames = orbit(cameras, subject_of(cameras, ball()), 30, full=full).positions
        steps = (frames - frames.roll(1, 0)).norm(dim=1)
        assert steps[0] <= steps[1:].max() * 1.0001


def test_full_orbit_goes_all_the_way_round() -> None:
    cameras = arc([-50, -10, 20, 40])
    frames = orbit(cameras, AROUND, 36, full=True)
    assert_looks_at(frames, TARGET)
    steps = (azimuths_deg(frames).diff() % 360).clamp(0, 360)
    torch.testing.assert_close(torch.minimum(steps, 360 - steps), torch.full((35,), 10.0).double())


def test_cameras_all_around_make_a_full_orbit() -> None:
    cameras = arc([0, 45, 90, 135, 180, 225, 270, 315])
    turned = azimuths_deg(orbit(cameras, subject_of(cameras, ball()), 36)).sort().values
    torch.testing.assert_close(turned.diff(), torch.full((35,), 10.0).double())


def test_orbit_of_forward_facing_cameras_looks_at_the_scene() -> None:
    cameras, scene = wall_facing(), ball(torch.tensor([0.25, 0.25, 5.0]))
    subject = subject_of(cameras, scene)
    frames = orbit(cameras, subject, 20)
    assert_looks_at(frames, subject.target)
    assert frames.positions[:, 2].max() < 1
    assert frames.positions[:, 0].min() > -0.1
    assert frames.positions[:, 0].max() < 0.6


# --- the other paths


def test_spiral_stays_among_the_cameras() -> None:
    cameras, scene = wall_facing(), ball(torch.tensor([0.25, 0.25, 5.0]))
    subject = subject_of(cameras, scene)
    frames = spiral(cameras, subject, 60)
    assert_looks_at(frames, subject.target)
    assert frames.positions[:, :2].min() >= -1e-9
    assert frames.positions[:, :2].max() <= 0.5 + 1e-9
    assert float(frames.positions[:, 0].max() - frames.positions[:, 0].min()) > 0.4
    steps = (frames.positions - frames.positions.roll(1, 0)).norm(dim=1)
    assert steps[0] <= steps[1:].max() * 1.01


def test_spiral_of_a_ring_stays_on_one_side() -> None:
    cameras = arc([0, 45, 90, 135, 180, 225, 270, 315])
    frames = spiral(cameras, subject_of(cameras, ball()), 30)
    assert (frames.positions - frames.positions.mean(0)).norm(dim=1).max() < 2
    assert ((frames.positions - TARGET).norm(dim=1) > 2).all()


def looking_down(yaws_deg: list[float]) -> Cameras:
    """Drone cameras 10 above z = 0 that look straight down, each turned by its yaw."""
    yaw = torch.tensor(yaws_deg).double().deg2rad()
    poses = torch.eye(4).double().repeat(len(yaw), 1, 1)
    zero = torch.zeros_like(yaw)
    poses[:, :3, 0] = torch.stack([yaw.cos(), yaw.sin(), zero], dim=1)
    poses[:, :3, 1] = torch.stack([yaw.sin(), -yaw.cos(), zero], dim=1)
    poses[:, :3, 2] = torch.tensor([0.0, 0.0, -1.0]).double()
    poses[:, :3, 3] = torch.tensor([[-2.0, -2, 10], [2, -2, 10], [2, 2, 10], [-2, 2, 10]]).double()
    return cameras_at(poses)


@pytest.mark.parametrize("yaws_deg", [[0, 0, 0, 0], [0, 90, 180, 270], [0, 180, 0, 180]])
@pytest.mark.parametrize("name", ["orbit", "spiral"])
def test_cameras_that_look_straight_down_leave_every_frame_a_rigid_pose(name: str, yaws_deg: list[float]) -> None:
    cameras = looking_down(yaws_deg)
    frames = path(name, cameras, subject_of(cameras, ball(torch.zeros(3))), 24)[0]
    turn = frames.world_from_cam[:, :3, :3]
    torch.testing.assert_close(turn @ turn.mT, torch.eye(3).double().expand(24, 3, 3))
    assert (frames.forward[:, 2] < -0.8).all()


def test_auto() -> None:
    ring, wall = arc([-60, -20, 10, 70]), wall_facing()
    assert choose(ring, subject_of(ring, ball())) == "orbit"
    assert choose(wall, subject_of(wall, ball(torch.tensor([0.25, 0.25, 5.0])))) == "spiral"
    walk = wall.world_from_cam.clone()
    walk[:, 2, 3] = torch.arange(9) * 3.0
    subject = subject_of(cameras_at(walk), ball(torch.tensor([0.25, 0.25, 29.0])))
    assert choose(cameras_at(walk), subject) == "interpolate"


def test_path_names_what_auto_chose() -> None:
    cameras = arc([-60, -20, 10, 70])
    subject = subject_of(cameras, ball())
    frames, name = path("auto", cameras, subject, 10)
    assert name == "orbit"
    assert torch.equal(frames.world_from_cam, orbit(cameras, subject, 10).world_from_cam)
    for other in ("spiral", "interpolate", "inputs"):
        assert path(other, cameras, subject, 10)[1] == other


def test_a_single_camera_has_every_path() -> None:
    cameras = wall_facing(4)[:1]
    subject = subject_of(cameras, ball(torch.tensor([0.0, 0.0, 5.0])))
    for name in ("auto", "orbit", "spiral", "interpolate", "inputs"):
        frames = path(name, cameras, subject, 5)[0]
        assert len(frames) == 5
        assert frames.world_from_cam.isfinite().all()


# --- scenes without cameras


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
    subject = subject_of(cameras, ball())
    assert isinstance(subject, Subject)
    assert choose(cameras, subject) == "orbit"
