"""Every photo is listed once, with its role or the reason it is not used."""

import numpy as np
from PIL import Image

from ilrm_cli.visualize.report import photo_list
from tests.support.small_reconstruction import NAMES, reconstruction


def test_inputs_first_then_held_out_then_the_rest_each_in_natural_order(report):
    assert [(photo.name, photo.role, photo.number) for photo in report.photos] == [
        ("a2.png", "input", 1),
        ("a10.png", "input", 2),
        ("b.png", "held_out", None),
        (NAMES[3], "held_out", None),
        ("gone.jpg", "left_out", None),
        ("short.jpg", "left_out", None),
    ]
    assert [photo.reason for photo in report.photos[3:]] == [
        "it is held out to score the result", "it shares <no> point", "it is cut short",
    ]  # fmt: skip


def test_what_cannot_be_read_has_no_picture(report):
    assert [photo.thumbnail is not None for photo in report.photos] == [True] * 4 + [False] * 2


def test_thumbnails_are_small_and_upright(tmp_path):
    result = reconstruction(tmp_path)
    picture = Image.new("RGB", (900, 600), "white")
    picture.paste("black", (0, 0, 900, 300))  # the upper half
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter: the upper half is shown on the right
    picture.save(tmp_path / "short.jpg", exif=exif)
    shown = next(photo for photo in photo_list.photo_list(result) if photo.name == "short.jpg").thumbnail
    assert shown.shape == (240, 160, 3)
    assert shown[:, :60].min() > 200 > 50 > shown[:, 100:].max()


def test_pictures_stop_where_a_page_would_grow_heavy(tmp_path, monkeypatch):
    monkeypatch.setattr(photo_list, "MAX_THUMBNAILS", 3)
    photos = photo_list.photo_list(reconstruction(tmp_path))
    assert [photo.thumbnail is not None for photo in photos] == [True] * 3 + [False] * 3
    assert np.array([photo.number is not None for photo in photos]).sum() == 2
