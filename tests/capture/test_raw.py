import sys
from pathlib import Path

import numpy as np
import pytest

from ilrm_cli.capture.photos.header import UnreadablePhoto, photo_header
from ilrm_cli.capture.photos.pixels import read_photo
from tests.support.dng import dng

TURNS = {1: 0, 3: 2, 6: 3, 8: 1}  # EXIF orientation -> counterclockwise turns that make it upright


def raw_file(folder: Path, orientation: int = 1) -> Path:
    """Write a photo of a dark and a light half, 64 x 48 as stored."""
    mosaic = np.full((48, 64), 3000, dtype=np.uint16)
    mosaic[:, 32:] = 30000
    path = folder / f"{orientation}.DNG"
    path.write_bytes(dng(mosaic, orientation, 35))
    return path


@pytest.mark.parametrize("orientation", TURNS)
def test_a_raw_photo_is_upright_and_knows_its_lens(tmp_path, orientation):
    pytest.importorskip("rawpy")
    path = raw_file(tmp_path, orientation)
    header = photo_header(path)
    assert header.upright_size == ((64, 48) if orientation in (1, 3) else (48, 64))
    assert (header.quarter_turns, header.focal_35mm, header.camera) == (0, 35.0, "Camera")
    image = read_photo(path)
    assert image.shape[1::-1] == header.upright_size
    stored = np.rot90(image, -TURNS[orientation]).astype(int)
    dark, light = stored[24, 8], stored[24, -8]
    assert np.ptp(dark) <= 2  # white balance: the sensor's grey is grey
    # linear light to sRGB's curve, and no brightening by what is in the picture
    assert abs(int(dark[1]) - 255 * 1.055 * (3000 / 65535) ** (1 / 2.4) + 255 * 0.055) < 20
    assert abs(int(light[1]) - 255 * 1.055 * (30000 / 65535) ** (1 / 2.4) + 255 * 0.055) < 20


def test_reduced_reading_halves_exactly(tmp_path):
    pytest.importorskip("rawpy")
    path = raw_file(tmp_path)
    assert read_photo(path, at_least=(32, 24)).shape == (24, 32, 3)
    assert read_photo(path, at_least=(16, 12)).shape == (12, 16, 3)
    assert read_photo(path, at_least=(33, 24)).shape == (48, 64, 3)


def test_damaged_files(tmp_path):
    pytest.importorskip("rawpy")
    path = raw_file(tmp_path)
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(UnreadablePhoto, match="cut short or damaged"):
        read_photo(path)
    path.write_bytes(b"hello" * 99)
    with pytest.raises(UnreadablePhoto, match="damaged or of a camera that LibRaw does not know"):
        photo_header(path)


def test_without_the_extra_the_command_that_installs_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "rawpy", None)
    with pytest.raises(UnreadablePhoto, match=r"camera RAW files need an extra: run pip install 'ilrm\[raw\]'"):
        read_photo(raw_file(tmp_path))
