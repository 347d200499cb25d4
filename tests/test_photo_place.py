"""Tests of what file names say about a place."""

import pytest

from ilrm_cli.capture.checks import check_views
from ilrm_cli.runtime.errors import InputError


def test_views_are_compared_with_the_photos_that_will_be_used(tmp_path):
    (tmp_path / "images").mkdir()
    for name in ("preview.jpg", "images/1.jpg", "images/2.jpg", "images/3.jpg"):
        (tmp_path / name).write_bytes(b"x")
    check_views(3, tmp_path)
    with pytest.raises(InputError, match="--views 4 is more than the 3 photos"):
        check_views(4, tmp_path)
    with pytest.raises(InputError, match="at least 2"):
        check_views(1)


def test_one_photo_is_counted_in_words(tmp_path):
    (tmp_path / "1.jpg").write_bytes(b"x")
    (tmp_path / "transforms.json").write_text("{}")
    with pytest.raises(InputError, match="--views 100 is more than the one photo there is"):
        check_views(100, tmp_path)
