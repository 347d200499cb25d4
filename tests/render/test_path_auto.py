"""`auto` in a made-up place: a ball inside a shell, photographed from an arc, with or without a wall across the arc.

And which views photos support.
"""

import dataclasses
import math

import pytest
import torch
from torch import Tensor

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.render.paths.auto import candidates, choose, longest_run, seen_shares, supported, supported_stretch
from ilrm_cli.render.paths.by_name import Setting, route, setting_of
from ilrm_cli.render.paths.routes import Route, look_at
from ilrm_cli.render.probes import Glance, glance
from ilrm_cli.render.rasterize import NEAR
from tests.support.captures import TARGET, UP, arc, ball, cameras_at, wall_facing

WALL_AZIMUTH_DEG = 30.0  # between two photos
WALL_HALF_DEPTH = 0.25

WIDTH, HEIGHT = 16, 12


def solid(means: Tensor, scale: float) -> Gaussians:
    count = len(means)
    return Gaussians(
        means=means.float(),
        quaternions=torch.tensor([1.0, 0, 0, 0]).repeat(count, 1),
        scales=torch.full((count, 3), scale),
        opacities=torch.full((count,), 0.9),
        harmonics=torch.zeros(count, 1, 3),
    )


def place() -> Gaussians:
    """Return a ball of radius 1 at TARGET inside a shell of radius 9."""
    directions = torch.nn.functional.normalize(
        torch.randn(6000, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64), dim=1
    )
    return Gaussians.concatenated(solid(TARGET + directions[:1500], 0.08), solid(TARGET + 9 * directions, 0.35))


def wall_axes() -> tuple[Tensor, Tensor]:
    """Return the unit vectors outward from the target along the wall, and across it."""
    azimuth = math.radians(WALL_AZIMUTH_DEG)
    outward = torch.tensor([math.sin(azimuth), 0.0, -math.cos(azimuth)]).double()
    return outward, torch.linalg.cross(UP, outward)


def wall() -> Gaussians:
    """Return a solid wall that begins 2 from the target, runs through the arc of photos and reaches the shell."""
    outward, across = wall_axes()
    steps = [torch.arange(2, 9, 0.2), torch.arange(-3, 3, 0.2), torch.arange(-WALL_HALF_DEPTH, WALL_HALF_DEPTH, 0.1)]
    grid = torch.cartesian_prod(*steps).double()
    means = TARGET + grid[:, :1] * outward + grid[:, 1:2] * UP + grid[:, 2:] * across
    return solid(means, 0.1)


def photos() -> Cameras:
    return arc([-80, -60, -40, -20, 0, 18, 42, 60])


def into_wall(cameras: Cameras) -> Tensor:
    """Return the distance of each camera from the middle plane of the wall."""
    return ((cameras.positions - TARGET) @ wall_axes()[1]).abs()


@pytest.fixture(scope="module")
def walled() -> tuple[Gaussians, Setting, Glance]:
    scene = Gaussians.concatenated(place(), wall())
    return scene, setting_of(photos(), scene, UP), glance(photos(), scene, NEAR)


def test_a_free_arc_is_orbited_from_end_to_end() -> None:
    setting = setting_of(photos(), place(), UP)
    chosen, name = choose(setting, place(), NEAR)
    assert name == "orbit"
    torch.testing.assert_close(chosen.frames(24).positions, route("orbit", setting).frames(24).positions)


def test_no_frame_of_auto_is_inside_the_wall_that_an_orbit_passes_through(
    walled: tuple[Gaussians, Setting, Glance],
) -> None:
    scene, setting, seen = walled
    orbit = route("orbit", setting).frames(96)
    inside = into_wall(orbit) < WALL_HALF_DEPTH
    assert inside.sum() >= 4
    assert not supported(glance(orbit[inside.nonzero()[:, 0]], scene, NEAR), seen).any()
    chosen, name = choose(setting, scene, NEAR)
    assert name == "orbit"
    frames = chosen.frames(96, loop=True)
    assert into_wall(frames).min() > WALL_HALF_DEPTH
    assert supported(glance(frames, scene, NEAR), seen).double().mean() > 0.97
    assert (frames.positions[0] - frames.positions[-1]).norm() < 0.1
    assert (frames.positions.max(0).values - frames.positions.min(0).values).max() > 2  # and it still is a film


def test_photos_support_their_own_views(walled: tuple[Gaussians, Setting, Glance]) -> None:
    _, _, seen = walled
    assert supported(seen, seen).all()


def test_views_that_no_photo_had_are_not_supported(walled: tuple[Gaussians, Setting, Glance]) -> None:
    scene, setting, seen = walled
    behind = arc([180.0])
    away = setting.cameras[[0]].moved(
        setting.cameras.world_from_cam[:1] @ torch.diag(torch.tensor([-1.0, 1, -1, 1])).double()
    )
    in_the_ball = cameras_at(look_at(TARGET[None] + 0.3 * UP, TARGET + torch.tensor([0.0, 0, 1]).double(), UP))
    outside = arc([0.0], radius=30.0)
    for view in (behind, away, in_the_ball, outside):
        assert not supported(glance(view, scene, NEAR), seen).any()


def test_where_nothing_else_is_supported_it_stays_at_one_photo() -> None:
    """Two photos look away from each other: nothing between them was seen."""
    apart = cameras_at(torch.cat([look_at(TARGET[None] + i * UP, TARGET + i * UP + w, UP) for i, w in enumerate(
        torch.tensor([[0.0, 0, 1], [0.0, 0, -1]]).double()
    )]))  # fmt: skip
    shell = place()[torch.arange(1500, 7500)]
    chosen, name = choose(setting_of(apart, shell, UP), shell, NEAR)
    assert name == "wobble"
    assert torch.cdist(chosen.frames(9).positions, apart.positions).min(1).values.max() < 1


def test_what_suits_a_capture() -> None:
    before = torch.tensor([0.25, 0.25, 5.0])
    walk = wall_facing().world_from_cam.clone()
    walk[:, 2, 3] = torch.arange(9) * 3.0
    ahead = ball(torch.tensor([0.25, 0.25, 29.0]))
    assert candidates(setting_of(arc([-60, -20, 10, 70]), ball()))[0] == "orbit"
    assert candidates(setting_of(wall_facing(), ball(before)))[0] == "spiral"
    assert candidates(setting_of(cameras_at(walk), ahead))[0] == "interpolate"
    assert candidates(setting_of(wall_facing()[:1], ball(before))) == ()


def test_longest_run() -> None:
    good = torch.tensor([True, True, False, True, True, True, False, True])
    assert longest_run(good, closed=False) == (3, 3)
    assert longest_run(good[[0, 1, 2, 3, 6, 7]], closed=True) == (5, 3)
    assert longest_run(torch.ones(4, dtype=torch.bool), closed=True) == (0, 4)
    assert longest_run(torch.zeros(4, dtype=torch.bool), closed=True)[1] == 0


def test_a_stretch_is_judged_again_until_all_of_it_is_good() -> None:
    """On a line from 0 to 1 the first half is bad, and a spot at 0.9 that the first look passes over."""
    line = Route(lambda phases: cameras_at(look_at(phases[:, None] * UP, TARGET, UP)), closed=False)
    looks: list[int] = []

    def good(route: Route) -> Tensor:
        looks.append(1)
        places = route.frames(21).positions @ UP
        bad_spot = (places - 0.9).abs() < 0.02
        return (places > 0.5) & (~bad_spot | torch.tensor(len(looks) == 1))

    found = supported_stretch(line, good)
    assert found is not None
    places = found.frames(50).positions @ UP
    assert 0.5 < places.min() < 0.6
    assert 0.8 < places.max() < 0.89
    assert len(looks) == 3
    assert supported_stretch(line, lambda route: route.frames(21).positions @ UP > 0.8) is None


def looking_ahead(*x: float, z: float = 0.0, depth: float = 4.0) -> Glance:
    """Return cameras at (x, 0, z) that look along +z at a wall, which fills their pictures."""
    pose = torch.eye(4).repeat(len(x), 1, 1)
    pose[:, 0, 3], pose[:, 2, 3] = torch.tensor(x), z
    lens = torch.full((len(x), 2), 16.0)
    center = torch.tensor([[WIDTH / 2, HEIGHT / 2]]).repeat(len(x), 1)
    cameras = Cameras(pose, lens, center, WIDTH, HEIGHT)
    return Glance(cameras, torch.full((len(x), HEIGHT, WIDTH), depth), torch.ones(len(x)))


def test_a_photo_supports_itself_and_what_is_beside_it():
    photos = looking_ahead(0.0, 1.0)
    assert seen_shares(photos, photos).tolist() == [1, 1]
    assert supported(looking_ahead(0.5), photos).tolist() == [True]


def test_what_lies_beside_all_photos_was_not_seen():
    photos = looking_ahead(0.0)
    shares = seen_shares(looking_ahead(2.0, 8.0), photos)  # pictures are 4 wide at the wall
    torch.testing.assert_close(shares, torch.tensor([0.5, 0.0]))
    assert supported(looking_ahead(2.0), photos).tolist() == [False]


def test_behind_what_photos_saw_is_not_seen():
    """A second wall, two units behind the one that the photos saw."""
    assert seen_shares(looking_ahead(0.0, depth=6.0), looking_ahead(0.0)).tolist() == [0]


def test_much_nearer_than_any_photo_is_too_near():
    photos = looking_ahead(0.0)
    assert not supported(looking_ahead(0.0, z=2.5, depth=1.5), photos).any()  # nearer than half
    assert seen_shares(looking_ahead(0.0, z=3.5, depth=0.5), photos).tolist() == [0]  # nearer than a quarter


def test_the_other_side_was_not_seen():
    photos = looking_ahead(0.0)
    turned = torch.diag(torch.tensor([-1.0, 1, -1, 1]))[None]
    turned[:, 2, 3] = 8  # looks back at the wall from behind it
    back = dataclasses.replace(photos, cameras=photos.cameras.moved(turned))
    assert seen_shares(back, photos).tolist() == [0]


def test_views_that_show_little_are_not_supported():
    photos = looking_ahead(0.0)
    faint = dataclasses.replace(photos, alpha=torch.tensor([0.5]))
    empty = dataclasses.replace(photos, depth=torch.full_like(photos.depth, torch.inf))
    assert not supported(faint, photos).any()
    assert not supported(empty, photos).any()
    assert seen_shares(empty, photos).tolist() == [0]
