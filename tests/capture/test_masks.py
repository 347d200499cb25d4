import numpy as np
import pytest
from PIL import Image

from ilrm_cli.capture.photos.header import UnreadablePhoto, photo_header
from ilrm_cli.capture.photos.listing import Listing, find_mask
from ilrm_cli.capture.photos.masks import read_mask, read_masked_photo
from tests.capture.test_pixels import four_colours, save


def left_half(width: int, height: int, value: int = 255) -> np.ndarray:
    """Return a mask that ignores the left half."""
    mask = np.zeros((height, width), dtype=np.uint8)
    mask[:, width // 2 :] = value
    return mask


# Finding


@pytest.mark.parametrize("mask", ["a/1 ü.jpg.png", "a/1 ü.png", "a/1 ü.jpg"])
@pytest.mark.parametrize(
    ("root", "place"), [(".", "masks"), (".", "mask"), ("images", "masks"), ("images", "images/masks")]
)
def test_masks_beside_photos_and_in_sibling_folders(tmp_path, root, place, mask):
    file = tmp_path / place / mask
    file.parent.mkdir(parents=True)
    file.write_bytes(b"x")
    (tmp_path / root / "a").mkdir(parents=True, exist_ok=True)
    assert find_mask(tmp_path / root, "a/1 ü.jpg", Listing()) == file
    assert find_mask(tmp_path / root, "a/2.jpg", Listing()) is None


def test_masks_beside_the_photos_of_each_subfolder(tmp_path):
    (tmp_path / "left" / "masks").mkdir(parents=True)
    (tmp_path / "left" / "masks" / "1.png").write_bytes(b"x")
    assert find_mask(tmp_path, "left/1.jpg", Listing()) == tmp_path / "left" / "masks" / "1.png"
    assert find_mask(tmp_path, "right/1.jpg", Listing()) is None


@pytest.mark.parametrize(("root", "name"), [("images_4", "1.jpg"), (".", "images/1.jpg"), (".", "images_4/1.jpg")])
def test_masks_of_projects_with_reduced_copies_or_names_from_the_project_folder(tmp_path, root, name):
    """COLMAP with `images_4`, and nerfstudio's transforms.json, name their photos this way."""
    (tmp_path / "masks").mkdir()
    (tmp_path / "images_4").mkdir()
    (tmp_path / "masks" / "1.png").write_bytes(b"x")
    found = find_mask(tmp_path / root, name, Listing())
    assert found is not None
    assert found.samefile(tmp_path / "masks" / "1.png")


# Reading


@pytest.mark.parametrize("value", [255, 1])
def test_black_is_ignored_and_anything_else_counts(tmp_path, value):
    photo = save(tmp_path / "a.png", four_colours())
    Image.fromarray(left_half(32, 16, value)).save(tmp_path / "mask.png")
    read = read_masked_photo(photo, tmp_path / "mask.png")
    np.testing.assert_array_equal(read.counts, left_half(32, 16) > 0)
    np.testing.assert_array_equal(read.colors[:, :16], 255)
    np.testing.assert_array_equal(read.colors[:, 16:], four_colours()[:, 16:])
    assert read.empty is None


def test_a_mask_of_another_size_ignores_pixels_of_which_any_part_is_masked(tmp_path):
    photo = save(tmp_path / "a.png", four_colours())
    mask = np.full((32, 64), 255, dtype=np.uint8)
    mask[7, 21] = 0
    Image.fromarray(mask).save(tmp_path / "mask.png")
    counts = read_masked_photo(photo, tmp_path / "mask.png").counts
    assert np.argwhere(~counts).tolist() == [[3, 10]]


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_masks_of_turned_photos(tmp_path, orientation):
    """The mask is stored like the photo, as COLMAP expects, or upright, where the shape tells."""
    photo = save(tmp_path / "a.png", four_colours(), orientation)
    header = photo_header(photo)
    stored = left_half(32, 16) > 0
    upright = np.rot90(stored, header.quarter_turns)
    Image.fromarray(stored).save(tmp_path / "stored.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "stored.png", header), upright)
    if orientation in (6, 8):
        Image.fromarray(np.ascontiguousarray(upright)).save(tmp_path / "upright.png")
        np.testing.assert_array_equal(read_mask(tmp_path / "upright.png", header), upright)


def test_transparency_and_mask_together(tmp_path):
    rgba = np.full((16, 32, 4), 200, dtype=np.uint8)
    rgba[:8, :, 3], rgba[8:, :, 3], rgba[12:, :, 3] = 255, 249, 0
    Image.fromarray(rgba).save(tmp_path / "a.png")
    Image.fromarray(left_half(32, 16)).save(tmp_path / "mask.png")
    read = read_masked_photo(tmp_path / "a.png", tmp_path / "mask.png")
    expected = left_half(32, 16) > 0
    expected[8:] = False
    np.testing.assert_array_equal(read.counts, expected)
    assert np.unique(np.argwhere(read.empty)[:, 0]).tolist() == [12, 13, 14, 15]  # edges may be anything


def test_photos_of_which_every_pixel_counts_have_no_mask(tmp_path):
    Image.new("RGBA", (8, 8), (1, 2, 3, 255)).save(tmp_path / "a.png")
    Image.new("L", (8, 8), 255).save(tmp_path / "mask.png")
    assert read_masked_photo(tmp_path / "a.png", tmp_path / "mask.png").counts is None


def test_masks_that_cannot_be_meant(tmp_path):
    header = photo_header(save(tmp_path / "a.png", four_colours()))
    Image.new("L", (8, 8), 255).save(tmp_path / "mask.png")
    with pytest.raises(UnreadablePhoto, match="another shape"):
        read_mask(tmp_path / "mask.png", header)
    Image.new("L", (32, 16), 0).save(tmp_path / "mask.png")
    with pytest.raises(UnreadablePhoto, match="masks all of the photo"):
        read_mask(tmp_path / "mask.png", header)
    (tmp_path / "mask.png").write_bytes(b"")
    with pytest.raises(UnreadablePhoto, match="it is empty"):
        read_mask(tmp_path / "mask.png", header)
