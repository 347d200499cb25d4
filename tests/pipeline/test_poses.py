"""Refined poses: gradients against differences of pictures, poses that are found again, and good ones that stay."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.transforms import rotations
from ilrm_cli.geometry.views import Views
from ilrm_cli.pipeline.optimize.fit import Effort, Fit
from ilrm_cli.pipeline.optimize.judging import optimize
from ilrm_cli.pipeline.optimize.parameters import Parameters, Rates
from ilrm_cli.pipeline.optimize.per_photo import BETA_1, BETA_2, EPS
from ilrm_cli.pipeline.optimize.pose_trial import PosedJudges, squares, try_poses
from ilrm_cli.pipeline.optimize.poses import (
    SHIFT_RATE,
    TURN_RATE,
    PhotoPoses,
    PoseCorrections,
    PosedAgain,
    moved,
    pose_gradient,
)  # fmt: skip
from ilrm_cli.render.rasterize import render
from tests.support.dense_renderer import alphas, colors_seen

SIDE, FOCAL_PX = 48, 60.0
EFFORT = Effort(steps=300, long_side_px=SIDE, degree=0, growth=0.0, most=1000)
OFF_DEG = 1.5


def scene(degree: int = 0, count: int = 120) -> Gaussians:
    g = torch.Generator().manual_seed(0)
    means = torch.rand(count, 3, generator=g) * torch.tensor([2.4, 2.4, 1.0]) + torch.tensor([-1.2, -1.2, 2.0])
    return Gaussians(
        means=means,
        quaternions=torch.nn.functional.normalize(torch.randn(count, 4, generator=g), dim=-1),
        scales=0.05 + 0.1 * torch.rand(count, 3, generator=g),
        opacities=torch.full((count,), 0.5),
        harmonics=0.6 * torch.randn(count, (degree + 1) ** 2, 3, generator=g),
    )


def cameras(count: int = 7) -> Cameras:
    poses = torch.eye(4).repeat(count, 1, 1)
    poses[:, 0, 3], poses[:, 1, 3] = torch.linspace(-0.6, 0.6, count), torch.linspace(0.3, -0.3, count).abs()
    return Cameras(poses, torch.full((count, 2), FOCAL_PX), torch.full((count, 2), SIDE / 2), SIDE, SIDE)


def photos_of(gaussians: Gaussians) -> Views:
    with torch.no_grad():
        return Views(render(gaussians, cameras()).color.clamp(0, 1), cameras())


def drifted(views: Views) -> Views:
    """Return the photos with poses turned by OFF_DEG, about axes of any direction."""
    g = torch.Generator().manual_seed(3)
    turns = math.radians(OFF_DEG) * torch.nn.functional.normalize(torch.randn(len(views), 3, generator=g), dim=-1)
    return replace(views, cameras=moved(views.cameras, torch.cat([turns, 0.005 * turns.sign()], dim=1)))


def slopes(error: Callable[[Cameras], Tensor], camera: Cameras, step: float) -> Float[Tensor, "6"]:
    """Return central differences of an error over the six numbers of a pose."""
    changes = step * torch.eye(6).to(camera.world_from_cam)[:, None]
    found = [(error(moved(camera, change)) - error(moved(camera, -change))) / (2 * step) for change in changes]
    return torch.stack(found)


def tilted() -> Cameras:
    return moved(cameras(), torch.tensor([[0.05, 0.1, -0.3, 0.0, 0.1, 0.2]]).expand(7, 6))[[2]]


@pytest.mark.parametrize("degree", [0, 1])
def test_the_gradient_is_the_slope_of_the_error_over_poses(degree):
    """In float64, of sums over Gaussians at every pixel, which nothing cuts off: they are smooth in the pose."""
    single, g = scene(degree, 20), torch.Generator().manual_seed(2)
    shown = replace(single, **{name: value.double() for name, value in vars(single).items() if name != "antialiased"})
    shown = replace(shown, means=shown.means * torch.tensor([0.3, 0.3, 1.0], dtype=torch.float64))
    weights = torch.rand(SIDE, SIDE, generator=g).double()

    def error(camera: Cameras, gaussians: Gaussians = shown) -> Tensor:
        directions = torch.nn.functional.normalize(gaussians.means - camera.positions[0], dim=-1)
        colors = colors_seen(gaussians.harmonics, directions)
        return torch.einsum("nhw,hw,nc->", alphas(gaussians, camera), weights, colors.square())

    camera, fitted = tilted().to(torch.float64), Parameters(shown, degree, Rates())
    error(camera, fitted.gaussians()).backward()
    torch.testing.assert_close(
        pose_gradient(fitted, camera.positions[0]), slopes(error, camera, 1e-6), rtol=1e-5, atol=0
    )


def test_turns_are_about_the_cameras_own_centre_by_the_length_of_the_vector():
    turned = moved(cameras(), torch.tensor([[0, 0, math.pi / 2, 0, 0, 0.5]]).expand(7, 6))
    torch.testing.assert_close(turned.positions, cameras().positions + torch.tensor([0, 0, 0.5]))
    torch.testing.assert_close(turned.world_from_cam[:, :3, 0], torch.tensor([[0.0, 1.0, 0.0]]).expand(7, 3))
    torch.testing.assert_close(rotations(torch.zeros(2, 3)), torch.eye(3).expand(2, 3, 3))


def test_poses_step_like_torchs_adam_for_the_photo_that_is_seen_with_mean_zero():
    ours, theirs = PhotoPoses(2, torch.device("cpu")), torch.zeros(6, requires_grad=True)
    groups = [{"params": [turn := torch.zeros(3, requires_grad=True)], "lr": TURN_RATE}]
    groups += [{"params": [shift := torch.zeros(3, requires_grad=True)], "lr": SHIFT_RATE}]
    adam = torch.optim.Adam(groups, betas=(BETA_1, BETA_2), eps=EPS)
    for step in range(1, 4):
        gradient = step * torch.arange(-2.0, 4.0)
        ours.step(1, gradient, 1.0)
        turn.grad, shift.grad = gradient[:3], gradient[3:]
        adam.step()
    theirs = torch.cat([turn, shift]).detach()
    torch.testing.assert_close(ours.numbers[1] - ours.numbers[0], theirs)
    torch.testing.assert_close(ours.numbers.mean(0), torch.zeros(6))
    ours.join(3)
    assert len(ours.numbers) == 5


def off_deg(found: Cameras) -> float:
    """Return the mean angle to the true poses, but for a turn of all cameras together."""
    turns = found.world_from_cam[:, :3, :3] @ cameras().world_from_cam[:, :3, :3].transpose(1, 2)
    u, _, v = torch.linalg.svd(turns.mean(0))
    return PoseCorrections(("",) * len(turns), (u @ v).T @ turns, torch.zeros(len(turns), 3)).turn_deg


def test_poses_that_are_off_are_found_again_in_the_frame_that_was_given():
    photos = drifted(photos_of(scene()))
    fit = Fit(scene(), photos, replace(EFFORT, refines_poses=True))
    for done in range(1, EFFORT.steps + 1):
        fit.step(done / EFFORT.steps)
    assert off_deg(photos.cameras) > 1.0
    assert off_deg(fit.cameras) < 0.3
    assert fit.poses is not None
    torch.testing.assert_close(fit.poses.numbers.mean(0), torch.zeros(6), atol=1e-6, rtol=0)


def test_a_held_out_photo_is_scored_on_pixels_that_did_not_tell_its_pose():
    photos = drifted(photos_of(scene()))[[1, 4]]
    judges = PosedJudges(photos)
    before = judges.score(scene())
    judges.align(scene(), 40)
    assert judges.score(scene()) > before + 3
    assert judges.score(scene(), photos.cameras) == before
    told = squares(SIDE, SIDE)
    assert told.mean() == 0.5
    spoilt = PosedJudges(replace(photos, images=torch.where(told > 0, photos.images, 1 - photos.images)))
    spoilt.align(scene(), 40)
    assert torch.equal(spoilt.cameras.world_from_cam, judges.cameras.world_from_cam)


@pytest.mark.parametrize(
    ("off", "wanted", "refined"), [(True, False, True), (False, False, False), (False, True, True)]
)
def test_poses_are_refined_where_that_helps_or_is_asked_for(off, wanted, refined):
    photos = photos_of(scene())
    seen = drifted(photos) if off else photos
    tried = try_poses(scene(), None, seen[[0, 1, 3, 4, 6]], seen[[2, 5]], EFFORT, always=wanted)
    assert tried.refines is refined
    if off:
        assert tried.gain_db is not None
        assert tried.gain_db > 0.5
    if not refined:
        assert torch.equal(tried.photos.world_from_cam, seen.cameras[[0, 1, 3, 4, 6]].world_from_cam)


@pytest.mark.slow
def test_a_fit_with_poses_says_where_photos_were_taken_and_is_twice_the_same():
    photos = drifted(photos_of(scene()))
    given = (scene(), scene(), photos[[0, 1, 3, 4, 6]], photos[[2, 5]], EFFORT)
    refining = (*given[:-1], replace(EFFORT, refines_poses=True))
    found, again = (optimize(*refining, keep_out=False) for _ in range(2))
    assert found.poses is not None
    assert again.poses is not None
    assert found.poses.photos.shape == (5, 4, 4)
    assert found.poses.judges.shape == found.poses.measured_from.shape == (2, 4, 4)
    assert torch.equal(found.poses.photos, again.poses.photos)
    assert torch.equal(found.gaussians.means, again.gaussians.means)
    assert found.psnr_after > optimize(*given).psnr_after + 1
    assert optimize(*given).poses is None


def test_corrections_carry_over_to_cameras_of_another_size_that_are_turned():
    given, names = cameras(), [str(i) for i in range(7)]
    found = moved(given, 0.1 * torch.randn(7, 6, generator=torch.Generator().manual_seed(1)))
    corrections = PoseCorrections.between(names, given.world_from_cam, found.world_from_cam)
    torch.testing.assert_close(corrections.applied(names, given).world_from_cam, found.world_from_cam)
    quarter = torch.eye(4)
    quarter[:2, :2] = torch.tensor([[0.0, -1.0], [1.0, 0.0]])
    rolled = given.moved(given.world_from_cam @ quarter)[[5, 2]].resized(24, 24)
    torch.testing.assert_close(
        corrections.applied(["5", "2"], rolled).world_from_cam, (found.world_from_cam @ quarter)[[5, 2]]
    )


def test_views_with_other_cameras_and_pixels_that_no_longer_count():
    views = photos_of(scene())
    told = squares(SIDE, SIDE)
    again = PosedAgain(replace(views, masks=torch.ones(7, SIDE, SIDE)), moved(cameras(), torch.full((7, 6), 0.1)), told)
    assert torch.equal(again[[3]].masks[0], told)
    assert torch.equal(again[[3]].cameras.world_from_cam, again.cameras.world_from_cam[[3]])
