"""What names of files tell of a place: photos, videos, poses; and what cannot be used."""

import inspect
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ilrm_cli.capture.photos.folder import check_views, open_folder, open_photos
from ilrm_cli.capture.photos.listing import Listing, is_video
from ilrm_cli.runtime.errors import InputError


def touch(*paths):
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def below(folder: Path, paths) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in paths]


# Looking through


def test_all_suffixes_and_names_in_natural_order(tmp_path):
    names = ["a 2.JPG", "a 10.jpeg", "b.PNG", "c.HEIC", "d.dng", "e.avif", "f.jfif", "g.JPE", "h.mpo", "ü.webp"]
    touch(*(tmp_path / name for name in [*names, ".hidden.jpg", "notes.txt", "walk.MOV"]))
    folder = open_folder(tmp_path)
    assert list(folder.names) == names
    assert folder.videos == (tmp_path / "walk.MOV",)
    assert is_video(tmp_path / "walk.MOV")
    assert not is_video(tmp_path / "b.PNG")


def test_subfolders_are_looked_at_only_if_the_folder_holds_no_photo(tmp_path):
    for name in (
        "left/1.jpg",
        "right/1.jpg",
        "masks/1.png",
        "left/masks/1.png",
        "__MACOSX/1.jpg",
        "left/@eaDir/1.jpg",
        ".cache/1.jpg",
    ):
        touch(tmp_path / name)
    folder = open_folder(tmp_path)
    assert (list(folder.names), folder.passed_over) == (["left/1.jpg", "right/1.jpg"], ())
    touch(tmp_path / "own.jpg")
    folder = open_folder(tmp_path)
    assert (list(folder.names), below(tmp_path, folder.passed_over)) == (["own.jpg"], ["left/1.jpg", "right/1.jpg"])
    assert list(open_folder(tmp_path / "masks").names) == ["1.png"]


def test_folders_deeper_than_functions_can_call(tmp_path):
    deep = tmp_path / "/".join("a" * 300)
    touch(deep / "1.png")
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack(0)) + 150)
    try:
        photos = Listing().photos(tmp_path)
    finally:
        sys.setrecursionlimit(limit)
    assert photos == [deep / "1.png"]


def test_images_folder_comes_first(tmp_path):
    touch(tmp_path / "own.jpg")
    assert open_folder(tmp_path).root == tmp_path
    (tmp_path / "images").mkdir()
    assert open_folder(tmp_path).root == tmp_path
    touch(tmp_path / "images" / "1.jpg")
    assert open_folder(tmp_path).root == tmp_path / "images"


def test_a_project_as_a_whole(tmp_path):
    names = (
        "images/1.jpg",
        "images_2/1.jpg",
        "masks/1.png",
        "sparse/0/cameras.bin",
        "sparse/0/images.bin",
        "notes.txt",
    )
    touch(*(tmp_path / name for name in (*names, "transforms.json", "images/.hidden.jpg")))
    folder = open_folder(tmp_path)
    assert folder.masks == {"1.jpg": tmp_path / "masks" / "1.png"}
    assert folder.poses("auto") == (tmp_path / "sparse" / "0", None)
    assert folder.poses("transforms") == (None, tmp_path / "transforms.json")
    assert folder.poses("sfm") == (None, None)
    assert below(tmp_path, folder.inputs) == [*names[:-1], "transforms.json"]


def test_photos_behind_a_link_are_inputs(tmp_path):
    touch(tmp_path / "elsewhere" / "1.jpg")
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "images").symlink_to(tmp_path / "elsewhere")
    folder = open_folder(tmp_path / "project")
    assert folder.inputs == folder.photos == (tmp_path / "project" / "images" / "1.jpg",)


def test_a_video_is_all_there_is(tmp_path):
    touch(tmp_path / "walk.mp4", tmp_path / "1.jpg", tmp_path / "transforms.json")
    folder = open_folder(tmp_path / "walk.mp4")
    assert folder.videos == folder.inputs == (tmp_path / "walk.mp4",)
    assert (folder.photos, folder.poses("auto")) == ((), (None, None))


def test_a_folder_is_listed_once(tmp_path, monkeypatch):
    touch(tmp_path / "a" / "1.jpg")
    listing = Listing()
    assert below(tmp_path, listing.photos(tmp_path)) == ["a/1.jpg"]
    monkeypatch.setattr(os, "scandir", None)
    assert below(tmp_path, listing.below(tmp_path)) == ["a/1.jpg"]


# What cannot be used


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_names_that_are_not_utf8_are_refused(tmp_path):
    (tmp_path / "a.jpg").touch()
    (tmp_path / os.fsdecode(b"caf\xe9.jpg")).touch()
    with pytest.raises(InputError, match=r"caf\\xe9\.jpg is not in UTF-8"):
        open_folder(tmp_path).require()


def test_views_are_compared_with_the_photos_that_will_be_used(tmp_path):
    touch(*(tmp_path / name for name in ("preview.jpg", "images/1.jpg", "images/2.jpg", "images/3.jpg")))
    folder = open_folder(tmp_path)
    folder.require(views=3)
    with pytest.raises(InputError, match="--views 4 is more than the 3 photos"):
        folder.require(views=4)
    with pytest.raises(InputError, match="at least 2"):
        folder.require(views=1)
    with pytest.raises(InputError, match="at least 2"):
        check_views(1)


def test_one_photo_is_counted_in_words(tmp_path):
    touch(tmp_path / "1.jpg", tmp_path / "transforms.json")
    with pytest.raises(InputError, match="--views 100 is more than the one photo there is"):
        open_folder(tmp_path).require(views=100)


def test_a_known_lens_and_known_poses_exclude_each_other(tmp_path):
    touch(*(tmp_path / f"{number}.jpg" for number in range(3)), tmp_path / "transforms.json")
    folder = open_folder(tmp_path)
    folder.require("sfm", "OPENCV")
    with pytest.raises(InputError, match="--camera does not apply; add --poses sfm"):
        folder.require("auto", "OPENCV")


def test_places_that_are_none(tmp_path):
    touch(tmp_path / "notes.txt")
    with pytest.raises(InputError, match=r"notes\.txt is not a folder; give the folder"):
        open_folder(tmp_path / "notes.txt")
    with pytest.raises(InputError, match="absent does not exist; give the folder"):
        open_folder(tmp_path / "absent")


def test_a_folder_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    def refused(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refused)
    with pytest.raises(InputError, match="cannot be read: Permission denied"):
        open_folder(tmp_path)


def test_photos_given_one_by_one(tmp_path):
    touch(*(tmp_path / name for name in ("b/2.jpg", "a/10.jpg", "a/9.jpg", "a/mask.txt", "a/11.png")))
    given = open_photos([tmp_path / "b" / "2.jpg", tmp_path / "a" / "10.jpg", tmp_path / "a" / "9.jpg"])
    assert (given.place, given.given) == (tmp_path, ("a/9.jpg", "a/10.jpg", "b/2.jpg"))
    assert [*given.names] == ["a/9.jpg", "a/10.jpg", "b/2.jpg"]
    assert set(given.inputs) == set(given.photos) == set(given.arguments)
    assert open_photos([tmp_path / "a" / "9.jpg"]).photos == (tmp_path / "a" / "9.jpg",)
    assert open_photos([tmp_path]) == open_folder(tmp_path)
    assert open_folder(tmp_path, given.given) == given, "as a record has it"
    for other in ("a", "a/mask.txt", "none.jpg"):
        with pytest.raises(InputError, match="give photos, or else one folder or one video"):
            open_photos([tmp_path / "a" / "9.jpg", tmp_path / other])


def test_photos_given_one_by_one_in_several_spellings(tmp_path, monkeypatch):
    touch(*(tmp_path / name for name in ("a/1.jpg", "a/2.jpg", "b/3.jpg")))
    monkeypatch.chdir(tmp_path / "a")
    for second, third in ((Path("2.jpg"), tmp_path / "b" / "3.jpg"), (Path("2.jpg"), Path("../b/3.jpg"))):
        for first in (Path("1.jpg"), tmp_path / "b" / ".." / "a" / "1.jpg"):
            given = open_photos([first, second, third])
            assert (given.place, given.given) == (tmp_path, ("a/1.jpg", "a/2.jpg", "b/3.jpg"))
    assert open_photos([Path("../b/3.jpg")]).photos == (Path("../b/3.jpg"),), "as given where that will do"


def test_a_scene_is_named_after_its_place(tmp_path, monkeypatch):
    touch(tmp_path / "Garden" / "images" / "1.jpg", tmp_path / "walk.mp4")
    monkeypatch.chdir(tmp_path / "Garden")
    places = (Path(), Path("images"), tmp_path / "Garden", tmp_path / "walk.mp4", Path("/"))
    assert [replace(open_folder(Path()), place=place, videos=(tmp_path / "walk.mp4",)).title for place in places] == [
        "Garden", "Garden", "Garden", "walk", "scene",
    ]  # fmt: skip


DATA_SETS = {  # photos, and other pictures
    "tum": (["rgb/1.5.png", "rgb/2.5.png"], ["depth/1.6.png", "depth/2.6.png"]),
    "arkitscenes": (["lowres_wide/1.png"], ["lowres_depth/1.png", "confidence/1.png"]),
    "7-scenes": (["frame-000000.color.png", "frame-000001.color.png"], ["frame-000000.depth.png"]),
    "replica": (["results/frame000000.jpg"], ["results/depth000000.png"]),
    "omnidata": (["rgb/a.png"], ["mono_normals/a.png", "Depth Maps/a.png"]),
}
NOT_ALL = {  # which are photos all the same
    "alone": ["depth/1.png", "depth/2.png"],
    "of no photo": ["depth.jpg", "depth_of_field_3.jpg", "garden_1.jpg"],
    "other words": ["indepth/1.jpg", "normandy/1.jpg", "normal lens/1.jpg", "20/1.jpg"],
    "normal": ["normal_1.jpg", "wide_1.jpg"],
    "a normal lens": ["normal/1.jpg", "wide/1.jpg"],
    "what they measure": ["dive 12.jpg", "dive depth 12.jpg"],
}


@pytest.mark.parametrize("name", DATA_SETS)
def test_depth_maps_and_the_like_are_no_photos(tmp_path: Path, name: str) -> None:
    """Nor do they hide a video, as of Stray Scanner."""
    photos, others = DATA_SETS[name]
    touch(*(tmp_path / one for one in (*photos, *others, "rgb.mp4")))
    folder = open_folder(tmp_path)
    assert (list(folder.names), folder.passed_over) == (photos, ())
    (said,) = folder.not_read
    assert said.startswith(f"{len(others)} pictures named as depth maps")
    for photo in photos:
        (tmp_path / photo).unlink()
    folder = open_folder(tmp_path)
    assert folder.videos == (tmp_path / "rgb.mp4",)
    assert not folder.photos or name in ("7-scenes", "replica")  # without photos nothing tells what they are


@pytest.mark.parametrize("name", NOT_ALL)
def test_what_only_may_be_depth_maps_are_photos(tmp_path: Path, name: str) -> None:
    touch(*(tmp_path / one for one in NOT_ALL[name]))
    assert sorted(open_folder(tmp_path).names) == sorted(NOT_ALL[name])
