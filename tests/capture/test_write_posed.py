import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pycolmap
import pytest
from PIL import Image

from ilrm_cli.capture import write_posed
from ilrm_cli.capture.checks import WRITTEN
from ilrm_cli.capture.load_views import load_views
from ilrm_cli.capture.photos.folder import PoseSettings, open_folder
from ilrm_cli.capture.photos.pixels import read_photo
from ilrm_cli.capture.pose_card import pose_card
from ilrm_cli.capture.poses.lenses import pinhole
from ilrm_cli.geometry.cameras import Lens
from ilrm_cli.geometry.views import Capture, PosedPhoto
from ilrm_cli.runtime.errors import InputError
from tests.support.opened import gathered
from tests.support.photographed import FOCAL, HEIGHT, WIDTH, cameras_on_an_arc, save_photos

DISTORTED = Lens("SIMPLE_RADIAL", (FOCAL, WIDTH / 2, HEIGHT / 2, -0.1), WIDTH, HEIGHT)


def capture_of(folder: Path, lens: Lens = DISTORTED) -> Capture:
    """Return four posed photos in which 200 points of the back wall were found."""
    paths, poses = save_photos(folder, cameras_on_an_arc(4)), cameras_on_an_arc(4)
    rng = np.random.default_rng(0)
    points = np.stack([*rng.uniform(-0.8, 0.8, (2, 200)), np.full(200, 5.0)], axis=1)
    photos = tuple(PosedPhoto(p.name, p, lens, pose, points) for p, pose in zip(paths, poses, strict=True))
    return Capture(photos, 5, "sfm", points, error_px=0.5)


def written(tmp_path: Path) -> tuple[Capture, Path]:
    capture, folder = capture_of(tmp_path / "photos"), tmp_path / "out"
    folder.mkdir()
    write_posed.write_posed(capture, pose_card(capture), folder)
    return capture, folder


# Known values


def test_names_become_jpeg_and_stay_distinct():
    assert write_posed.jpeg_names(["a/1.png", "a/2.JPG", "ü b.webp"]) == ["a/1.jpg", "a/2.jpg", "ü b.jpg"]
    assert write_posed.jpeg_names(["1.png", "1.JPG", "2.png"]) == ["1.png.jpg", "1.JPG.jpg", "2.jpg"]


# Round trips


@pytest.mark.parametrize("origin", ["colmap", "transforms"])
def test_our_own_readers_give_the_same_cameras(tmp_path, origin):
    capture, folder = written(tmp_path)
    again = gathered(folder, origin)
    assert again.origin == origin
    assert [photo.path.stem for photo in again.photos] == [photo.path.stem for photo in capture.photos]
    for photo, before in zip(again.photos, capture.photos, strict=True):
        np.testing.assert_allclose(photo.world_from_cam, before.world_from_cam, atol=1e-12)
        assert photo.lens.model == "PINHOLE"
        assert photo.lens.params[:2] == pytest.approx((FOCAL, FOCAL))
        assert read_photo(photo.path).shape[:2] == (photo.lens.height, photo.lens.width)
        assert photo.lens.width > WIDTH  # pincushion borders come into view at the same focal length


def test_pycolmap_reads_the_model_and_points_lie_where_cameras_see_them(tmp_path):
    capture, folder = written(tmp_path)
    model = pycolmap.Reconstruction(folder / "sparse" / "0")
    assert model.num_reg_images() == 4
    assert model.num_points3D() > 150
    for image in model.images.values():
        for point in image.points2D:
            if point.has_point3D():
                expected = image.project_point(model.points3D[point.point3D_id].xyz)
                np.testing.assert_allclose(point.xy, expected, atol=1e-9)
    true = {tuple(np.round(point, 9)) for point in capture.points}
    assert all(tuple(np.round(point.xyz, 9)) in true for point in model.points3D.values())
    assert gathered(folder, "colmap").error_px is None  # the true errors are not known, and none are made up


def test_the_card_lies_beside_the_model(tmp_path):
    _, folder = written(tmp_path)
    card = json.loads((folder / "pose_card.json").read_text())
    assert (card["registered"], card["found"], card["error_px"]) == (4, 5, 0.5)


@pytest.mark.parametrize("origin", ["colmap", "transforms"])
@pytest.mark.parametrize("lens", [DISTORTED, pinhole((FOCAL, FOCAL), (WIDTH / 2, HEIGHT / 2), WIDTH, HEIGHT)])
def test_masks_and_transparency_come_back(tmp_path, origin, lens):
    """A disc is masked in one photo and another transparent, two have no mask: the views are those of the originals."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    outside = np.hypot(rows - 80, columns - 200) > 50
    capture = capture_of(tmp_path / "photos", lens)
    masked, transparent = capture.photos[0], capture.photos[2]
    Image.fromarray(outside).save(tmp_path / "mask.png")
    image = Image.open(transparent.path)
    image.putalpha(Image.fromarray(outside.astype(np.uint8) * 255))
    image.save(transparent.path)
    photos = (replace(masked, mask=tmp_path / "mask.png"), *capture.photos[1:])
    (tmp_path / "out").mkdir()
    write_posed.write_posed(replace(capture, photos=photos), pose_card(capture), tmp_path / "out")

    again = gathered(tmp_path / "out", origin)
    assert again.warnings == ()
    assert [photo.mask.name for photo in again.photos] == [f"{photo.path.name}.png" for photo in again.photos]
    before, after = load_views(photos, 80, 60), load_views(again.photos, 80, 60)
    assert 500 < (before.content == 0).sum() < 2000
    mask_differs, images_differ = (0.004, 0.03) if lens is DISTORTED else (1e-9, 0.01)  # resampled once more
    assert (before.content != after.content).float().mean() < mask_differs
    assert (again.photos[0].path.suffix, again.photos[2].path.suffix) == (".jpg", ".png")
    assert before.empty.sum() > 250
    assert (before.empty != after.empty).float().mean() < mask_differs
    both = (before.content * after.content)[:, None] > 0
    assert ((before.images - after.images).abs() * both).mean() < images_differ


def test_folders_without_masks_have_no_folder_of_masks(tmp_path):
    _, folder = written(tmp_path)
    assert not (folder / "masks").exists()
    assert "mask_path" not in (folder / "transforms.json").read_text()


# The stage


def test_poses_go_through_whatever_their_origin(tmp_path):
    _, folder = written(tmp_path)
    result = write_posed.pose(open_folder(folder), PoseSettings("transforms"), tmp_path / "again")
    assert result.capture.origin == "transforms"
    assert sorted(path.name for path in (tmp_path / "again").iterdir()) == sorted(WRITTEN - {"masks"})
    before = gathered(folder, "colmap").photos
    for photo, other in zip(gathered(tmp_path / "again", "colmap").photos, before, strict=True):
        np.testing.assert_allclose(photo.world_from_cam, other.world_from_cam, atol=1e-12)
        assert photo.lens == other.lens


def test_a_folder_is_replaced_only_when_asked_and_only_if_ours(tmp_path):
    _, folder = written(tmp_path)
    out = tmp_path / "again"
    write_posed.pose(open_folder(folder), PoseSettings(), out)
    with pytest.raises(InputError, match="pass -w"):
        write_posed.pose(open_folder(folder), PoseSettings(), out)
    write_posed.pose(open_folder(folder), PoseSettings(), out, overwrite=True)
    (out / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="holds more than poses"):
        write_posed.pose(open_folder(folder), PoseSettings(), out, overwrite=True)
    with pytest.raises(InputError, match="which is read"):
        write_posed.pose(open_folder(folder / "images"), PoseSettings("colmap"), folder, overwrite=True)


def test_a_failure_leaves_the_old_folder_and_nothing_else(tmp_path, monkeypatch):
    _, folder = written(tmp_path)
    out = tmp_path / "again"
    write_posed.pose(open_folder(folder), PoseSettings(), out)
    before = (out / "transforms.json").read_bytes()

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(write_posed, "reconstruction_of", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_posed.pose(open_folder(folder), PoseSettings(), out, overwrite=True)
    assert (out / "transforms.json").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again", "out", "photos"]
