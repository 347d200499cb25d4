"""Decoded pictures that are kept in memory: the same pixels, and never more than there is room for."""

import time

import numpy as np
import pytest
from PIL import Image

from ilrm_cli.capture.photos import pixels
from ilrm_cli.capture.photos.pixels import PICTURES, KeptPictures, read_photo, read_upright
from ilrm_cli.runtime.memory import DECODED
from ilrm_cli.runtime.threads import in_threads
from tests.support.photographed import texture


@pytest.fixture(autouse=True)
def empty():
    PICTURES.forget()
    yield
    PICTURES.forget()


def test_there_is_room_for_so_many_bytes_and_the_first_stay():
    kept = KeptPictures(most_bytes=100, largest_bytes=50)
    pictures = {name: Image.new("RGB", (4, 4), (name, 0, 0)) for name in range(3)}  # 48 bytes each
    for name, picture in pictures.items():
        kept.keep(name, picture)
    assert [kept.find(name) is not None for name in pictures] == [True, True, False]
    assert kept.find(1).getpixel((0, 0)) == (1, 0, 0)
    kept.forget()
    kept.keep("large", Image.new("RGB", (5, 4)))
    kept.keep("room again", pictures[0])
    assert kept.find("large") is None
    assert kept.find("room again") is not None


@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_a_picture_is_read_again_only_at_another_reduction(tmp_path, monkeypatch, name):
    Image.fromarray(texture(0)[:640, :960]).save(tmp_path / name)
    alone = {}
    for at_least in ((480, 320), (400, 300), (240, 160), (100, 100)):
        PICTURES.forget()
        alone[at_least] = read_photo(tmp_path / name, at_least)
    PICTURES.forget()
    reads = []
    decode = pixels._read_as_stored
    monkeypatch.setattr(pixels, "_read_as_stored", lambda *asked: reads.append(asked) or decode(*asked))
    for at_least, expected in alone.items():
        np.testing.assert_array_equal(read_photo(tmp_path / name, at_least), expected)
        np.testing.assert_array_equal(read_photo(tmp_path / name, at_least), expected)
    assert len(reads) == len({picture.shape for picture in alone.values()}) < len(alone)


def test_a_changed_photo_is_read_again(tmp_path):
    for colour in ("red", "blue"):
        Image.new("RGB", (8, 8), colour).save(tmp_path / "a.png")
        assert read_upright(tmp_path / "a.png", None).getpixel((0, 0)) == Image.new("RGB", (1, 1), colour).getpixel(
            (0, 0)
        )


def test_transparency_is_kept(tmp_path):
    Image.new("RGBA", (8, 8), (10, 20, 30, 40)).save(tmp_path / "a.png")
    assert [read_upright(tmp_path / "a.png", None).getpixel((3, 3)) for _ in range(2)] == [(10, 20, 30, 40)] * 2


def test_threads_work_on_no_more_pictures_than_there_is_room_for(tmp_path, monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    monkeypatch.setattr(DECODED, "_most", 2 * 100 * 100 * pixels.PEAK_BYTES_A_PIXEL)
    for index in range(8):
        Image.new("RGB", (100, 100), (index, 0, 0)).save(tmp_path / f"{index}.png")
    at_work, most = [], []

    def work(path):
        read_photo(path)
        at_work.append(path)
        most.append(len(at_work))
        time.sleep(0.01)
        at_work.remove(path)

    in_threads(work, sorted(tmp_path.iterdir()))
    assert max(most) == 2
