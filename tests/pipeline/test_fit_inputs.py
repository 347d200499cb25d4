"""A small known scene, seen by cameras on an arc; its colours are spoilt and refined back.

What is doubted becomes faint at the start, and known points of a wall are added as Gaussians.
"""

from dataclasses import replace

import pytest
import torch

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.harmonics import SH_C0
from ilrm_cli.geometry.transforms import matrix_from_quaternion
from ilrm_cli.geometry.views import Views
from ilrm_cli.pipeline.fit_inputs import JUDGE_EVERY, refine, refine_like
from ilrm_cli.pipeline.starts import DOUBT, FOOTPRINT_PX, point_splats, refine_start
from ilrm_cli.render.metrics import score
from ilrm_cli.render.rasterize import render
from ilrm_cli.runtime.progress import Step
from tests.models.test_plane_sweep import wall


def scene(count: int = 300) -> Gaussians:
    g = torch.Generator().manual_seed(0)
    return Gaussians(
        means=(torch.rand(count, 3, generator=g) - 0.5) * 1.6,
        quaternions=torch.tensor([1.0, 0, 0, 0]).repeat(count, 1),
        scales=torch.full((count, 3), 0.08),
        opacities=torch.full((count,), 0.8),
        harmonics=torch.randn(count, 1, 3, generator=g),
    )


def arc(count: int) -> Cameras:
    """Return cameras 3 units from the origin, 10 degrees apart, looking at it."""
    angle = torch.deg2rad(torch.arange(count) * 10.0)
    turn = matrix_from_quaternion(torch.stack([(angle / 2).cos(), 0 * angle, (angle / 2).sin(), 0 * angle], dim=-1))
    pose = torch.eye(4).repeat(count, 1, 1)
    pose[:, :3, :3] = turn
    pose[:, :3, 3] = -3 * turn[:, :, 2]
    return Cameras(pose, torch.full((count, 2), 40.0), torch.full((count, 2), 16.0), 32, 32)


@pytest.fixture(scope="module")
def views() -> Views:
    cameras = arc(5)
    return Views(render(scene(), cameras).color, cameras)


def spoilt() -> Gaussians:
    return replace(scene(), harmonics=0.3 * scene().harmonics)


def test_a_scene_made_for_antialiased_drawing_stays_one(views):
    start = replace(spoilt(), antialiased=True)
    seen = Views(render(replace(scene(), antialiased=True), views.cameras).color, views.cameras)
    result = refine(start, seen[[0, 2, 4]], seen[[1, 3]], 25)
    assert result.iterations
    assert result.gaussians.antialiased
    assert result.psnr_after > result.psnr_before + 3


def test_held_out_quality_rises(views):
    steps: list[Step] = []
    result = refine(spoilt(), views[[0, 2, 4]], views[[1, 3]], 25, report=steps.append)
    assert result.psnr_after > result.psnr_before + 3
    assert result.psnr_after == pytest.approx(score(result.gaussians, views[[1, 3]]), abs=1e-4)
    assert [s.done for s in steps] == list(range(1, 26))


def test_never_worse_than_the_start(views):
    """The inputs are wrong: the judges refuse every step and the start is returned untouched."""
    lies = Views(1 - views.images, views.cameras)
    start = scene()
    result = refine(start, lies, views[[1, 3]], 10)
    assert result.iterations == 0
    assert result.psnr_after == result.psnr_before
    assert result.gaussians is start


def test_another_start_counts_only_where_it_ends_better(views):
    """From nonsense it does not get far in five iterations, and the unrefined scene stays; from the truth it wins."""
    nonsense = replace(scene(), means=scene().means.flip(0))
    inputs, judges = views[[0, 2, 4]], views[[1, 3]]
    kept = refine(scene(), inputs, judges, 5, start=nonsense)
    assert kept.iterations == 0
    assert kept.psnr_after == kept.psnr_before
    found = refine(nonsense, inputs, judges, 5, start=scene())
    assert found.iterations > 0
    assert found.psnr_after > found.psnr_before + 3


def test_a_start_below_the_unrefined_score_is_given_time(views):
    """Patience belongs to the fit: while it rises it goes on, though it has not yet reached what is kept."""
    faint = replace(spoilt(), opacities=torch.full((300,), 0.1))
    result = refine(
        replace(scene(), harmonics=0.98 * scene().harmonics), views[[0, 2, 4]], views[[1, 3]], 40, start=faint
    )
    assert result.ran == 40


def test_it_stops_when_the_judges_lose_patience(views):
    lies = Views(1 - views.images[:1], views.cameras[[0]])
    result = refine(scene(), lies, views[[3]], 1000)
    assert result.ran < 10 * JUDGE_EVERY


def test_what_is_returned_is_what_scored_best(views):
    """Inputs of stronger colours: the fit passes the true ones and goes on, which must not touch what is kept."""
    strong = render(replace(scene(), harmonics=1.5 * scene().harmonics), views.cameras).color
    result = refine(spoilt(), Views(strong, views.cameras)[[0, 2, 4]], views[[1, 3]], 200)
    assert 0 < result.iterations < result.ran
    assert score(result.gaussians, views[[1, 3]]) == pytest.approx(result.psnr_after, abs=1e-4)


def test_a_fit_without_judges_goes_as_far_as_the_trial_was_best(views):
    inputs, judges, faint = views[[0, 2, 4]], views[[1, 3]], replace(spoilt(), opacities=torch.full((300,), 0.6))
    trial = refine(faint, inputs, judges, 8, start=faint)
    assert trial.iterations == 8
    steps: list[Step] = []
    alike = refine_like(trial, faint, inputs, 8, start=faint, report=steps.append)
    assert all(map(torch.equal, trial.gaussians.tensors(), alike.gaussians.tensors()))
    assert [s.done for s in steps] == list(range(1, 9))
    shorter = refine_like(replace(trial, iterations=5), spoilt(), inputs, 8, start=faint)
    assert score(faint, judges) < score(shorter.gaussians, judges) < score(alike.gaussians, judges)


def test_a_trial_that_nothing_helped_leaves_the_prediction(views):
    start = scene()
    useless = refine(start, Views(1 - views.images, views.cameras), views[[1, 3]], 5)
    alike = refine_like(useless, start, views, 5, start=spoilt())
    assert alike.gaussians is start
    assert alike.figures == useless.figures


def test_transparent_and_vanished_gaussians_survive(views):
    start = replace(spoilt(), opacities=torch.cat([torch.zeros(10), torch.ones(10), torch.full((280,), 0.8)]))
    start = replace(start, scales=torch.cat([torch.zeros(5, 3), start.scales[5:]]))
    result = refine(start, views[[0, 2, 4]], views[[1, 3]], 5)
    assert bool(result.gaussians.finite().all())


def test_masked_pixels_neither_teach_nor_judge(views):
    """White where the masks ignore, as photos are read: the true scene behind is not painted over."""
    masks = torch.ones(5, 32, 32)
    masks[:, 8:24, 8:24] = 0
    hidden = Views(torch.where(masks[:, None] > 0, views.images, 1.0), views.cameras, masks=masks)
    assert score(scene(), hidden[[1, 3]]) > 60
    result = refine(spoilt(), hidden[[0, 2, 4]], hidden[[1, 3]], 10)
    assert result.iterations > 0
    assert score(result.gaussians, views[[1, 3]]) > score(spoilt(), views[[1, 3]])


def test_opacity_follows_support_and_points_come_after():
    known = torch.zeros(2, 32, 32)
    known[0, 3, 5] = known[1, 8, 9] = 4.0
    predicted, support = scene(), torch.linspace(0.1, 1, 300)
    start = refine_start(predicted, support, replace(wall([0.0, 0.5]), sparse_depth=known))
    assert len(start) == 302
    torch.testing.assert_close(start.opacities[:300], 0.8 * support**DOUBT)
    assert torch.equal(start.means[:300], predicted.means)


def test_a_point_lies_where_its_pixel_looks_in_its_color():
    views = wall([0.0, 0.5])
    known = torch.zeros(2, 32, 32)
    known[1, 10, 20] = 4.0
    splats = point_splats(replace(views, sparse_depth=known))
    cameras = views.cameras
    assert len(splats) == 1
    local = splats.means[0] - cameras.positions[1]  # the cameras of the wall are not turned
    pixel = local[:2] / local[2] * cameras.focal_px[1] + cameras.center_px[1]
    torch.testing.assert_close(pixel, torch.tensor([20.5, 10.5]))
    torch.testing.assert_close(local[2], torch.tensor(4.0))
    torch.testing.assert_close(splats.harmonics[0, 0] * SH_C0 + 0.5, views.images[1, :, 10, 20])
    torch.testing.assert_close(splats.scales * cameras.focal_px[1].mean() / 4, torch.full((1, 3), FOOTPRINT_PX))


def test_without_points_there_are_none():
    assert len(point_splats(wall([0.0, 0.5]))) == 0
