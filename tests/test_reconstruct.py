"""What is refused before the long work begins."""

import pytest

from ilrm_cli.errors import InputError
from ilrm_cli.reconstruct import Settings, check_views


def test_views_are_compared_with_the_photos_that_will_be_used(tmp_path):
    (tmp_path / "images").mkdir()
    for name in ("preview.jpg", "images/1.jpg", "images/2.jpg", "images/3.jpg"):
        (tmp_path / name).write_bytes(b"x")
    check_views(tmp_path, Settings(views=3))
    with pytest.raises(InputError, match="--views 4 is more than the 3 photos"):
        check_views(tmp_path, Settings(views=4))
    with pytest.raises(InputError, match="at least 2"):
        check_views(tmp_path, Settings(views=1))
