"""The fit to all photos: Adam against torch's own, splits that change no picture much, a scene that is found again."""

import json
import math
from dataclasses import replace

import pytest
import torch

from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.views import Views
from ilrm_cli.pipeline.optimize import fit as module
from ilrm_cli.pipeline.optimize.course import LAST_SHARE
from ilrm_cli.pipeline.optimize.density import TRANSPARENT, Density
from ilrm_cli.pipeline.optimize.fit import (
    COARSE_SHARE,
    DROPPED,
    EFFORTS,
    FEW,
    Fit,
    effort_for,
    photo_error,
    surface_error,
    thinned,
)
from ilrm_cli.pipeline.optimize.judging import LOOKS, Judges, Opinion, optimize
from ilrm_cli.pipeline.optimize.parameters import BETA_1, BETA_2, EPS, Parameters, Rates
from ilrm_cli.render.metrics import evened_psnr, score
from ilrm_cli.render.rasterize import render
from tests.cli.conftest import SAMPLES
from tests.support.command_line import ilrm
from tests.support.quick_fit import QUICK, SIDE, cameras, photos_of, scene, spoilt
from tests.support.shelled import around, covered, patch


def test_a_step_is_that_of_torchs_adam():
    rates = Rates()
    ours, theirs = Parameters(scene(), 1, rates), Parameters(scene(), 1, rates)
    groups = [
        {"params": [theirs.means], "lr": rates.means},
        {"params": [theirs.quaternions], "lr": rates.quaternions},
        {"params": [theirs.log_scales], "lr": rates.scales},
        {"params": [theirs.logits], "lr": rates.opacities},
        {"params": [theirs.colors], "lr": rates.colors},
        {"params": [theirs.rest], "lr": rates.harmonics},
    ]
    adam = torch.optim.Adam(groups, betas=(BETA_1, BETA_2), eps=EPS)
    for _ in range(3):
        for fitted in (ours, theirs):
            made = fitted.gaussians()
            sum((value.cos() * (1 + i)).sum() for i, value in enumerate(made.tensors())).backward()
        ours.step(1.0)
        adam.step()
        adam.zero_grad()
    for name, value in vars(theirs.snapshot()).items():
        torch.testing.assert_close(getattr(ours.snapshot(), name), value)
    torch.testing.assert_close(ours.snapshot().quaternions.norm(dim=1), torch.ones(60))


@pytest.mark.parametrize("antialiased", [False, True])
def test_a_fit_draws_as_its_start_is_drawn(antialiased):
    start = replace(spoilt(scene()), antialiased=antialiased)
    fit = Fit(start, photos_of(scene(), 3), QUICK)
    fit.step(0.5)
    assert fit.scene.gaussians().antialiased == fit.scene.snapshot().antialiased == antialiased


@pytest.mark.parametrize(("side_px", "drawn_px"), [(192, [96, 192]), (64, [64, 64])])
def test_first_steps_are_on_reduced_photos_unless_those_would_be_tiny(monkeypatch, side_px, drawn_px):
    views = replace(photos_of(scene(), 2), images=torch.rand(2, 3, side_px, side_px), masks=None)
    views = replace(views, cameras=views.cameras.resized(side_px, side_px))
    seen = []
    monkeypatch.setattr(
        module, "photo_error", lambda made, view, _: seen.append(view.cameras.width) or made.means.sum()
    )
    fit = Fit(scene(), views, replace(QUICK, dropped=0.0))
    fit.colors = None
    for progress in (COARSE_SHARE - 0.01, COARSE_SHARE):
        for name in ("quaternions", "log_scales", "logits", "colors", "rest"):
            getattr(fit.scene, name).grad = torch.zeros_like(getattr(fit.scene, name))
        fit.step(progress)
    assert seen == drawn_px


def test_a_split_scene_looks_much_as_before_and_what_is_transparent_goes():
    before = scene()
    opacities = before.opacities.clone()
    opacities[:5] = TRANSPARENT / 2
    fitted = Parameters(replace(before, opacities=opacities), 0, Rates())
    density, view = Density(len(fitted), torch.device("cpu")), cameras()[[0]]
    render(fitted.gaussians(), view).color.square().sum().backward()
    density.record(fitted.means, view)
    pictures = [render(fitted.snapshot(), view).color]
    density.control(fitted, growth=0.25, most=1000)
    assert len(fitted) == 60 - 5 + 15
    pictures.append(render(fitted.snapshot(), view).color)
    assert (pictures[0] - pictures[1]).abs().mean() < 0.02
    fitted.gaussians().means.sum().backward()  # what is new can be fitted
    assert fitted.means.grad is not None


def test_there_are_never_more_than_allowed():
    fitted, view = Parameters(scene(), 0, Rates()), cameras()[[0]]
    density = Density(len(fitted), torch.device("cpu"))
    for _ in range(4):
        render(fitted.gaussians(), view).color.square().sum().backward()
        density.record(fitted.means, view)
        fitted.step(0.01)
        density = density.control(fitted, growth=0.5, most=70)
    assert len(fitted) == 70


def test_a_spoilt_scene_is_found_again_and_twice_the_same():
    truth = scene()
    photos, start = photos_of(truth), spoilt(truth)
    fitted, judges = photos[[0, 1, 3, 4, 5]], photos[[2]]
    steps = []
    found = optimize(start, start, fitted, judges, QUICK, report=steps.append)
    assert found.psnr_after > found.psnr_before + 5
    assert found.psnr_after == pytest.approx(score(found.gaussians, judges, evened_psnr))
    assert found.psnr_fitted == pytest.approx(score(found.gaussians, fitted, evened_psnr))
    assert (found.photos, found.width, found.height) == (5, SIDE, SIDE)
    assert found.gaussians.sh_degree == 1
    assert steps[-1].stage == "fitting"
    again = optimize(start, start, fitted, judges, QUICK)
    assert all(map(torch.equal, found.gaussians.tensors(), again.gaussians.tensors()))


def test_the_prediction_stays_where_nothing_is_better():
    truth = scene()
    photos = photos_of(truth)
    wrong = replace(photos, images=1 - photos.images)
    found = optimize(truth, truth, wrong[[0, 1]], photos[[2]], QUICK)
    assert found.gaussians is truth
    assert (found.steps, found.psnr_after, found.psnr_fitted) == (0, found.psnr_before, None)


@pytest.mark.slow
def test_the_judges_are_fitted_last_and_the_score_is_that_from_before():
    truth = scene()
    photos, start = photos_of(truth), spoilt(truth)
    given = (start, start, photos[[0, 1, 3, 4]], photos[[2, 5]], QUICK)
    kept_out, used = optimize(*given), optimize(*given, keep_out=False)
    assert kept_out.gaussians is kept_out.measured
    assert kept_out.last_steps == 0
    assert (used.steps, used.psnr_after) == (kept_out.steps, kept_out.psnr_after)
    assert torch.equal(used.measured.means, kept_out.measured.means)
    assert used.last_steps == int(LAST_SHARE * used.steps)
    assert used.psnr_after == pytest.approx(score(used.measured, photos[[2, 5]], evened_psnr))
    assert score(used.gaussians, photos[[2, 5]], evened_psnr) > used.psnr_after + 0.5
    again = optimize(*given, keep_out=False)
    assert all(map(torch.equal, used.gaussians.tensors(), again.gaussians.tensors()))


def test_a_sharp_state_is_better_than_a_soft_one_of_slightly_more_db():
    """Judges of statue, after 250 and 875 steps, and of what overfits: less of both."""
    soft, sharp = Opinion(21.88, 0.818), Opinion(20.60, 0.871)
    assert sharp.worth > soft.worth > Opinion(21.0, 0.80).worth
    assert soft.worth > Opinion(19.0, 0.83).worth


def test_a_last_stretch_begins_at_the_best_state(monkeypatch):
    """Where the fit went on to worse ones."""
    truth = scene()
    photos = photos_of(truth)
    scores = iter([20.0, 30.0, *[10.0] * QUICK.patience])
    monkeypatch.setattr(Judges, "score", lambda *_: Opinion(next(scores), 0.5))
    found = optimize(truth, spoilt(truth), photos[[0, 1, 2]], photos[[3]], QUICK, keep_out=False)
    assert (found.steps, found.ran) == (QUICK.steps // LOOKS, (1 + QUICK.patience) * QUICK.steps // LOOKS)
    assert found.last_steps == int(LAST_SHARE * found.steps)
    assert len(found.gaussians) == len(found.measured)
    assert (found.psnr_after, found.ssim_after) == (30.0, 0.5)


def test_the_horizon_keeps_place_shape_and_opacity_and_learns_colors():
    truth = scene()
    away = replace(truth, means=truth.means * 50, scales=truth.scales * 50, opacities=truth.opacities)
    fit = Fit(away, photos_of(truth), replace(QUICK, horizon=1.0))
    for done in range(1, 9):
        fit.step(done / 8)
    after = fit.scene.snapshot()
    for name in ("means", "scales", "opacities"):
        torch.testing.assert_close(getattr(after, name), getattr(away, name))
    assert (after.harmonics[:, 0] != away.harmonics[:, 0]).any()


def test_a_thinned_scene_is_as_opaque_in_the_mean():
    gaussians, generator = replace(scene(), opacities=torch.linspace(0.01, 0.6, 60)), torch.Generator().manual_seed(0)
    assert thinned(gaussians, 0.0, generator) is gaussians
    opacities = torch.stack([thinned(gaussians, 0.25, generator).opacities for _ in range(400)])
    assert float((opacities == 0).float().mean()) == pytest.approx(0.25, abs=0.01)
    torch.testing.assert_close(opacities.mean(0), gaussians.opacities, atol=0.06, rtol=0)


def test_gaussians_are_dropped_where_there_are_few_photos():
    assert effort_for("standard", FEW) == EFFORTS["standard"]
    assert effort_for("standard", FEW - 1) == replace(EFFORTS["standard"], dropped=DROPPED)
    truth = replace(scene(), opacities=torch.full((60,), 0.5))
    photos, start = photos_of(truth), spoilt(truth)
    fits = [Fit(start, photos, replace(QUICK, dropped=share)) for share in (0.0, DROPPED)]
    for fit in fits:
        fit.step(0.5)
    moved = [(fit.scene.logits != start.opacities.logit()).float().mean() for fit in fits]
    assert float(moved[1] / moved[0]) == pytest.approx(1 - DROPPED, abs=0.1), "who is dropped feels nothing"


def wall(turned: float = 0.0, thick: float = 0.1) -> Gaussians:
    """Return discs in the plane z = 0, each turned by so many radians about x, and so thick."""
    points, normals, spacing = patch(40)
    discs = covered(points, normals, spacing)
    turn = torch.tensor([[math.cos(turned / 2), math.sin(turned / 2), 0.0, 0.0]])
    flat = discs.scales.amax(1, keepdim=True) * torch.tensor([1.0, 1.0, thick])
    return replace(discs, quaternions=turn.expand(len(discs), 4), scales=flat)


def above() -> Views:
    cameras = around(side_px=64, focal_px=150.0).to(torch.float32)
    return Views(torch.zeros(1, 3, 64, 64), cameras[[int(cameras.positions[:, 2].argmax())]])


def test_the_error_of_surfaces_is_that_of_discs_which_are_thick_or_stand_out_of_them():
    view, weight = above(), module.THICKNESS_WEIGHT
    errors = [float(surface_error(wall(turned), view, math.inf)) for turned in (0.0, 0.3, 0.6)]
    assert errors[0] == pytest.approx(0.1 * weight, abs=1e-3)
    bent = [(error - 0.1 * weight) / module.BEND_WEIGHT for error in errors]  # less where light goes between discs
    assert bent[1] == pytest.approx(1 - math.cos(0.3), abs=0.005)
    assert bent[2] == pytest.approx(1 - math.cos(0.6), abs=0.02)
    masked = replace(view, masks=torch.zeros(1, 64, 64))
    assert float(surface_error(wall(0.6), masked, math.inf)) == pytest.approx(0.1 * weight, abs=1e-6)


def test_the_error_of_surfaces_turns_discs_into_them_and_leaves_what_is_beyond_the_horizon():
    far = replace(wall(), means=wall().means + torch.tensor([0.0, 0.0, -50.0]))
    fitted = Parameters(Gaussians.concatenated(wall(0.5, thick=0.5), far), 0, Rates())
    for _ in range(40):
        drawn = fitted.gaussians()
        (surface_error(drawn, above(), horizon=10.0) + 0 * drawn.harmonics.sum()).backward()
        assert (fitted.means.grad[1600:] == 0).all()
        fitted.step(1.0)
    after = fitted.snapshot()[:1600]
    assert (after.scales.amin(1) / after.scales.amax(1)).median() < 0.4
    inner = after.means[:, :2].abs().amax(1) < 0.7  # at the rim a disc is alone
    assert after.normals(torch.tensor([0.0, 0.0, 3.5]))[inner, 2].median() > math.cos(0.3)


def test_a_fit_of_surfaces_is_flatter_and_twice_the_same():
    truth = scene()
    photos, start = photos_of(truth), spoilt(truth)
    plain = optimize(start, start, photos, None, QUICK).gaussians
    both = [optimize(start, start, photos, None, replace(QUICK, geometry=True)).gaussians for _ in range(2)]
    assert all(map(torch.equal, *(made.tensors() for made in both)))
    ratio = [float((made.scales.amin(1) / made.scales.amax(1)).median()) for made in (plain, both[0])]
    assert ratio[1] < 0.8 * ratio[0]


def test_masked_pixels_teach_nothing():
    """Gaussians that show in masked pixels alone, farther from others than a window of SSIM reaches, feel nothing."""
    truth = scene()
    view = photos_of(truth)[[0]]
    masks = torch.zeros(1, SIDE, SIDE)
    masks[:, :, 26:] = 1
    fitted = Parameters(spoilt(truth), 0, Rates())
    photo_error(fitted.gaussians(), replace(view, images=1 - view.images, masks=masks)).backward()
    column = view.cameras.project(fitted.means.detach()).pixels[0, :, 0]
    assert (column < 8).any()
    assert (fitted.means.grad[column < 8] == 0).all()
    assert (fitted.means.grad[column > 26] != 0).any()


def test_the_main_job_fits_to_all_but_every_eighth_photo(tmp_path, monkeypatch):
    monkeypatch.setitem(EFFORTS, "standard", replace(QUICK, long_side_px=64))
    output = tmp_path / "scene.ply"
    command = ("reconstruct", SAMPLES / "posed", "--views", "3", "--size", "64", "-o", output)
    outcome = ilrm(*command, "--json")
    assert outcome.status == 0, outcome.err
    found, fit = outcome.json, outcome.json["optimize"]
    names = sorted(path.name for path in (SAMPLES / "posed" / "images").iterdir())
    held = names[::8]  # as the field does; the sample has 12 photos
    assert sorted(found["views"]["held_out"]) == held
    assert sorted(found["views"]["fitted"]) == sorted(set(names) - set(held))
    assert found["views"]["left_out"] == []
    assert "stop" in found["held_out"]["chose"]
    assert not set(found["views"]["used"]) & set(held)
    assert fit["photos"] == len(names) - len(held) == 10
    assert fit["psnr_after"] > fit["psnr_before"]
    assert found["timings_s"]["optimize"] > 0
    record = json.loads(output.with_suffix(".json").read_text())
    assert record["optimize"] == fit
    roles = {view["name"]: view["role"] for view in record["views"]}
    assert {name for name, role in roles.items() if role != "held_out"} == set(found["views"]["fitted"])
    assert sorted(roles.values()) == ["fitted"] * 7 + ["held_out"] * 2 + ["input"] * 3
    assert record["settings"]["quality"] == "standard"
    assert ilrm("replay", output, "--json").json["identical"]
