"""Photos as upright sRGB pixels, HEIC included."""

import base64
import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms

from ilrm_cli.capture.photos.header import UPRIGHT_BY, UnreadablePhoto, photo_header, photo_size
from ilrm_cli.capture.photos.pixels import read_photo
from ilrm_cli.runtime.errors import InputError

CORNERS = np.array([[[200, 0, 0], [0, 200, 0]], [[0, 0, 200], [200, 200, 0]]], dtype=np.uint8)  # 2x2: one per corner

# Four colours, 32 x 48 upright and stored sideways with the turn (irot) and EXIF as phones write them: orientation 6,
# "Phone", 26 mm. Made with pillow-heif, since the decoder that the tool uses cannot write.
PHOTO = (
    "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAchtZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAAADRpbG9j"
    "AAAAAERAAAIAAQAAAAAB7AABAAAAAAAAAIEAAgAAAAACbQABAAAAAAAAAFQAAAA4aWluZgAAAAAAAgAAABVpbmZlAgAAAAABAABodmMxAAAA"
    "ABVpbmZlAgAAAQACAABFeGlmAAAAAA5waXRtAAAAAAABAAABB2lwcnAAAADmaXBjbwAAAHZodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNg"
    "AAEAGEABDAH//wNwAAADAJAAAAMAAAMAHroCQGEAAQAqQgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbq5Ka5uAhoMCAAAAMDIAAAAwAhYgABAAZE"
    "AcFzwIkAAAATY29scm5jbHgAAQANAAaAAAAAFGlzcGUAAAAAAAAAQAAAAEAAAAAoY2xhcAAAADAAAAABAAAAIAAAAAH////wAAAAAv///+AA"
    "AAACAAAAEHBpeGkAAAAAAwgICAAAAAlpcm90AwAAABlpcG1hAAAAAAAAAAEAAQaBAgMFhIYAAAAaaXJlZgAAAAAAAAAOY2RzYwACAAEAAQAA"
    "AN1tZGF0AAAAfSgBrwng48Calv/Yn//6Rb//Ja4xlfFbfh6/Qhb9/pQbByr05wqwaPbIdfBXp5PdHA0+X/8RIOM4UW9jCSm5H85afxD13/Gl"
    "38dqHwPl/+aMKa8ynRxjlLOGQ3cAbRoXUG3+mmKPw24ehITK/OfjgBhKVIToAPV4XsMRf5ZgAAAABkV4aWYAAE1NACoAAAAIAAMBEAACAAAA"
    "BgAAADIBEgADAAAAAQAGAACHaQAEAAAAAQAAADgAAAAAUGhvbmUAAAGkBQADAAAAAQAaAAAAAAAA"
)


def four_colours(width: int = 32, height: int = 16) -> np.ndarray:
    return CORNERS.repeat(height // 2, axis=0).repeat(width // 2, axis=1)


def save(path: Path, image: np.ndarray, orientation: int = 1, focal_35mm: int | None = None, **options) -> Path:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    if focal_35mm:
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.FocalLengthIn35mmFilm] = focal_35mm
    Image.fromarray(image).save(path, exif=exif, **options)
    return path


def cut_short(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def noise(width: int, height: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)


# Reading


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_upright_by_exif(tmp_path, orientation, suffix):
    upright = four_colours()
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: np.rot90(upright, 2),
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),
        7: np.rot90(upright, 2).transpose(1, 0, 2),
        8: np.rot90(upright, 3),
    }[orientation]
    path = save(tmp_path / f"a{suffix}", np.ascontiguousarray(stored), orientation)
    np.testing.assert_array_equal(read_photo(path), upright)
    assert photo_size(path) == (32, 16)
    assert (photo_header(path).height, photo_header(path).width) == stored.shape[:2]
    turns = photo_header(path).quarter_turns
    if turns is None:
        assert orientation in (2, 4, 5, 7)
    else:
        np.testing.assert_array_equal(np.rot90(stored, turns), upright)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_grey_tiffs_are_upright_too(tmp_path, orientation, kind):
    """Pillow maps such files into memory, and then mixes up rows and columns of turned ones."""
    upright = (np.arange(12 * 20).reshape(12, 20) * (257 if kind is np.uint16 else 1)).astype(kind)
    by = UPRIGHT_BY.get({6: 8, 8: 6}.get(orientation, orientation))
    stored = upright if by is None else np.asarray(Image.fromarray(upright).transpose(by))
    photo = save(tmp_path / "a.tif", stored, orientation)
    np.testing.assert_array_equal(read_photo(photo)[..., 0], np.arange(12 * 20).reshape(12, 20))
    assert photo_size(photo) == (20, 12)


def test_exif_data_that_cannot_be_written_back_does_no_harm(tmp_path):
    """A resolution given as text, beside an orientation."""
    entries = ((ExifTags.Base.Orientation, 3, 1, b"\6\0\0\0"), (ExifTags.Base.XResolution, 2, 4, b"72/1"))
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHI4s", *entry) for entry in entries)
    exif = b"Exif\0\0II*\0\x08\0\0\0" + directory + bytes(4)
    Image.fromarray(four_colours()).save(tmp_path / "a.jpg", exif=exif)
    assert read_photo(tmp_path / "a.jpg").shape == (32, 16, 3)


@pytest.mark.parametrize(
    ("suffix", "options"), [(".jpg", {"quality": 95}), (".webp", {"lossless": True}), (".png", {})]
)
def test_formats(tmp_path, suffix, options):
    image = read_photo(save(tmp_path / f"a{suffix}", four_colours(64, 64), **options))
    assert image.dtype == np.uint8
    assert np.abs(image[8:24, 8:24].astype(int) - CORNERS[0, 0]).max() <= 3


def test_transparency_is_laid_on_white(tmp_path):
    rgba = np.zeros((2, 3, 4), dtype=np.uint8)
    rgba[:, 1, 3], rgba[:, 2, 3] = 51, 255
    Image.fromarray(rgba).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_photo(tmp_path / "a.png")[0, :, 0], [255, 204, 0])


@pytest.mark.parametrize("mode", ["L", "LA", "P", "1", "I;16", "CMYK"])
def test_other_pixel_modes_become_rgb(tmp_path, mode):
    grey = np.full((8, 8), 128, dtype=np.uint8)
    if mode == "I;16":
        image = Image.fromarray(grey.astype(np.uint16) * 257)
    else:
        image = Image.fromarray(np.full_like(grey, 255) if mode == "1" else grey).convert(mode)
    path = tmp_path / ("a.jpg" if mode == "CMYK" else "a.png")
    image.save(path)
    expected = 255 if mode == "1" else 128
    assert np.abs(read_photo(path).astype(int) - expected).max() <= 2
    assert read_photo(path).shape == (8, 8, 3)


def test_embedded_profile_is_converted_to_srgb(tmp_path):
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    Image.new("LAB", (4, 4), (128, 128, 128)).save(tmp_path / "a.tif", icc_profile=lab.tobytes())
    grey = read_photo(tmp_path / "a.tif")[0, 0].astype(int)
    assert np.abs(grey - 119).max() <= 3  # L* = 50 is 18 % grey, 119 in sRGB


def test_a_profile_counts_by_what_it_does_not_by_its_name(tmp_path):
    """GIMP's linear profile has "sRGB" in its name, and so has this one."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    curve = srgb.index(b"para") + 12
    linear = srgb[:curve] + struct.pack(">5i", 65536, 65536, 0, 65536, 0) + srgb[curve + 20 :]
    assert "sRGB" in ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(linear)))
    for profile, expected in ((srgb, 55), (linear, 128)):  # 0.216 of the light
        Image.new("RGB", (4, 4), (55, 55, 55)).save(tmp_path / "a.png", icc_profile=profile)
        np.testing.assert_allclose(read_photo(tmp_path / "a.png"), expected, atol=1 if expected > 55 else 0)


def test_a_broken_profile_is_passed_over(tmp_path):
    Image.fromarray(four_colours()).save(tmp_path / "a.png", icc_profile=b"junk")
    np.testing.assert_array_equal(read_photo(tmp_path / "a.png"), four_colours())


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_reduced_reading_keeps_geometry_and_the_minimum_size(tmp_path, suffix, orientation):
    ramp = np.broadcast_to(np.arange(640, dtype=np.float64)[None, :, None] / 4, (480, 640, 3))
    path = save(tmp_path / f"a{suffix}", np.round(ramp).astype(np.uint8), orientation)
    reduced = read_photo(path, at_least=(150, 100))
    assert sorted(reduced.shape[:2]) == [120, 160]
    along = np.sort(reduced[60, :, 0] if orientation == 1 else reduced[:, 60, 0]).astype(float)
    np.testing.assert_allclose(along, (np.arange(160) * 4 + 1.5) / 4, atol=1.6)


def test_reduced_reading_takes_only_exact_divisors(tmp_path):
    path = save(tmp_path / "a.jpg", noise(642, 481))
    assert read_photo(path, at_least=(100, 100)).shape == (481, 642, 3)


# Bad files


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0x", b"Exif\0\0MM\0*", b"Exif\0\0MM\0*\0\0\0\x08\0\x02\x01", b"Exif\0\0junk" * 9]
)
@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_broken_exif_is_passed_over(tmp_path, suffix, exif):
    Image.fromarray(four_colours()).save(tmp_path / f"a{suffix}", exif=exif)
    header = photo_header(tmp_path / f"a{suffix}")
    assert (header.upright_size, header.orientation, header.focal_35mm) == ((32, 16), 1, None)
    assert read_photo(tmp_path / f"a{suffix}").shape == (16, 32, 3)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
@pytest.mark.parametrize("at_least", [None, (1, 1)])
def test_a_file_cut_short_is_named(tmp_path, suffix, at_least):
    path = cut_short(save(tmp_path / f"half{suffix}", noise(128, 128)))
    with pytest.raises(InputError, match=rf"half{suffix} cannot be read"):
        read_photo(path, at_least)


def test_photos_of_today_are_not_too_large_and_some_are(tmp_path):
    """Phones take 200 megapixels. Only the header is read: the size written into it is not that of the pixels."""
    for megapixels, fits in ((200, True), (900, False)):
        content = bytearray(save(tmp_path / "a.png", four_colours()).read_bytes())
        content[16:24] = struct.pack(">II", megapixels * 1000, 1000)
        content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
        (tmp_path / "a.png").write_bytes(content + bytes(2_000_000))  # as many as such a photo has at least
        if fits:
            assert photo_header(tmp_path / "a.png").width == megapixels * 1000
        else:
            with pytest.raises(InputError, match="more than 800 megapixels"):
                photo_header(tmp_path / "a.png")


@pytest.mark.parametrize("read", [read_photo, photo_header])
def test_no_photo_and_no_file(tmp_path, read):
    (tmp_path / "text.jpg").write_text("hello")
    with pytest.raises(InputError, match=r"text.jpg cannot be read because it is damaged or no photo"):
        read(tmp_path / "text.jpg")
    with pytest.raises(InputError, match=r"none.jpg does not exist"):
        read(tmp_path / "none.jpg")


@pytest.fixture(params=["IMG 1.HEIC", "IMG 1.JPG"])
def photo(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / request.param
    path.write_bytes(base64.b64decode(PHOTO))
    return path


def test_a_photo_of_a_phone(photo):
    header = photo_header(photo)
    assert (header.upright_size, header.quarter_turns) == ((32, 48), 0)  # the decoder turns it, EXIF is not asked again
    assert (header.focal_35mm, header.camera) == (26.0, "Phone")
    image = read_photo(photo)
    assert image.shape == (48, 32, 3)
    corners = image[[[4, 4], [-4, -4]], [[4, -4], [4, -4]]]
    assert np.abs(corners.astype(int) - CORNERS).max() <= 4


def test_a_file_cut_short(photo):
    photo.write_bytes(photo.read_bytes()[:400])
    with pytest.raises(UnreadablePhoto, match="damaged or no photo"):
        read_photo(photo)
