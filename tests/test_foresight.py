"""What is said of a pass before the long work begins."""

import re

import pytest
from PIL import Image

from ilrm_cli import foresight, memory
from ilrm_cli.errors import InputError
from ilrm_cli.foresight import foreseen


@pytest.fixture
def photos(tmp_path):
    for i in range(12):
        Image.new("RGB", (64, 36)).save(tmp_path / f"{i}.jpg")
    (tmp_path / "broken.jpg").write_bytes(b"x")
    return tmp_path


def said(photos, views, size, model="default"):
    return foreseen(photos, model, views, size, "cpu", "fp32")


def test_usual_passes_are_not_announced(photos):
    assert said(photos, None, None) == said(photos, 12, None) == said(photos, None, 384) == ()


def test_a_long_pass_is_compared_with_usual_ones(photos):
    (sentence,) = said(photos, 12, 1024)
    assert sentence.startswith("a pass over 12 views of 1024x576 px has ")
    assert "the default model with 8 views of 256x192 px" in sentence
    (fewer,) = said(photos, None, 1024)
    assert fewer.startswith("a pass over 8 views")
    assert 1.5 < times(sentence) / times(fewer) < 2.25  # between linear and quadratic in views


def times(sentence: str) -> int:
    found = re.search(r"has (\d+) times", sentence)
    assert found
    return int(found[1])


def test_the_shape_of_a_video_is_assumed(tmp_path):
    (sentence,) = said(tmp_path / "walk.mp4", 12, 1024)
    assert "12 views of 1024x768 px" in sentence


def test_nothing_is_known_of_checkpoints_of_other_formats(photos, tmp_path):
    (tmp_path / "w.ckpt").write_bytes(b"x")
    assert said(photos, 12, 1024, str(tmp_path / "w.ckpt")) == ()


def test_what_cannot_fit_is_refused_where_the_views_are_known(photos, monkeypatch):
    monkeypatch.setattr(memory, "free_bytes", lambda device: 1 << 28)
    with pytest.raises(InputError, match=r"12 views of 1024x576 px need .* use .*--size \d+"):
        said(photos, 12, 1024)
    assert said(photos, 4, None) == ()
    monkeypatch.setattr(memory, "free_bytes", lambda device: 0)
    assert said(photos, None, None) == ()  # it is for the poses to say how many views there will be
    monkeypatch.setattr(foresight, "find_photos", lambda place: [])
    assert said(photos, 8, None) == ()  # without a shape nothing is certain
