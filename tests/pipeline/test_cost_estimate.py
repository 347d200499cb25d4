"""Tests of what is said of a pass before the long work begins."""

import re

import pytest
from PIL import Image

from ilrm_cli.capture.photos.folder import open_folder
from ilrm_cli.models import memory_plan
from ilrm_cli.pipeline import cost_estimate
from ilrm_cli.pipeline.cost_estimate import foreseen
from ilrm_cli.pipeline.settings import Settings
from ilrm_cli.runtime.errors import InputError


@pytest.fixture
def photos(tmp_path):
    for i in range(12):
        Image.new("RGB", (64, 36)).save(tmp_path / f"{i}.jpg")
    (tmp_path / "broken.jpg").write_bytes(b"x")
    return tmp_path


def said(photos, views, size, model="default"):
    settings = Settings(views=views, long_side_px=size, model=model, device="cpu", precision="fp32")
    return foreseen(open_folder(photos), settings)


def test_usual_passes_are_not_announced(photos):
    assert said(photos, None, None) == said(photos, 12, None) == said(photos, None, 384) == ()


def test_a_long_pass_is_compared_with_usual_ones(photos):
    (sentence,) = said(photos, 12, 1024)
    assert sentence.startswith("a pass over 12 views of 1024x576 px has ")
    assert "the default model with 8 views of 256x192 px" in sentence
    (fewer,) = said(photos, 8, 1024)
    assert 1.5 < times(sentence) / times(fewer) < 2.25  # between linear and quadratic in views


def test_of_views_that_are_left_to_us_the_fewest_are_told(photos):
    (fewest,) = said(photos, None, 1024)
    assert fewest.startswith("a pass over at least 8 views of 1024x576 px has at least ")
    assert times(fewest) == times(*said(photos, 8, 1024))
    for number in (9, 10, 11):
        (photos / f"{number}.jpg").unlink()
    (eight,) = said(photos, None, 1024)  # of nine photos, one held out
    assert eight.startswith("a pass over 8 views")


def times(sentence: str) -> int:
    found = re.search(r"has (?:at least )?(\d+) times", sentence)
    assert found
    return int(found[1])


def test_the_shape_of_a_video_is_assumed(tmp_path):
    (tmp_path / "walk.mp4").touch()
    (sentence,) = said(tmp_path / "walk.mp4", 12, 1024)
    assert "12 views of 1024x768 px" in sentence


def test_nothing_is_known_of_checkpoints_of_other_formats(photos, tmp_path):
    (tmp_path / "w.ckpt").write_bytes(b"x")
    assert said(photos, 12, 1024, str(tmp_path / "w.ckpt")) == ()


def test_photos_of_rarer_shapes_may_be_the_ones_that_fit(photos, monkeypatch):
    """The views get the commonest shape among those that are chosen, which may all be such."""
    asked = []
    monkeypatch.setattr(cost_estimate, "check_fits", lambda model, size: asked.append(size))
    for name in ("y", "z"):
        Image.new("RGB", (36, 90)).save(photos / f"{name}.jpg")
    (sentence,) = said(photos, 12, 1024)
    assert "12 views of 1024x576 px" in sentence
    assert [(load.views, load.width, load.height) for load in asked] == [(12, 416, 1024)]


def test_what_cannot_fit_is_refused_where_the_views_are_known(photos, monkeypatch):
    monkeypatch.setattr(memory_plan, "free_bytes", lambda device: 1 << 28)
    with pytest.raises(InputError, match=r"12 views of 1024x576 px need .* use .*--size \d+"):
        said(photos, 12, 1024)
    assert said(photos, 4, None) == ()
    monkeypatch.setattr(memory_plan, "free_bytes", lambda device: 0)
    assert said(photos, None, None) == ()  # it is for the poses to say how many views there will be
    for photo in photos.glob("*.jpg"):
        photo.unlink()
    assert said(photos, 8, None) == ()  # without a shape nothing is certain
