import numpy as np
import pytest
from PIL import Image

from ilrm_cli.capture.photos.folder import open_folder, open_photos
from ilrm_cli.capture.photos.header import UPRIGHT_BY, UnreadablePhoto, photo_header
from ilrm_cli.capture.photos.listing import Listing, find_mask
from ilrm_cli.capture.photos.masks import read_mask, read_masked_photo
from ilrm_cli.capture.photos.pixels import read_upright
from tests.capture.test_pixels import four_colours, save


def left_half(width: int, height: int, value: int = 255) -> np.ndarray:
    """Return a mask that ignores the left half."""
    mask = np.zeros((height, width), dtype=np.uint8)
    mask[:, width // 2 :] = value
    return mask


# Finding


@pytest.mark.parametrize("mask", ["a/1 ü.jpg.png", "a/1 ü.png", "a/1 ü.jpg", "a/1 ü_mask.png", "a/1 Ü.JPG.mask.png"])
@pytest.mark.parametrize(
    ("root", "place"),
    [
        (".", "masks"),
        (".", "mask"),
        (".", "Masks"),
        (".", ".mask"),
        ("images", "images/.mask"),
        ("images", "masks"),
        ("images", "MASK"),
        ("images", "images/masks"),
    ],
)
def test_masks_beside_photos_and_in_sibling_folders(tmp_path, root, place, mask):
    file = tmp_path / place / mask
    file.parent.mkdir(parents=True)
    file.write_bytes(b"x")
    (tmp_path / root / "a").mkdir(parents=True, exist_ok=True)
    assert find_mask(tmp_path / root, "a/1 ü.jpg", Listing()) == file
    assert find_mask(tmp_path / root, "a/2.jpg", Listing()) is None


@pytest.mark.parametrize(
    "name",
    [
        "1.jpg.png", "1_mask.png", "1-mask.jpg", "1.mask.png", "1.JPG.Mask.PNG",
        "1.jpg_mask.png", "1.jpg.mask.jpg", "1.jpg@mask.png", "1.jpg#mask.tif", "1.jpg!mask.png",
    ],
)  # fmt: skip
def test_masks_beside_their_photos_are_no_photos(tmp_path, name):
    for file in ("1.jpg", "2.jpg", name, "3_mask.png"):  # the last is the mask of none
        Image.new("RGB", (8, 8)).save(tmp_path / file)
    for found in (open_folder(tmp_path), open_photos(sorted(tmp_path.iterdir()))):
        assert [photo.name for photo in found.photos] == ["1.jpg", "2.jpg", "3_mask.png"]
        assert found.masks == {"1.jpg": tmp_path / name}
        assert found.passed_over == ()
        assert tmp_path / name in found.inputs


def test_photos_of_mask_folders_in_any_case_are_no_photos(tmp_path):
    for folder in ("left", "left/Masks"):
        (tmp_path / folder).mkdir()
        Image.new("RGB", (8, 8)).save(tmp_path / folder / "1.png")
    found = open_folder(tmp_path)
    assert (found.names.keys(), found.masks) == ({"left/1.png"}, {"left/1.png": tmp_path / "left/Masks/1.png"})


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


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_what_is_transparent_in_a_mask_is_masked(tmp_path, mode):
    photo, mask = save(tmp_path / "a.png", four_colours()), Image.new(mode, (32, 16), "white")
    mask.putalpha(Image.fromarray(left_half(32, 16)))
    mask.save(tmp_path / "mask.png")
    np.testing.assert_array_equal(read_masked_photo(photo, tmp_path / "mask.png").counts, left_half(32, 16) > 0)


def test_a_mask_of_another_size_ignores_pixels_of_which_any_part_is_masked(tmp_path):
    photo = save(tmp_path / "a.png", four_colours())
    mask = np.full((32, 64), 255, dtype=np.uint8)
    mask[7, 21] = 0
    Image.fromarray(mask).save(tmp_path / "mask.png")
    counts = read_masked_photo(photo, tmp_path / "mask.png").counts
    assert np.argwhere(~counts).tolist() == [[3, 10]]


FORMATS = {  # suffix -> options of Pillow
    ".jpg": {"quality": 98, "subsampling": 0},
    ".png": {},
    ".webp": {"lossless": True},
    ".tif": {},
    ".tiff": {"compression": "tiff_lzw"},
    ".avif": {"quality": 98},
}
BACK = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 8, 7: 7, 8: 6}  # orientation -> that of the way from upright to stored


def red_corner(width: int, height: int) -> np.ndarray:
    """Return a photo of a red thing in one corner, before other corners that differ a little."""
    colors = np.array([[[200, 0, 0], [90, 120, 90]], [[90, 90, 120], [120, 120, 90]]], dtype=np.uint8)
    return colors.repeat(height // 2, axis=0).repeat(width // 2, axis=1)


def corner_masked(width: int, height: int) -> np.ndarray:
    """Return a mask of the red corner."""
    mask = np.full((height, width), 255, dtype=np.uint8)
    mask[: height // 2, : width // 2] = 0
    return mask


def as_stored(upright: np.ndarray, orientation: int) -> np.ndarray:
    by = UPRIGHT_BY.get(BACK[orientation])
    return upright if by is None else np.asarray(Image.fromarray(upright).transpose(by))


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("size", [(64, 48), (64, 64)])
def test_photos_and_masks_line_up_however_they_are_turned(tmp_path, orientation, suffix, size):
    """The mask is stored like the photo, as COLMAP expects, or upright; where the shape is the same, edges tell."""
    photo = save(tmp_path / f"a{suffix}", as_stored(red_corner(*size), orientation), orientation, **FORMATS[suffix])
    mask, image = corner_masked(*size), read_upright(photo, None)
    assert image.size == photo_header(photo).upright_size == size
    assert np.abs(np.asarray(image)[8, 8].astype(int) - [200, 0, 0]).max() < 30
    for name, content in (("stored", as_stored(mask, orientation)), ("upright", mask)):
        Image.fromarray(content).save(tmp_path / f"{name}.png")
        np.testing.assert_array_equal(read_masked_photo(photo, tmp_path / f"{name}.png").counts, mask > 0, name)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("orientation", [3, 6, 7])
def test_a_mask_may_say_itself_how_it_is_turned(tmp_path, orientation, suffix):
    """Of a photo without edges, where nothing else tells."""
    photo = save(tmp_path / "a.png", np.full((48, 64, 3), 9, dtype=np.uint8), orientation)
    width, height = photo_header(photo).upright_size
    mask = corner_masked(width, height)
    save(tmp_path / f"mask{suffix}", as_stored(mask, orientation), orientation)
    np.testing.assert_array_equal(read_masked_photo(photo, tmp_path / f"mask{suffix}").counts, mask > 0)


def test_a_mask_without_edges_to_follow_is_of_the_photo_as_stored(tmp_path):
    photo = save(tmp_path / "a.png", np.full((48, 64, 3), 9, dtype=np.uint8), 3)
    Image.fromarray(corner_masked(64, 48)).save(tmp_path / "mask.png")
    counts = read_masked_photo(photo, tmp_path / "mask.png").counts
    np.testing.assert_array_equal(counts, corner_masked(64, 48)[::-1, ::-1] > 0)


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
    image = Image.fromarray(four_colours())
    Image.new("L", (8, 8), 255).save(tmp_path / "mask.png")
    with pytest.raises(UnreadablePhoto, match="another shape"):
        read_mask(tmp_path / "mask.png", header, image)
    Image.new("L", (32, 16), 0).save(tmp_path / "mask.png")
    with pytest.raises(UnreadablePhoto, match="masks all of the photo"):
        read_mask(tmp_path / "mask.png", header, image)
    (tmp_path / "mask.png").write_bytes(b"")
    with pytest.raises(UnreadablePhoto, match="it is empty"):
        read_mask(tmp_path / "mask.png", header, image)
