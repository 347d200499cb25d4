"""The sentence on a result: what was found, and a remedy that was not yet taken."""

import math
from dataclasses import replace

import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from ilrm_cli.geometry.transforms import matrix_from_quaternion
from ilrm_cli.pipeline.optimize.optimized import Optimized
from ilrm_cli.pipeline.reconstruct import EarlierScene
from ilrm_cli.pipeline.verdict import (
    Evidence,
    FitFinding,
    PoseFinding,
    advise,
    blurred,
    fit_finding,
    median_gap_deg,
    set_apart,
    unmeasured,
    verdict,
)
from ilrm_cli.render.metrics import Score, ScoredView
from tests.support.small_reconstruction import gaussians, reconstruction

POOR, CLOSE_DEG, WIDE_DEG = Score(15.0, 0.7), 8, 40


def turned(*angles_deg: float) -> Float[Tensor, "photo 4 4"]:
    half = [math.radians(a) / 2 for a in angles_deg]
    pose = torch.eye(4).repeat(len(half), 1, 1)
    pose[:, :3, :3] = matrix_from_quaternion(torch.tensor([[math.cos(h), 0, math.sin(h), 0] for h in half]))
    return pose


def test_gap_is_to_the_nearest_photo():
    assert median_gap_deg(turned(0, 90), turned(10, 30, 85), 1.0) == pytest.approx(10, abs=1e-3)


def test_a_step_aside_counts_as_seen_from_the_scene():
    aside = turned(0)
    aside[0, 0, 3] = 2.0
    assert median_gap_deg(turned(0), aside, 2.0) == pytest.approx(45, abs=1e-3)


def made(quality: str = "standard", gap_deg: float = CLOSE_DEG, **found: object) -> Evidence:
    return Evidence(quality, gap_deg=gap_deg, **found)


def scored(*psnr_db: float) -> Score:
    views = tuple(ScoredView(one, 0.7, torch.zeros(3, 1, 1)) for one in psnr_db)
    return Score(sum(psnr_db) / len(psnr_db), 0.7, views)


def test_one_photo_that_shows_what_no_other_does_does_not_make_a_scene_poor():
    """As of a castle whose first photo shows a tree before it."""
    score = scored(8.4, 22.2)
    lowest = set_apart(score, ("a.jpg", "b.jpg"))
    said = advise(score, 2, made(apart=lowest))
    assert said.startswith("Usable but for one photo: 15.3 dB, SSIM 0.70 on 2 held-out photos; a.jpg has 8.4 dB and ")
    assert "and the other 22.2: it may show what no other photo does; about 8° from" in said
    assert set_apart(scored(17.9, 24.0, 25.0), "abc") is None, "photos of one scene differ by so much"
    assert set_apart(scored(8.4), ("a.jpg",)) is None
    assert "and the others 24.5" in advise(scored(9, 24, 25), 3, made(apart=set_apart(scored(9, 24, 25), "abc")))


def test_good_results_are_called_good():
    said = advise(Score(27.0, 0.7), 5, made("draft", 6))
    assert said == ("Good: 27.0 dB, SSIM 0.70 on 5 held-out photos; about 6° from the nearest input view.")


@pytest.mark.parametrize(
    ("quality", "gap_deg", "remedy"),
    [
        ("draft", WIDE_DEG, "which is wide: try --quality standard, or take photos in between."),
        ("draft", CLOSE_DEG, "spacing is fine: try --quality standard."),
        ("standard", WIDE_DEG, "which is wide: take photos in between."),
        ("standard", CLOSE_DEG, "spacing is fine: try --quality high, or take more photos."),
        ("high", WIDE_DEG, "which is wide: take photos in between."),
        ("high", CLOSE_DEG, "spacing is fine: more photos would help most."),
    ],
)
def test_the_remedy_is_one_that_was_not_taken(quality, gap_deg, remedy):
    said = advise(POOR, 4, made(quality, gap_deg))
    assert said.endswith(f"° from the nearest {'input view' if quality == 'draft' else 'fitted photo'}, {remedy}")


@pytest.mark.parametrize(
    ("found", "tail"),
    [
        ({"fit": FitFinding(helped=False), "blurred": 3}, "but fitting did not help: poses may be wrong"),
        ({"fit": FitFinding(ended="stopped")}, "spacing is fine: the fit was stopped; `ilrm refine` goes on with it."),
        ({"fit": FitFinding(ended="time")}, "spacing is fine: there was no time for more; give it more --minutes."),
        ({"blurred": 3, "step_deg": 31.0}, "and photos stand 31° apart: 3 of the photos looked at are blurred;"),
        ({"step_deg": 31.0, "fit": FitFinding(overfit_db=9)}, "and photos stand 31° apart: take photos in between."),
        (
            {"fit": FitFinding(overfit_db=7.1)},
            "spacing is fine: photos that it was fitted to have 7 dB more; more photos",
        ),
        ({"fit": FitFinding(overfit_db=2.0)}, "spacing is fine: try --quality high, or take more photos."),
    ],
)
def test_what_was_found_is_blamed_before_what_is_only_likely(found, tail):
    assert f"° from the nearest fitted photo, {tail}" in advise(POOR, 4, made(**found))
    assert advise(Score(27.0, 0.9), 4, made(**found)).endswith("° from the nearest fitted photo.")


def test_a_fit_that_gained_nothing_did_not_help_unless_it_was_ended():
    fit = Optimized(gaussians(), gaussians(), 0, 250, ((0, 1000),), "no gain", 9, 64, 48, 12.6, 12.6)
    assert fit_finding(fit) == FitFinding(helped=False, ended="no gain")
    assert fit_finding(replace(fit, ended="stopped")).helped
    assert fit_finding(replace(fit, ended="steps", ran=5), timed=True) == FitFinding(ended="time")
    assert fit_finding(replace(fit, ended="steps", ran=900), timed=True).ended == "steps"
    helped = replace(fit, steps=125, psnr_after=20.0, psnr_fitted=26.0, last_steps=30)
    assert fit_finding(helped) == FitFinding(ended="no gain", overfit_db=6.0, used_all=True)


def test_blurred_photos_are_counted():
    sharp = torch.rand(5, 3, 48, 64, generator=torch.Generator().manual_seed(0))
    assert blurred(sharp) == 0
    sharp[[1, 4]] = torch.nn.functional.avg_pool2d(sharp[[1, 4]], 5, stride=1, padding=2)
    assert blurred(sharp) == 2


@pytest.mark.parametrize(
    ("used", "fitted", "said"),
    [
        (3, 0, "All 3 photos were inputs, so the quality is not measured; hold one out with --views 2."),
        (2, 0, "All 2 photos were inputs, so the quality is not measured; take another one to score it."),
        (
            8, 30,
            "The scene was fitted to all 30 photos, so the quality is not measured; hold some out with --hold-out 8.",
        ),
        (
            4, 4,
            "The scene was fitted to all 4 photos, so the quality is not measured; hold some out with --hold-out 3.",
        ),
        (
            3, 3,  # of which any --hold-out leaves one
            "The scene was fitted to all 3 photos, so the quality is not measured; take another one to score it.",
        ),
    ],
)  # fmt: skip
def test_what_is_advised_where_nothing_is_held_out_can_be_done(used, fitted, said):
    assert unmeasured(used, fitted) == said


@pytest.mark.parametrize(
    ("inputs", "fitted", "hold_out", "said", "remedy"),
    [
        (2, 4, 8, "fitted to all 4 photos, as the one before,", "one made with --no-use-all keeps some to score both."),
        (2, 4, 0, "fitted to all 4 photos, as the one before,", "one made with --hold-out 3 keeps some to score both."),
        (4, 4, 8, "All 4 photos were inputs of the one before,", "one made with --views 3 keeps one to score both."),
        (2, 2, 8, "All 2 photos were inputs of the one before,", "take another one to score it."),
    ],
)
def test_a_scene_that_goes_on_without_a_judge_says_why(tmp_path, inputs, fitted, hold_out, said, remedy):
    result = reconstruction(tmp_path, held_out=False)
    chosen = replace(result.selection, used=result.capture.photos[:inputs], fitted=result.capture.photos[:fitted])
    settings = replace(result.settings, quality="standard", hold_out=hold_out)
    made = verdict(replace(result, selection=chosen, settings=settings, earlier=EarlierScene(tmp_path / "a.ply", "")))
    assert said in made
    assert made.endswith(f"; {remedy}")


def test_what_the_photos_decided_is_said():
    said = advise(POOR, 1, made(), ("scale", "stop"))
    assert "on 1 held-out photo (also used for choosing the scale and early stopping)" in said
    assert "also" not in advise(Score(float("nan"), 0.7), 4, made("draft"))


def test_after_a_fit_gaps_are_to_the_nearest_fitted_photo(tmp_path):
    """Four cameras stand in a row, 8° apart as seen from the scene: the last one is 15° from the nearest input."""
    result = reconstruction(tmp_path, fitted=True)
    assert "photo (also used for early stopping); about 8° from the nearest fitted photo" in verdict(result)
    drafted = replace(result, fit=None, settings=replace(result.settings, quality="draft"))
    assert "photo; about 15° from the nearest input view" in verdict(drafted)


def test_photos_that_were_fitted_last_are_named_and_so_are_exposures_that_differ():
    said = advise(POOR, 4, made(fit=FitFinding(used_all=True, exposure_stops=0.42)), ("stop",))
    assert "(also used for early stopping, fitted only afterwards)" in said
    assert "exposures differ by 0.4 stops, which scores count as errors" in said
    plain = advise(POOR, 4, made(), ("stop",))
    assert "(also used for early stopping)" in plain
    assert "stops" not in plain


def test_poses_that_do_not_fit_are_blamed_before_the_model():
    refined = PoseFinding(given=True, error_px=None, turn_deg=1.04, psnr_as_given=16.6, gain_db=3.0)
    said = advise(POOR, 4, made(poses=refined), ("stop",))
    assert "; the poses do not fit the photos (16.6 dB with them, 1.0° off): they were refined; about 8°" in said
    assert said.endswith("spacing is fine: try --poses sfm, which finds poses anew.")
    assert "poses" not in advise(POOR, 4, made(poses=replace(refined, turn_deg=0.06, gain_db=-0.01)))
    missed = PoseFinding(given=True, error_px=3.2)
    said = advise(POOR, 4, made("draft", poses=missed))
    assert "; the poses miss their points by 3.2 px; about" in said
    assert said.endswith("try --poses sfm, which finds poses anew.")
    assert "poses" not in advise(POOR, 4, made("draft", poses=PoseFinding(given=True, error_px=0.9)))
    found = PoseFinding(given=False, error_px=3.2)
    assert advise(POOR, 4, made("high", poses=found)).endswith("which overlap more, make poses surer; see `ilrm pose`.")


def test_a_score_on_photos_of_one_colour_is_called_worthless(tmp_path):
    result = reconstruction(tmp_path)
    targets = result.prepared.targets
    grey = replace(targets, images=torch.full_like(targets.images, 0.5))
    result = replace(result, score=Score(42.0, 0.99))
    said = verdict(replace(result, prepared=replace(result.prepared, targets=grey)))
    assert said.startswith("The quality is not known: 42.0 dB")
    assert verdict(result).startswith("Good: 42.0 dB")
