import base64
import sys
from pathlib import Path

import numpy as np
import pytest

from ilrm_cli.capture.photos.header import UnreadablePhoto, photo_header
from ilrm_cli.capture.photos.pixels import read_photo
from tests.io.test_photos import CORNERS

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


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "IMG 1.HEIC"
    path.write_bytes(base64.b64decode(PHOTO))
    return path


def test_a_photo_of_a_phone(photo):
    pytest.importorskip("pi_heif")
    header = photo_header(photo)
    assert (header.upright_size, header.quarter_turns) == ((32, 48), 0)  # the decoder turns it, EXIF is not asked again
    assert (header.focal_35mm, header.camera) == (26.0, "Phone")
    image = read_photo(photo)
    assert image.shape == (48, 32, 3)
    corners = image[[[4, 4], [-4, -4]], [[4, -4], [4, -4]]]
    assert np.abs(corners.astype(int) - CORNERS).max() <= 4


def test_a_file_cut_short(photo):
    pytest.importorskip("pi_heif")
    photo.write_bytes(photo.read_bytes()[:400])
    with pytest.raises(UnreadablePhoto, match="damaged or no photo"):
        read_photo(photo)


def test_without_the_extra_the_command_that_installs_it(photo, monkeypatch):
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    with pytest.raises(
        UnreadablePhoto, match=r"HEIC photos need an extra: run pip install 'ilrm\[heic\]'; or save"
    ) as raised:
        read_photo(photo)
    assert raised.value.reason == "HEIC photos need an extra: run pip install 'ilrm[heic]'"
