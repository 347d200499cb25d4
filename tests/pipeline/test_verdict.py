"""The sentence on a result: what was found, and a remedy that was not yet taken."""

import math
from dataclasses import replace

import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from ilrm_cli.geometry.transforms import matrix_from_quaternion
from ilrm_cli.pipeline.verdict import Course, PoseFinding, advise, median_gap_deg, unmeasured, verdict
from ilrm_cli.render.metrics import Score
from tests.support.small_reconstruction import reconstruction

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


def test_good_results_are_called_good():
    said = advise(Score(27.0, 0.7), 5, 6, Course("draft", used=8, most=13))
    assert said == ("Good: 27.0 dB, SSIM 0.70 on 5 held-out photos; about 6° from the nearest input view.")


@pytest.mark.parametrize(
    ("effort", "most", "gap_deg", "remedy"),
    [
        ("draft", 12, WIDE_DEG, "which is wide: try --views 12."),
        ("draft", 8, WIDE_DEG, "which is wide: take photos in between."),
        ("draft", 12, CLOSE_DEG, "spacing is fine: try --quality standard."),
        ("standard", 12, WIDE_DEG, "which is wide: take photos in between."),
        ("standard", 12, CLOSE_DEG, "spacing is fine: try --quality high, or take more photos."),
        ("high", 12, WIDE_DEG, "which is wide: take photos in between."),
        ("high", 12, CLOSE_DEG, "spacing is fine: more photos would help most."),
    ],
)
def test_the_remedy_is_one_that_was_not_taken(effort, most, gap_deg, remedy):
    said = advise(POOR, 4, gap_deg, Course(effort, used=8, most=most))
    assert said.endswith(f"° from the nearest {'input view' if effort == 'draft' else 'fitted photo'}, {remedy}")


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


def test_what_the_photos_decided_is_said():
    said = advise(POOR, 1, CLOSE_DEG, Course("standard", used=8, most=12), ("scale", "stop"))
    assert "on 1 held-out photo (also used for choosing the scale and early stopping)" in said
    assert "also" not in advise(Score(float("nan"), 0.7), 4, CLOSE_DEG, Course("draft", used=8, most=12))


def test_after_a_fit_gaps_are_to_the_nearest_fitted_photo(tmp_path):
    """Four cameras stand in a row, 8° apart as seen from the scene: the last one is 15° from the nearest input."""
    result = reconstruction(tmp_path, fitted=True)
    assert "photo (also used for early stopping); about 8° from the nearest fitted photo" in verdict(result)
    drafted = replace(result, fit=None, settings=replace(result.settings, quality="draft"))
    assert "photo; about 15° from the nearest input view" in verdict(drafted)


def test_photos_that_were_fitted_last_are_named_and_so_are_exposures_that_differ():
    course = Course("standard", used=8, most=12, used_all=True, exposure_stops=0.42)
    said = advise(POOR, 4, CLOSE_DEG, course, ("stop",))
    assert "(also used for early stopping, fitted only afterwards)" in said
    assert "exposures differ by 0.4 stops, which scores count as errors" in said
    plain = advise(POOR, 4, CLOSE_DEG, Course("standard", used=8, most=12), ("stop",))
    assert "(also used for early stopping)" in plain
    assert "stops" not in plain


def test_poses_that_do_not_fit_are_blamed_before_the_model():
    refined = PoseFinding(given=True, error_px=None, turn_deg=1.04, psnr_as_given=16.6)
    said = advise(POOR, 4, CLOSE_DEG, Course("standard", used=8, most=12, poses=refined), ("stop",))
    assert "; the poses do not fit the photos (16.6 dB with them, 1.0° off): they were refined; about 8°" in said
    assert said.endswith("spacing is fine: try --poses sfm, which finds poses anew.")
    missed = PoseFinding(given=True, error_px=3.2)
    said = advise(POOR, 4, CLOSE_DEG, Course("draft", used=8, most=12, poses=missed))
    assert "; the poses miss their points by 3.2 px; about" in said
    assert said.endswith("try --poses sfm, which finds poses anew.")
    assert "poses" not in advise(
        POOR, 4, CLOSE_DEG, Course("draft", 8, 12, poses=PoseFinding(given=True, error_px=0.9))
    )
    found = PoseFinding(given=False, error_px=3.2)
    assert advise(POOR, 4, CLOSE_DEG, Course("high", 8, 12, poses=found)).endswith("more photos would help most.")
