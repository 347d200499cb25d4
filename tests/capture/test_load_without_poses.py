"""Photos and videos without poses: structure from motion, its cache, and what it leaves out."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ilrm_cli.capture.input_hash import poses_sha256
from ilrm_cli.capture.load_views import load_views
from ilrm_cli.capture.photos.folder import VideoChoice
from ilrm_cli.capture.poses.lenses import colmap_camera
from ilrm_cli.capture.sfm import solve
from ilrm_cli.render.video import write_video
from ilrm_cli.runtime.errors import InputError
from tests.support.opened import gathered
from tests.support.photographed import HEIGHT, WIDTH, cameras_on_an_arc, photograph, save_photos
from tests.support.posed_projects import counted, cut_short


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    """Give each test a cache of its own."""
    monkeypatch.setenv("ILRM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_photos_alone_are_posed_once_and_then_taken_from_the_cache(tmp_path, monkeypatch):
    poses = cameras_on_an_arc(5)
    paths = save_photos(tmp_path / "my photos", poses)
    cut_short(paths[4])
    first = gathered(tmp_path / "my photos")
    assert (first.origin, first.found, len(first.photos)) == ("sfm", 5, 4)
    assert "photo_004.png" in first.warnings[0]
    assert "left out" in first.warnings[0]
    assert first.points.shape[0] > 100

    def never(*args, **kwargs):
        raise AssertionError("structure from motion ran again")

    monkeypatch.setattr(solve, "solve", never)
    again = gathered(tmp_path / "my photos")
    assert again.warnings == first.warnings
    assert poses_sha256(again) == poses_sha256(first)
    for a, b in zip(first.photos, again.photos, strict=True):
        assert a.lens == b.lens
        np.testing.assert_array_equal(a.world_from_cam, b.world_from_cam)
    paths[0].write_bytes(paths[1].read_bytes())
    with pytest.raises(AssertionError, match="ran again"):
        gathered(tmp_path / "my photos")


def test_photos_that_do_not_overlap_leave_no_cache(tmp_path):
    for seed in range(3):
        save_photos(tmp_path / "photos", cameras_on_an_arc(1), seed=seed, prefix=f"p{seed}")
    with pytest.raises(InputError, match="share enough points"):
        gathered(tmp_path / "photos")
    assert not (tmp_path / "cache").exists()


def test_hard_files_among_photos_without_poses(tmp_path):
    """Two sizes, a turned photo, a copy, an empty file and a photo of another place, in subfolders with odd names."""
    place = tmp_path / "à la mer"
    paths = save_photos(place / "phone 1", cameras_on_an_arc(6, spread_deg=25))
    turned = Image.open(paths[2]).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[274] = 6
    turned.save(paths[2], exif=exif)
    Image.open(paths[3]).resize((WIDTH * 3 // 4, HEIGHT * 3 // 4), Image.Resampling.LANCZOS).save(paths[3])
    (place / "other").mkdir()
    (place / "other" / "copy.png").write_bytes(paths[0].read_bytes())
    (place / "other" / "empty.jpg").write_bytes(b"")
    save_photos(place / "other", cameras_on_an_arc(1), seed=5, prefix="elsewhere")
    capture = gathered(place)
    counted(capture)
    assert capture.found == 9
    assert {photo.name for photo in capture.photos} == {f"phone 1/photo_00{i}.png" for i in range(6)} - {
        "phone 1/photo_000.png"
    } | {"other/copy.png"}
    reasons = {left.name: left.reason for left in capture.left_out}
    assert reasons["phone 1/photo_000.png"] == "it is a copy of other/copy.png"
    assert reasons["other/empty.jpg"] == "it is empty"
    assert set(reasons) == {"phone 1/photo_000.png", "other/empty.jpg", "other/elsewhere_000.png"}


# Masks and videos


def test_masks_reach_features_and_views(tmp_path):
    """A bar that moves with the camera would tie photos together wrongly; it is masked, and it is in no view."""
    poses = cameras_on_an_arc(6)
    paths = save_photos(tmp_path / "photos", poses)
    bar = np.full((HEIGHT, WIDTH), 255, dtype=np.uint8)
    bar[:, :60] = 0
    (tmp_path / "photos" / "masks").mkdir()
    for path in paths:
        image = np.where(bar[..., None] > 0, np.asarray(Image.open(path)), photograph(poses[0], seed=3))
        Image.fromarray(image).save(path)
        Image.fromarray(bar).save(tmp_path / "photos" / "masks" / f"{path.name}.png")
    capture = gathered(tmp_path / "photos")
    counted(capture)
    assert len(capture.photos) == 6
    for photo in capture.photos:
        assert photo.mask == tmp_path / "photos" / "masks" / f"{photo.name}.png"
        cam_from_world = np.linalg.inv(photo.world_from_cam)
        local = photo.points @ cam_from_world[:3, :3].T + cam_from_world[:3, 3]
        assert (colmap_camera(photo.lens).img_from_cam(local)[:, 0] > 58).all()
    masks = load_views(capture.photos, 80, 60).masks
    assert masks is not None
    assert (masks[:, :, :14] == 0).all()
    assert (masks[:, 5:-5, 17:75] == 1).all()


def test_a_video_is_posed_like_photos(tmp_path):
    frames = [photograph(pose) for pose in cameras_on_an_arc(12)]
    write_video(tmp_path / "walk.mp4", frames, 10.0)
    capture = gathered(tmp_path / "walk.mp4", video=VideoChoice(max_frames=6))
    counted(capture)
    assert (capture.found, len(capture.photos)) == (6, 6)
    assert all(photo.path.is_file() and photo.name.startswith("walk.mp4/") for photo in capture.photos)
    with pytest.raises(InputError, match=r"walk\.mp4 holds no COLMAP model"):
        gathered(tmp_path / "walk.mp4", "colmap")


@pytest.mark.slow
def test_a_real_walk(shared, tmp_path):
    capture = gathered(shared / "photos" / "walk.mp4", video=VideoChoice(max_frames=24))
    counted(capture)
    assert capture.found == 24
    assert len(capture.photos) >= 20
