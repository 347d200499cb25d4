import numpy as np
import pycolmap
from PIL import ExifTags, Image

from ilrm_cli.capture.photos.header import photo_header
from ilrm_cli.capture.photos.pixels import read_photo
from ilrm_cli.capture.sfm.copies import upright_copy, write_copies
from tests.capture.test_pixels import CORNERS, four_colours, save


def test_copies_are_upright_small_and_keep_the_focal_length(tmp_path):
    path = save(tmp_path / "a.jpg", np.rot90(four_colours(320, 160)).copy(), orientation=6, focal_35mm=28)
    files, masks = write_copies({"a.jpg": path}, {}, tmp_path / "work", 80)
    assert (files, masks) == ({"0000/00000.jpg": "a.jpg"}, None)
    copy = tmp_path / "work" / "photos" / "0000" / "00000.jpg"
    header = photo_header(copy)
    assert (header.width, header.height, header.orientation, header.focal_35mm) == (80, 40, 1, 28.0)
    assert np.abs(read_photo(copy)[5, 5].astype(int) - CORNERS[0, 0]).max() <= 6


def test_copies_are_never_enlarged(tmp_path):
    path = save(tmp_path / "a.png", four_colours())
    assert upright_copy(path, 1000)[0].size == (32, 16)
    assert photo_header(path).focal_35mm is None


def test_photos_of_one_camera_share_a_folder(tmp_path):
    paths = {
        "ü 1.png": save(tmp_path / "ü 1.png", four_colours()),
        "b/2.png": save(tmp_path / "2.png", four_colours(), focal_35mm=28),
        "3.png": save(tmp_path / "3.png", four_colours()),
        "4.png": save(tmp_path / "4.png", four_colours(64, 64)),
    }
    files, _ = write_copies(paths, {}, tmp_path / "work", 64)
    assert list(files.values()) == list(paths)
    assert [file.split("/")[0] for file in files] == ["0000", "0001", "0000", "0002"]


def test_colmap_starts_from_the_focal_length_of_the_photo(tmp_path):
    path = save(tmp_path / "a.jpg", four_colours(320, 160), focal_35mm=28)
    files, _ = write_copies({"a.jpg": path}, {}, tmp_path, 160)
    camera = pycolmap.infer_camera_from_image(tmp_path / "photos" / next(iter(files)))
    assert camera.has_prior_focal_length
    diagonals = np.hypot(160, 80) / np.hypot(36, 24)  # px of the copy per mm of film
    assert abs(camera.focal_length / (28 * diagonals) - 1) < 1e-3


def test_zoom_settings_are_told_apart_without_35mm_focal_lengths(tmp_path):
    paths = {}
    for focal_mm in (18.0, 55.0):
        exif = Image.Exif()
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.FocalLength] = focal_mm
        paths[f"{focal_mm}"] = tmp_path / f"{focal_mm}.jpg"
        Image.fromarray(four_colours()).save(paths[f"{focal_mm}"], exif=exif)
    files, _ = write_copies(paths, {}, tmp_path, 160)
    assert [file.split("/")[0] for file in files] == ["0000", "0001"]


def test_where_one_photo_has_a_mask_all_copies_get_one_of_their_size(tmp_path):
    """COLMAP skips photos whose mask it does not find."""
    paths = {f"{i}.png": save(tmp_path / f"{i}.png", four_colours(320, 160)) for i in range(2)}
    mask = np.full((80, 160), 255, dtype=np.uint8)
    mask[:, :40] = 0
    Image.fromarray(mask).save(tmp_path / "mask.png")
    files, folder = write_copies(paths, {"1.png": tmp_path / "mask.png"}, tmp_path / "work", 80)
    masks = [np.asarray(Image.open(folder / f"{file}.png")) for file in files]
    assert [shown.shape for shown in masks] == [(40, 80)] * 2
    assert masks[0].all()
    np.testing.assert_array_equal(masks[1].all(axis=0), np.arange(80) >= 20)
