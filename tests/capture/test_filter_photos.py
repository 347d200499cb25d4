import gc
import sys
import weakref
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from ilrm_cli.capture import filter_photos
from ilrm_cli.capture.filter_photos import ENOUGH_PHOTOS, PhotoSet, find_photo_set
from ilrm_cli.capture.photos.folder import VideoChoice, open_folder
from ilrm_cli.render.video import write_video
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.threads import MAX_THREADS
from tests.support.photographed import texture


def views_along_a_wall(count: int, step: int = 12, seed: int = 0) -> list[np.ndarray]:
    return [np.roll(texture(seed), -step * i, axis=1)[:120, :160] for i in range(count)]


def save_all(folder: Path, images: list[np.ndarray], name: str = "{:03d}.png") -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / name.format(i) for i in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image).save(path)
    return paths


def found_in(place: Path, choice: VideoChoice = VideoChoice()) -> PhotoSet:
    photos = find_photo_set(open_folder(place), choice)
    names = [*photos.paths, *(left.name for left in photos.left_out)]
    assert len(names) == len(set(names)) == photos.found  # nothing is lost without a reason
    assert set(photos.masks) <= set(photos.paths)
    return photos


def reasons(photos: PhotoSet) -> dict[str, str]:
    return {left.name: left.reason for left in photos.left_out}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Give each test a cache of its own."""
    monkeypatch.setenv("ILRM_CACHE", str(tmp_path / "cache"))


# Photos left out, and why


def test_every_kind_of_bad_file_has_its_reason(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "rawpy", None)
    folder = tmp_path / "my phötos"
    paths = save_all(folder, views_along_a_wall(5))
    (folder / "cut.png").write_bytes(paths[0].read_bytes()[:5000])
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "text.jpg").write_text("not a photo")
    (folder / "copy of 001.png").write_bytes(paths[1].read_bytes())
    (folder / "phone.heic").write_bytes(b"x")
    (folder / "alone.nef").write_bytes(b"x")
    (folder / "001.CR2").write_bytes(b"x")
    photos = found_in(folder)
    assert list(photos.paths) == [path.name for path in paths]
    assert photos.found == 12
    assert reasons(photos) == {
        "001.CR2": "001.png is the same shot",
        "cut.png": "it is cut short",
        "empty.jpg": "it is empty",
        "text.jpg": "it is damaged or no photo",
        "phone.heic": "it is damaged or no photo",
        "alone.nef": "camera RAW files need an extra: run pip install 'ilrm[raw]'",
        "copy of 001.png": "it is a copy of 001.png",
    }
    assert len(photos.warnings) == 6


def test_warnings_count_files_of_one_reason_together(tmp_path):
    save_all(tmp_path / "photos", views_along_a_wall(3))
    for i in range(5):
        (tmp_path / "photos" / f"bad {i}.jpg").write_bytes(b"")
    photos = found_in(tmp_path / "photos")
    assert photos.warnings == ("5 photos, bad 0.jpg, bad 1.jpg, bad 2.jpg and 2 more: left out because it is empty.",)


def test_subfolders_mixed_sizes_and_kinds(tmp_path):
    images = views_along_a_wall(4)
    save_all(tmp_path / "photos" / "by phone", images[:2], "ü {}.webp")
    save_all(tmp_path / "photos" / "by camera", [image[:100, :90] for image in images[2:]], "{}.JPG")
    photos = found_in(tmp_path / "photos")
    assert list(photos.paths) == ["by camera/0.JPG", "by camera/1.JPG", "by phone/ü 0.webp", "by phone/ü 1.webp"]


def test_masks_belong_to_photos_and_bad_ones_are_named(tmp_path):
    save_all(tmp_path / "images", views_along_a_wall(5))
    (tmp_path / "masks").mkdir()
    Image.new("L", (160, 120), 255).save(tmp_path / "masks" / "000.png.png")
    for name in ("001.png", "003.png"):
        Image.new("L", (160, 120), 0).save(tmp_path / "masks" / name)
    photos = found_in(tmp_path)
    assert photos.masks == {"000.png": tmp_path / "masks" / "000.png.png"}
    reason = "its mask cannot be used: it is black or transparent, which masks all of the photo"
    assert reasons(photos) == {"001.png": reason, "003.png": reason}
    assert photos.warnings == (f"2 photos, 001.png, 003.png: left out because {reason}.",)


def test_masks_of_no_photo_are_named(tmp_path):
    """Another suffix, another name, another folder; a second mask of one photo is not among them."""
    save_all(tmp_path / "images" / "a", views_along_a_wall(3))
    white = [np.full((120, 160), 255, dtype=np.uint8)]
    for name in ("a/000.png", "a/000.png.png", "a/001.jpg", "b/002.png", "a/no.png"):
        save_all((tmp_path / "masks" / name).parent, white, Path(name).name)
    photos = found_in(tmp_path)
    assert set(photos.masks) == {"a/000.png"}
    (warning,) = photos.warnings
    assert warning.startswith("3 masks match no photo and are not used (a/001.jpg, a/no.png, b/002.png); IMG_1.jpg.png")


def test_photos_of_which_nothing_is_left_are_left_out(tmp_path):
    """Transparent all over, or opaque only where the mask is black."""
    left, right = np.zeros((2, 120, 160), dtype=np.uint8)
    left[:, :80], right[:, 80:] = 255, 255
    for i, view in enumerate(views_along_a_wall(6)):
        alpha = np.zeros_like(left) if i == 1 else left
        save_all(tmp_path / "images", [np.dstack([view, alpha])], f"{i}.png")
    save_all(tmp_path / "masks", [right], "2.png")
    reason = "all of it is transparent or masked"
    assert reasons(found_in(tmp_path)) == {"1.png": reason, "2.png": reason}


def test_a_broken_photo_is_not_blamed_on_its_mask(tmp_path):
    save_all(tmp_path / "images", views_along_a_wall(4))
    save_all(tmp_path / "masks", [np.full((120, 160), 255, dtype=np.uint8)] * 4)
    (tmp_path / "images" / "001.png").write_text("not a photo")
    assert reasons(found_in(tmp_path)) == {"001.png": "it is damaged or no photo"}


def test_a_picture_saved_again_is_left_out_and_the_sharper_stays(tmp_path):
    images = [np.roll(texture(0), -50 * i, axis=1)[:480, :640] for i in range(4)]
    save_all(tmp_path / "photos", images)
    blurred = Image.fromarray(images[2]).filter(ImageFilter.GaussianBlur(0.7))
    blurred.save(tmp_path / "photos" / "again.png")
    assert reasons(found_in(tmp_path / "photos")) == {"again.png": "it is a near duplicate of 002.png"}


@pytest.mark.parametrize(("count", "kept"), [(20, 20), (60, ENOUGH_PHOTOS)])
def test_near_duplicates_go_only_while_enough_remain(tmp_path, monkeypatch, count, kept):
    """A camera that hardly moves: every photo is a near duplicate of its neighbours."""
    monkeypatch.setattr("ilrm_cli.capture.photos.near_duplicates.NEAR_DUPLICATE", 1.0)
    save_all(tmp_path / "photos", views_along_a_wall(count, step=1))
    photos = found_in(tmp_path / "photos")
    assert len(photos.paths) == kept
    assert all("near duplicate of" in reason for reason in reasons(photos).values())


def test_of_too_many_photos_an_even_selection_of_sharp_ones_is_used(tmp_path, monkeypatch):
    monkeypatch.setattr(filter_photos, "MAX_SFM_PHOTOS", 10)
    images = views_along_a_wall(30)
    blurred = [np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(2))) for image in images]
    save_all(tmp_path / "photos", [images[i] if i % 3 == 1 else blurred[i] for i in range(30)])
    photos = found_in(tmp_path / "photos")
    assert list(photos.paths) == [f"{i:03d}.png" for i in range(1, 30, 3)]
    assert reasons(photos)["000.png"] == "001.png, which is sharper, stands for it: 10 of 30 are used"
    assert photos.warnings == ("Of 30 photos 10, evenly spread and sharp, are used to find camera positions.",)


# Videos


def test_a_video_and_a_folder_of_videos(tmp_path):
    for name in ("a", "b"):
        (tmp_path / "trip").mkdir(exist_ok=True)
        write_video(tmp_path / "trip" / f"{name}.mp4", views_along_a_wall(20, seed=ord(name)), 10.0)
    one = found_in(tmp_path / "trip" / "a.mp4")
    assert all(name.startswith("a.mp4/") and path.is_file() for name, path in one.paths.items())
    assert 10 <= one.found <= 20
    both = found_in(tmp_path / "trip", VideoChoice(max_frames=12))
    assert both.found == 12
    assert {name.split("/")[0] for name in both.paths} == {"a.mp4", "b.mp4"}


def test_many_videos_share_the_frames(tmp_path):
    (tmp_path / "films").mkdir()
    for seed, name in enumerate("abcd"):
        write_video(tmp_path / "films" / f"{name}.mp4", views_along_a_wall(8, seed=seed), 10.0)
    photos = found_in(tmp_path / "films", VideoChoice(max_frames=7))
    assert [name[0] for name in (*photos.paths, *reasons(photos))] == list("aabbccd")
    with pytest.raises(InputError, match="--max-frames 3 is less than one for each of 4 videos"):
        found_in(tmp_path / "films", VideoChoice(max_frames=3))


def test_videos_beside_photos_are_named_only(tmp_path):
    save_all(tmp_path / "photos", views_along_a_wall(3))
    (tmp_path / "photos" / "IMG_1.MOV").write_bytes(b"x")
    photos = found_in(tmp_path / "photos")
    assert photos.found == 3
    assert "also holds a video, which is not used (IMG_1.MOV)" in photos.warnings[0]


def test_photos_in_subfolders_beside_others_are_named_only(tmp_path):
    save_all(tmp_path / "photos", views_along_a_wall(3))
    save_all(tmp_path / "photos" / "more", views_along_a_wall(2, seed=1))
    save_all(tmp_path / "photos" / "masks", [np.full((120, 160), 255, dtype=np.uint8)] * 3)
    photos = found_in(tmp_path / "photos")
    assert photos.found == 3
    assert len(photos.warnings) == 1
    assert photos.warnings[0].startswith("2 photos in subfolders of ")
    assert "(more/000.png, more/001.png); move them together" in photos.warnings[0]


# Nothing to work with


def test_too_few_photos(tmp_path):
    with pytest.raises(InputError, match=r"holds no photo .* and no video"):
        open_folder(tmp_path).require()
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.jpg").write_bytes(b"")
    with pytest.raises(
        InputError, match=r"no photo that can be used; three .* poses: 3 photos, a\.jpg, b\.jpg, c\.jpg: l"
    ):
        find_photo_set(open_folder(tmp_path), VideoChoice())
    for count, said in ((1, "only one photo"), (2, "only two photos")):
        save_all(tmp_path, views_along_a_wall(count))
        with pytest.raises(InputError, match=f"holds {said} that can be used"):
            find_photo_set(open_folder(tmp_path), VideoChoice())
    save_all(tmp_path / "more", views_along_a_wall(1))  # of which there is a warning, that tells no reason
    with pytest.raises(InputError, match=r"only two photos .* poses: 3 photos, a\.jpg, b\.jpg, c\.jpg: left out"):
        find_photo_set(open_folder(tmp_path), VideoChoice())
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.jpg").unlink()
    with pytest.raises(InputError, match=r"only two photos .* without poses\.$"):
        find_photo_set(open_folder(tmp_path), VideoChoice())


# Memory


def test_no_more_photos_are_decoded_at_once_than_there_are_threads(tmp_path, monkeypatch):
    """The number of photos does not matter: 200 photos must fit where 20 do."""
    save_all(tmp_path / "photos", views_along_a_wall(60))
    alive: set[int] = set()
    most = 0
    read = filter_photos.read_upright

    def counted(path: Path, at_least: tuple[int, int] | None = None) -> Image.Image:
        nonlocal most
        image = read(path, at_least)
        alive.add(id(image))
        weakref.finalize(image, alive.discard, id(image))
        most = max(most, len(alive))
        return image

    monkeypatch.setattr(filter_photos, "read_upright", counted)
    assert found_in(tmp_path / "photos").found == 60
    gc.collect()
    assert not alive
    assert 1 <= most <= 2 * MAX_THREADS
