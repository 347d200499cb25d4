"""What names of files tell of a place: photos, videos, poses."""

import os
import sys

import pytest

from ilrm_cli.capture.checks import check_views
from ilrm_cli.capture.photos.folder import find_photos, find_videos, is_video, photo_folder
from ilrm_cli.runtime.errors import InputError


def touch(*paths):
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def test_all_suffixes_and_names_in_natural_order(tmp_path):
    names = ["a 2.JPG", "a 10.jpeg", "b.PNG", "c.HEIC", "d.dng", "e.avif", "ü.webp"]
    touch(*(tmp_path / name for name in [*names, ".hidden.jpg", "notes.txt", "walk.MOV"]))
    assert [path.name for path in find_photos(tmp_path)] == names
    assert [path.name for path in find_videos(tmp_path)] == ["walk.MOV"]
    assert is_video(tmp_path / "walk.MOV")
    assert not is_video(tmp_path / "b.PNG")


def test_subfolders_are_looked_at_only_if_the_folder_holds_no_photo(tmp_path):
    for name in ("left/1.jpg", "right/1.jpg", "masks/1.png", "left/masks/1.png", "__MACOSX/1.jpg", ".cache/1.jpg"):
        touch(tmp_path / name)
    assert [path.relative_to(tmp_path).as_posix() for path in find_photos(tmp_path)] == ["left/1.jpg", "right/1.jpg"]
    touch(tmp_path / "own.jpg")
    assert [path.name for path in find_photos(tmp_path)] == ["own.jpg"]
    assert [path.name for path in find_photos(tmp_path / "masks")] == ["1.png"]


def test_images_folder_comes_first(tmp_path):
    touch(tmp_path / "own.jpg")
    assert photo_folder(tmp_path) == tmp_path
    (tmp_path / "images").mkdir()
    assert photo_folder(tmp_path) == tmp_path
    touch(tmp_path / "images" / "1.jpg")
    assert photo_folder(tmp_path) == tmp_path / "images"


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_names_that_are_not_utf8_are_refused(tmp_path):
    (tmp_path / "a.jpg").touch()
    (tmp_path / os.fsdecode(b"caf\xe9.jpg")).touch()
    with pytest.raises(InputError, match=r"caf\\xe9\.jpg is not in UTF-8"):
        find_photos(tmp_path)


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
