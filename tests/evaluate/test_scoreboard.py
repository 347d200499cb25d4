"""Means and margins of made-up results, and their files."""

import dataclasses
import io
import json

import pytest
import torch
from PIL import Image

from ilrm_cli.evaluate.results import SceneFailure, SceneResult, Shown, Trial, ViewScore
from ilrm_cli.evaluate.scoreboard import (
    Gain,
    as_json,
    check_folder,
    encode_csv,
    encode_picture,
    summarize,
    write_scores,
)
from ilrm_cli.runtime.errors import InputError


def trial(method: str, psnr: float, refined: bool = False, views: int = 8) -> Trial:
    scores = (ViewScore("a.jpg", psnr - 1, 0.5, None), ViewScore("b.jpg", psnr + 1, 0.7, None))
    return Trial(method, views, refined, scores, 0.5, 100, 5 if refined else None)


def scene(name: str, *trials: Trial) -> SceneResult:
    truth = torch.zeros(2, 3, 4, 6)
    shown = Shown(("a.jpg", "b.jpg"), truth, truth + 0.1)
    inputs = (tuple(f"{i}.jpg" for i in range(trials[0].views)),)
    return SceneResult(name, 6, 4, inputs, ("a.jpg", "b.jpg"), trials, 2.0, 1.0, (), shown)


RESULTS = (
    scene(
        "one", trial("ilrm", 20), trial("ilrm", 22, True), trial("nearest photo", 15), trial("constant depth", 21, True)
    ),
    SceneFailure("broken", "it is not there."),
    scene(
        "two", trial("ilrm", 18), trial("ilrm", 19, True), trial("nearest photo", 16), trial("sparse points", 20, True)
    ),
)


def test_margins_are_means_over_scenes():
    summary = summarize(RESULTS)
    (margin,) = summary.margins
    assert (summary.scenes, summary.failed) == (2, 1)
    assert margin.gain_db == pytest.approx((5 + 2) / 2)
    assert margin.gain_refined_db == pytest.approx((7 + 3) / 2)
    assert (margin.ahead_of_refined_starts, margin.compared) == (0.5, 2)
    assert margin.refinement_never_hurts
    ours = summary.means[0]
    assert (ours.method, ours.psnr, ours.ssim, ours.scenes) == ("ilrm", 19, pytest.approx(0.6), 2)


def test_scenes_with_too_few_photos_count_too():
    summary = summarize([RESULTS[0], scene("few", trial("ilrm", 10, views=7), trial("nearest photo", 8, views=7))])
    (margin,) = summary.margins
    assert (summary.means[0].views, summary.means[0].psnr, summary.means[0].scenes) == ("7 to 8", 15, 2)
    assert (margin.views, margin.gain_db) == ("7 to 8", pytest.approx(3.5))


def test_without_baselines_there_are_no_margins():
    (margin,) = summarize([scene("one", trial("ilrm", 20))]).margins
    assert (margin.gain_db, margin.gain_refined_db, margin.ahead_of_refined_starts) == (None, None, None)


def test_the_table_holds_every_target_and_the_means():
    rows = encode_csv(RESULTS).decode().splitlines()
    assert len(rows) == 1 + 8 * 3
    assert "one,8,ilrm,1,mean,22.0000,0.60000,,0.500,100,5,," in rows


def test_the_picture_shows_truth_ours_and_error():
    picture = Image.open(io.BytesIO(encode_picture(RESULTS[0])))
    assert picture.size == (18, 8)
    assert [picture.getpixel((x, 0))[0] for x in (0, 6, 12)] == [0, 26, 76]


def test_scores_are_written_whole(tmp_path):
    check_folder(tmp_path / "out", [], overwrite=False)
    assert not (tmp_path / "out").exists(), "nothing is made before there is something to write"
    write_scores(tmp_path / "out", as_json(RESULTS), RESULTS)
    content = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert content["failed"] == [{"name": "broken", "reason": "it is not there."}]
    assert content["scenes"][0]["trials"][0]["psnr"] == 20
    with pytest.raises(InputError, match="pass -w to overwrite"):
        check_folder(tmp_path / "out", [], overwrite=False)


def whole(method: str, psnr: float, ssim: float, refined: bool = False) -> Trial:
    scores = (ViewScore("a.jpg", psnr, ssim, None),)
    return Trial(method, 8, refined, scores, 1.0, 100, 5, cpu_seconds=2.0)


def test_gains_are_over_the_least_quality_and_over_the_same_fit_from_points():
    few = scene("few", whole("draft", 20, 0.6, True), whole("standard", 19.5, 0.7), whole("high", 21, 0.7))
    points = whole("standard from sparse points", 22, 0.7)
    many = scene("many", whole("draft", 20, 0.6, True), whole("standard", 23, 0.8), whole("high", 24, 0.5), points)
    many = dataclasses.replace(many, inputs=(tuple(f"{i}.jpg" for i in range(24)),))  # with two targets: MANY_PHOTOS
    summary = summarize([few, many])
    assert summary.margins == ()
    assert [(mean.method, mean.cpu_seconds) for mean in summary.means][:1] == [("draft", 2.0)]
    standard, high, from_points = summary.gains
    assert standard == Gain("standard", "draft, refined", 2, 1.25, 1, 3.0, -0.5, 1, 2)
    assert high == Gain("high", "draft, refined", 2, 2.5, 1, 4.0, 1.0, 2, 1)
    assert from_points == Gain("standard", "standard from sparse points", 1, 1.0, 1, 1.0, 1.0, 1, 1)
    assert summarize([few]).gains[0].gain_of_many_db is None


def test_without_whole_reconstructions_there_are_no_gains():
    assert summarize(RESULTS).gains == ()
