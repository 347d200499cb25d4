import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ilrm_cli.capture.photos.folder import open_folder
from ilrm_cli.geometry.cameras import Lens
from ilrm_cli.geometry.views import LeftOut
from ilrm_cli.runtime.errors import InputError
from tests.support.opened import gathered
from tests.support.photographed import FOCAL, HEIGHT, WIDTH, cameras_on_an_arc, photograph, save_photos
from tests.support.posed_projects import PINHOLE, colmap_project, counted, cut_short, nerf_project, write_colmap

# Origins of poses


def test_a_colmap_project(tmp_path):
    poses = colmap_project(tmp_path)
    capture = gathered(tmp_path)
    assert (capture.origin, capture.found, capture.warnings) == ("colmap", 4, ())
    assert [photo.name for photo in capture.photos] == [f"photo_00{i}.png" for i in range(4)]
    for photo, pose in zip(capture.photos, poses, strict=True):
        assert photo.path.is_file()
        assert photo.lens == PINHOLE
        np.testing.assert_allclose(photo.world_from_cam, pose, atol=1e-9)


@pytest.mark.parametrize("place", ["input", ".", "images_4"])
def test_photos_are_found_where_projects_keep_them(tmp_path, place):
    poses = cameras_on_an_arc(3)
    paths = save_photos(tmp_path / place, poses)
    write_colmap(tmp_path / "sparse" / "0", [path.name for path in paths], poses)
    assert len(gathered(tmp_path).photos) == 3


def automatic(folder: Path, with_first: bool = True) -> list[np.ndarray]:
    """Write what COLMAP's automatic reconstruction leaves: a model with distortion, one without, undistorted photos."""
    poses = cameras_on_an_arc(3)
    names = [path.name for path in save_photos(folder / "dense" / "0" / "images", poses)]
    write_colmap(folder / "dense" / "0" / "sparse", names, poses)
    if with_first:
        distorted = Lens("SIMPLE_RADIAL", (FOCAL, WIDTH / 2, HEIGHT / 2, -0.1), WIDTH, HEIGHT)
        write_colmap(folder / "sparse" / "0", [*names, "more.png"], cameras_on_an_arc(4), distorted)
    return poses


@pytest.mark.parametrize("place", [".", "dense", "dense/0"])
@pytest.mark.parametrize("with_first", [False, True])
def test_undistorted_photos_have_the_model_beside_them(tmp_path, place, with_first):
    poses = automatic(tmp_path, with_first)
    capture = gathered(tmp_path / place)
    assert (capture.origin, capture.warnings) == ("colmap", ())
    assert [photo.lens for photo in capture.photos] == [PINHOLE] * 3
    for photo, pose in zip(capture.photos, poses, strict=True):
        np.testing.assert_allclose(photo.world_from_cam, pose, atol=1e-9)
    model = tmp_path / "dense" / "0" / "sparse" / "images.txt"
    assert model in open_folder(tmp_path / place).inputs


@pytest.mark.parametrize("place", ["images", "input", "photos"])
def test_originals_have_the_model_with_distortion(tmp_path, place):
    """Beside undistorted copies of the same names."""
    automatic(tmp_path)
    save_photos(tmp_path / place, cameras_on_an_arc(3))
    capture = gathered(tmp_path)
    assert {photo.lens.model for photo in capture.photos} == {"SIMPLE_RADIAL"}
    assert {photo.path.parent for photo in capture.photos} == {tmp_path / place}


def test_a_model_of_undistorted_photos_is_of_no_originals(tmp_path):
    automatic(tmp_path, with_first=False)
    save_photos(tmp_path / "images", cameras_on_an_arc(3), seed=1)
    assert {photo.path.parent for photo in gathered(tmp_path).photos} == {tmp_path / "dense" / "0" / "images"}


def test_projects_side_by_side_are_not_one(tmp_path):
    for place, names in (("letters", "ab"), ("numbers", "01")):
        for name in names:
            colmap_project(tmp_path / place / name)
        assert open_folder(tmp_path / place).model is None
        assert open_folder(tmp_path / place / names[0]).model == tmp_path / place / names[0] / "sparse" / "0"


def test_transforms_json_and_colmap_give_the_same_capture(tmp_path):
    poses = colmap_project(tmp_path / "colmap")
    save_photos(tmp_path / "nerf" / "images", poses)
    frames = [
        {"file_path": f"images/photo_00{i}", "transform_matrix": (pose @ np.diag([1.0, -1, -1, 1])).tolist()}
        for i, pose in enumerate(poses)
    ]
    (tmp_path / "nerf" / "transforms.json").write_text(json.dumps({"fl_x": FOCAL, "frames": frames}))
    ours, theirs = gathered(tmp_path / "nerf"), gathered(tmp_path / "colmap")
    assert (ours.origin, ours.found) == ("transforms", 4)
    for a, b in zip(ours.photos, theirs.photos, strict=True):
        assert a.lens == b.lens
        np.testing.assert_allclose(a.world_from_cam, b.world_from_cam, atol=1e-9)


def test_reduced_copies_and_masks_are_not_counted_as_photos(tmp_path):
    """Those are the folders that nerfstudio makes beside `images`."""
    poses = cameras_on_an_arc(3)
    for name in ("images", "images_2", "masks"):
        save_photos(tmp_path / name, poses)
    Image.new("RGB", (WIDTH, HEIGHT)).save(tmp_path / "images" / "unposed.png")
    frames = [
        {"file_path": f"images/photo_00{i}.png", "transform_matrix": pose.tolist()} for i, pose in enumerate(poses)
    ]
    (tmp_path / "transforms.json").write_text(json.dumps({"fl_x": FOCAL, "frames": frames}))
    assert gathered(tmp_path).found == 4


def test_a_photo_with_broken_exif_is_used(tmp_path):
    poses = colmap_project(tmp_path)
    whole = photograph(poses[1])
    Image.fromarray(whole).save(tmp_path / "images" / "photo_001.png", exif=b"Exif\0\0MM\0*junk")
    capture = gathered(tmp_path)
    assert (len(capture.photos), capture.warnings) == (4, ())


def test_poses_can_be_forced(tmp_path):
    colmap_project(tmp_path)
    with pytest.raises(InputError, match=r"no transforms\.json"):
        gathered(tmp_path, "transforms")
    (tmp_path / "sparse" / "0" / "images.txt").unlink()
    with pytest.raises(InputError, match="no COLMAP model"):
        gathered(tmp_path, "colmap")


# Bad input


def test_missing_folder_no_photos_one_photo(tmp_path):
    with pytest.raises(InputError, match="nowhere does not exist"):
        gathered(tmp_path / "nowhere")
    with pytest.raises(InputError, match="holds no photo"):
        gathered(tmp_path)
    save_photos(tmp_path, cameras_on_an_arc(1))
    with pytest.raises(InputError, match="only one photo that can be used"):
        gathered(tmp_path)


def test_a_model_that_names_absent_photos(tmp_path):
    colmap_project(tmp_path)
    (tmp_path / "images" / "photo_002.png").unlink()
    capture = gathered(tmp_path)
    assert len(capture.photos) == 3
    assert "photo_002.png" in capture.warnings[0]
    for path in (tmp_path / "images").iterdir():
        path.rename(path.with_name(f"other_{path.name}"))
    with pytest.raises(InputError, match=r"None of the 4 photos .*photo_000\.png"):
        gathered(tmp_path)


def test_a_damaged_photo_among_good_ones_is_left_out_and_said(tmp_path):
    colmap_project(tmp_path)
    cut_short(tmp_path / "images" / "photo_001.png")
    capture = gathered(tmp_path)
    assert (capture.found, len(capture.photos)) == (4, 3)
    assert capture.left_out == (LeftOut("photo_001.png", "it is cut short"),)
    assert capture.warnings == ("photo_001.png: left out because it is cut short.",)


def test_a_photo_of_another_shape_is_left_out_and_said(tmp_path):
    colmap_project(tmp_path)
    Image.new("RGB", (100, 300)).save(tmp_path / "images" / "photo_001.png")
    capture = gathered(tmp_path)
    assert len(capture.photos) == 3
    assert "photo_001.png" in capture.warnings[0]


def test_photos_that_were_converted_after_they_were_posed_are_used_and_named(tmp_path):
    colmap_project(tmp_path)
    before = gathered(tmp_path)
    images = tmp_path / "images"
    for index in (1, 2):
        Image.open(images / f"photo_00{index}.png").save(images / f"photo_00{index}.webp", lossless=True)
        (images / f"photo_00{index}.png").unlink()
    (images / "photo_002.JPG").write_bytes(b"which of the two it is cannot be known")
    capture = gathered(tmp_path)
    counted(capture)
    assert [photo.name for photo in capture.photos] == ["photo_000.png", "photo_001.webp", "photo_003.png"]
    np.testing.assert_array_equal(capture.photos[1].world_from_cam, before.photos[1].world_from_cam)
    converted, absent = capture.warnings
    assert "were converted since; used are photo_001.webp for photo_001.png" in converted
    assert "photo_002.png" in absent


def test_all_photos_converted(tmp_path):
    """No name is right, and the right folder is found all the same."""
    colmap_project(tmp_path)
    (tmp_path / "input").mkdir()
    for path in (tmp_path / "images").iterdir():
        path.rename(tmp_path / "input" / f"{path.stem}.PNG")
    capture = gathered(tmp_path)
    assert [photo.path.parent.name for photo in capture.photos] == ["input"] * 4
    assert len(capture.warnings) == 1


def test_one_broken_photo_of_a_transforms_json_without_sizes(tmp_path):
    nerf_project(tmp_path, [{}] * 6)
    images = tmp_path / "images"
    (images / "photo_001.png").write_bytes(b"")
    (images / "photo_002.png").unlink()
    (images / "photo_003.png").rename(images / "photo_003.PNG")
    capture = gathered(tmp_path)
    counted(capture)
    assert (capture.found, [photo.name[-7:] for photo in capture.photos]) == (
        5,
        ["000.png", "003.PNG", "004.png", "005.png"],
    )
    assert capture.left_out == (LeftOut("images/photo_001.png", "it is empty"),)
    (images / "photo_000.png").write_bytes(b"")
    for index in (3, 4, 5):
        next(images.glob(f"photo_00{index}.*")).unlink()
    with pytest.raises(InputError, match=r"No photo in .*: 2 photos, .* left out because it is empty"):
        gathered(tmp_path)


def test_masks_of_frames(tmp_path):
    nerf_project(tmp_path, [{"mask_path": "masks/mask_0.png"}, {"mask_path": "masks/no.png"}, {}, {}])
    (tmp_path / "masks").mkdir()
    for name in ("mask_0.png", "photo_001.png", "photo_002.png"):
        Image.fromarray(np.tri(HEIGHT, WIDTH) > 0).save(tmp_path / "masks" / name)
    capture = gathered(tmp_path)
    masks = [photo.mask and photo.mask.name for photo in capture.photos]
    assert masks == ["mask_0.png", "photo_001.png", "photo_002.png", None]
    assert capture.warnings == (f"1 masks that {tmp_path / 'transforms.json'} names are not there: no.png.",)


def test_photos_found_are_posed_or_left_out_with_a_reason(tmp_path):
    colmap_project(tmp_path, count=7)
    images = tmp_path / "images"
    cut_short(images / "photo_001.png")
    Image.new("RGB", (100, 300)).save(images / "photo_002.png")
    (images / "photo_003.png").unlink()
    Image.new("RGB", (WIDTH, HEIGHT)).save(images / "zusätzlich.png")
    capture = gathered(tmp_path)
    counted(capture)
    assert capture.found == 7
    source = f"the COLMAP model in {tmp_path / 'sparse' / '0'}"
    assert {left.name: left.reason for left in capture.left_out} == {
        "photo_001.png": "it is cut short",
        "photo_002.png": f"it does not have the shape that {source} states",
        "zusätzlich.png": f"{source} gives it no pose",
    }


def test_a_photo_that_is_posed_twice_counts_once(tmp_path):
    poses = cameras_on_an_arc(3)
    save_photos(tmp_path / "images", poses)
    frames = [{"file_path": f"images/photo_00{i}.png", "transform_matrix": poses[i].tolist()} for i in (0, 1, 1, 2)]
    (tmp_path / "transforms.json").write_text(json.dumps({"fl_x": FOCAL, "frames": frames}))
    capture = gathered(tmp_path)
    counted(capture)
    assert len(capture.photos) == 3
