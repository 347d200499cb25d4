"""Tests of the sentences on a scene that was made."""

import pytest

from ilrm_cli.cli.outcome import _course, _refined

FIT = {
    "photos": 10, "width": 480, "height": 360, "psnr_before": 16.9, "psnr_after": 18.2, "steps": 750, "ran": 1000,
    "plans": [[0, 800], [200, 800]], "cross_validated": None, "last_steps": 225,
}  # fmt: skip
TO = "Fitted to 10 photos of 480x360 px"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, f"{TO}, best after 750 of 1000 steps, then to the 2 held out."),
        (
            {"steps": 0, "ran": 24, "last_steps": 0},
            f"{TO}, none better than the start, which stays, in 24 of 1000 steps.",
        ),
        (
            {"cross_validated": "a.jpg", "last_steps": 0},
            f"{TO}, best after 750 of 1000 steps, in a trial without a.jpg.",
        ),
        ({"psnr_before": None, "last_steps": 0}, f"{TO} in 750 of 1000 steps; no photo judged it."),
        ({"ran": 0}, "Not fitted, as no photo can be spared to judge whether it helps."),
    ],
)
def test_a_fit_is_told_in_one_sentence_without_a_second_score(changes, sentence):
    assert _course(FIT | changes, {"held_out": ["b", "c"]}) == sentence


def test_a_draft_that_was_refined_is_told_with_its_gain():
    fit = {"psnr_before": 16.0, "psnr_after": 17.5, "iterations": 20, "ran": 40, "cross_validated": None}
    assert _refined(fit) == "Refined: 16.00 dB before, 17.50 dB after 20 of 40 iterations."
