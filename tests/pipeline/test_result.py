import math

import pytest
import torch

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.transforms import matrix_from_quaternion
from ilrm_cli.pipeline.result import advise, median_gap_deg, unmeasured
from ilrm_cli.render.metrics import Score


def turned(*angles_deg: float) -> Cameras:
    half = [math.radians(a) / 2 for a in angles_deg]
    pose = torch.eye(4).repeat(len(half), 1, 1)
    pose[:, :3, :3] = matrix_from_quaternion(torch.tensor([[math.cos(h), 0, math.sin(h), 0] for h in half]))
    lens = torch.ones(len(half), 2)
    return Cameras(pose, lens, lens, 8, 8)


def test_gap_is_to_the_nearest_input():
    assert median_gap_deg(turned(0, 90), turned(10, 30, 85), depth=1.0) == pytest.approx(10, abs=1e-3)


def test_a_step_aside_counts_as_seen_from_the_scene():
    aside = turned(0)
    aside.world_from_cam[0, 0, 3] = 2.0
    assert median_gap_deg(turned(0), aside, depth=2.0) == pytest.approx(45, abs=1e-3)


def test_good_results_are_called_good():
    assert advise(Score(27.0, 0.7), 5, gap_deg=6, used=8, most=13, refined=False).startswith(
        "Good: 27.0 dB, SSIM 0.70 on 5 photos"
    )


def test_wide_gaps_are_blamed_and_the_remedy_fits():
    assert "--views 12" in advise(Score(15.0, 0.7), 4, gap_deg=40, used=8, most=12, refined=False)
    assert "take photos in between" in advise(Score(15.0, 0.7), 4, gap_deg=40, used=8, most=8, refined=False)


def test_refinement_is_advised_once():
    assert "--quality standard" in advise(Score(19.0, 0.7), 4, gap_deg=8, used=8, most=12, refined=False)
    assert "--views 12 too" in advise(Score(19.0, 0.7), 4, gap_deg=8, used=8, most=12, refined=True)
    assert "--refine" not in advise(Score(19.0, 0.7), 4, gap_deg=8, used=8, most=12, refined=True)


def test_what_is_advised_where_nothing_is_held_out_can_be_done():
    assert "--views 2" in unmeasured(3)
    assert "--views" not in unmeasured(2)  # one view is refused


def test_what_the_photos_decided_is_said():
    said = advise(Score(19.0, 0.7), 1, gap_deg=8, used=8, most=12, refined=True, rescaled=True)
    assert "on 1 photo that was not given (they chose the scale and when to stop fitting)" in said
    assert "chose" not in advise(Score(float("nan"), 0.7), 4, gap_deg=8, used=8, most=12, refined=False)
