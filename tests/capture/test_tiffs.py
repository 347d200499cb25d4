"""TIFFs of all layouts: read right, or told of."""

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from ilrm_cli.capture.photos.header import UnreadablePhoto, photo_header, photo_size
from ilrm_cli.capture.photos.pixels import read_photo


def tiff(path: Path, samples: np.ndarray, photometric: int, planes: bool = False, more: tuple = (), bits: int = 0):
    """Write a TIFF of layouts that Pillow cannot write; `samples` are (height, width, channel), of `bits` if packed."""
    order = ">" if samples.dtype.byteorder == ">" else "<"
    height, width, channels = samples.shape
    strips = [samples[..., i] for i in range(channels)] if planes else [samples]
    lengths, start = [strip.nbytes for strip in strips], 500
    offsets = [start + sum(lengths[:i]) for i in range(len(strips))]
    fields = {256: [width * 8 // (bits or 8)], 257: [height], 258: [bits or samples.itemsize * 8] * channels, 259: [1]}
    fields |= {262: [photometric], 273: offsets, 277: [channels], 278: [height], 279: lengths, 284: [1 + planes]}
    directory, blobs = b"", b""
    for tag, values in sorted((fields | dict(more)).items()):
        content = struct.pack(f"{order}{len(values)}H", *values)
        if len(content) > 4:
            content, blobs = struct.pack(order + "I", 250 + len(blobs)), blobs + content
        directory += struct.pack(order + "HHI", tag, 3, len(values)) + content.ljust(4, b"\0")
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HIH", 42, 8, len(directory) // 12)
    content = b"".join(strip.tobytes() for strip in strips)
    path.write_bytes(((head + directory + bytes(4)).ljust(250, b"\0") + blobs).ljust(start, b"\0") + content)


@pytest.mark.parametrize("kind", ["u1", "<u2", ">u2"])
@pytest.mark.parametrize("planes", [False, True])
@pytest.mark.parametrize("photometric", [0, 1, 2, 5])  # white is 0, black is 0, RGB, CMYK
def test_tiffs_of_all_layouts(tmp_path, kind, planes, photometric):
    colours = np.arange(8 * 6 * 3).reshape(8, 6, 3)
    stored = {
        0: 255 - colours[..., :1],
        1: colours[..., :1],
        2: colours,
        5: 255 - np.pad(colours, [(0, 0)] * 2 + [(0, 1)], constant_values=255),
    }[photometric]
    tiff(tmp_path / "a.tif", (stored * (1 if kind == "u1" else 257)).astype(kind), photometric, planes)
    expected = colours if stored.shape[2] > 1 else colours[..., :1].repeat(3, 2)
    np.testing.assert_array_equal(read_photo(tmp_path / "a.tif"), expected)


def test_a_tiff_of_12_bits_is_as_bright_as_others(tmp_path):
    tiff(tmp_path / "a.tif", np.full((8, 12, 1), 0xCC, np.uint8), 1, bits=12)
    np.testing.assert_array_equal(read_photo(tmp_path / "a.tif"), np.full((8, 8, 3), 0xCC))


def test_tiffs_of_unknown_layouts_are_called_so(tmp_path):
    tiff(tmp_path / "grey and alpha.tif", np.full((8, 8, 2), 9, np.uint8), 1, planes=True, more=((338, [2]),))
    tiff(tmp_path / "of 16 bits.tif", np.full((8, 8, 2), 9, np.uint16), 1, more=((338, [2]),))
    for path in tmp_path.iterdir():
        with pytest.raises(UnreadablePhoto, match="a TIFF of a layout that is not known; save it as RGB"):
            read_photo(path)


def test_photos_whose_white_is_not_known_are_refused(tmp_path):
    """Pillow would cut linear values in [0, 1] to black."""
    Image.fromarray(np.full((8, 8), 0.5, np.float32)).save(tmp_path / "grey.tif")
    Image.fromarray(np.full((8, 8), 70000, np.int32)).save(tmp_path / "integers.tif")
    tiff(tmp_path / "colours.tif", np.full((8, 8, 3), 0.5, np.float32), 2, more=((339, [3, 3, 3]),))
    for path in tmp_path.iterdir():
        for read in (read_photo, photo_header):
            with pytest.raises(
                UnreadablePhoto, match="its colours are signed or 32-bit numbers; save it with 8 or 16 bits"
            ):
                read(path)


@pytest.mark.parametrize("compression", [None, "jpeg", "tiff_lzw"])
def test_a_small_copy_before_the_photo_is_passed_over(tmp_path, compression):
    """Also where the pages are followed by damage, and with another mode."""
    photo = Image.fromarray(np.random.default_rng(0).integers(0, 255, (60, 80, 3), dtype=np.uint8))
    small, grey = photo.resize((20, 15)).convert("L"), photo.resize((40, 30)).convert("L")
    whole, cut = tmp_path / "a.tif", tmp_path / "b.tif"
    small.save(whole, save_all=True, append_images=[photo, grey], compression=compression)
    photo.save(tmp_path / "alone.tif", compression=compression)
    header = photo_header(whole)
    assert (header.width, header.height) == (80, 60)
    np.testing.assert_array_equal(read_photo(whole), read_photo(tmp_path / "alone.tif"))
    photo.save(cut, save_all=True, append_images=[grey], compression=compression)
    cut.write_bytes(cut.read_bytes()[:-200])
    assert photo_header(cut).width == 80


def test_a_later_page_is_turned_as_the_first_says(tmp_path):
    """Unless it says itself how; in files whose tags were taken from it."""
    tag, corner = ExifTags.Base.Orientation, Image.new("RGB", (60, 40))
    corner.paste((255, 0, 0), (0, 0, 20, 20))
    path = tmp_path / "a.tif"
    Image.new("RGB", (6, 4)).save(path, save_all=True, append_images=[corner], tiffinfo={tag: 6})
    content = bytearray(path.read_bytes())
    entry = (274).to_bytes(2, "little") + (3).to_bytes(2, "little") + (1).to_bytes(4, "little")
    first = content.index(entry)
    second = content.index(entry, first + 1)
    for own, first_says, turned in ((None, 6, True), (1, 6, False), (6, 1, True)):
        content[first + 8] = first_says
        content[second : second + 2] = (274 if own else 273 + 1000).to_bytes(2, "little")
        content[second + 8] = own or 0
        path.write_bytes(content)
        assert photo_size(path) == ((40, 60) if turned else (60, 40))
        read = read_photo(path)
        assert read.shape[:2] == ((60, 40) if turned else (40, 60))
        red = np.argwhere(read[..., 0] > 128).mean(0)
        np.testing.assert_allclose(red, (9.5, 29.5) if turned else (9.5, 9.5))


def test_later_pages_are_checked_as_the_first(tmp_path):
    """One that cannot be in so few bytes is passed over; one of a layout that is not known is refused."""
    small, path = Image.new("RGB", (20, 15), (9, 8, 7)), tmp_path / "a.tif"
    bomb = Image.new("1", (9000, 9000))
    small.save(path, save_all=True, append_images=[bomb], compression="tiff_deflate")
    assert path.stat().st_size * 128 < 9000 * 9000
    assert photo_header(path).width == 20
    small.save(path, save_all=True, append_images=[Image.new("LA", (40, 30))])
    with path.open("rb") as file:
        content = bytearray(file.read())
    at = content.rindex(struct.pack("<HHI", 284, 3, 1))
    content[at + 8] = 2  # planes are separate
    path.write_bytes(content)
    with pytest.raises(UnreadablePhoto, match="a TIFF of a layout that is not known"):
        photo_header(path)
