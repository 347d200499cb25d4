"""What is refused before the long work begins."""

import pytest

from ilrm_cli import reconstruct as stage
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


def test_one_photo_is_counted_in_words(tmp_path):
    (tmp_path / "1.jpg").write_bytes(b"x")
    (tmp_path / "transforms.json").write_text("{}")
    with pytest.raises(InputError, match="--views 100 is more than the one photo there is"):
        check_views(tmp_path, Settings(views=100))


@pytest.mark.parametrize(("photos", "said"), [(0, "holds no photo"), (1, "only one photo"), (2, "only two photos")])
def test_too_few_photos_are_refused_before_a_model_is_loaded(tmp_path, monkeypatch, photos, said):
    def never(*_):
        raise AssertionError("a model is loaded and a renderer compiled")

    monkeypatch.setattr(stage, "load", never)
    for index in range(photos):
        (tmp_path / f"{index}.jpg").write_bytes(b"x")
    with pytest.raises(InputError, match=said):
        stage.reconstruct(tmp_path, Settings())
