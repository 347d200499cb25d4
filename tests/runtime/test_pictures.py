"""Pictures from anywhere: what is not meant is not opened, and what is broken is told of in one way."""

import ast
import io
import subprocess
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import ilrm_cli
from ilrm_cli.capture.photos.header import UnreadablePhoto, photo_header
from ilrm_cli.capture.photos.pixels import read_photo
from ilrm_cli.runtime.pictures import DECODER_ERRORS, PHOTO_FORMATS, open_picture

POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 48\n%%EndComments\n{ } loop\nshowpage\n%%EOF\n"


def flat_png(width: int, height: int) -> bytes:
    """Return a PNG of one bit a pixel, all black, packed as tightly as it goes."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return len(content).to_bytes(4, "big") + name + content + zlib.crc32(name + content).to_bytes(4, "big")

    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([1, 0, 0, 0, 0])
    content = zlib.compress(bytes(height * (1 + (width + 7) // 8)), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", content) + chunk(b"IEND", b"")


@pytest.fixture
def no_process(monkeypatch):
    """Fail if a process is started."""

    def started(*arguments, **_):
        raise AssertionError(f"{arguments} was started")

    monkeypatch.setattr(subprocess, "Popen", started)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp", ".avif"])
def test_postscript_called_a_photo_runs_nothing(tmp_path, no_process, suffix):
    file = tmp_path / f"a{suffix}"
    file.write_bytes(POSTSCRIPT)
    for read in (photo_header, read_photo):
        with pytest.raises(UnreadablePhoto, match="damaged or no photo"):
            read(file)


@pytest.mark.parametrize("kind", ["EPS", "DDS", "BMP", "GIF", "PPM", "TGA", "PCX", "ICNS"])
def test_other_kinds_are_not_opened(kind):
    content = io.BytesIO()
    Image.new("RGB", (16, 16)).save(content, kind)
    content.seek(0)
    with pytest.raises(DECODER_ERRORS), open_picture(content):
        pass


@pytest.mark.parametrize("kind", sorted({*PHOTO_FORMATS} - {"HEIF"}))
def test_the_kinds_that_are_meant_are_opened(kind):
    content = io.BytesIO()
    Image.new("RGB", (16, 16), "red").save(content, kind)
    content.seek(0)
    with open_picture(content) as picture:
        assert np.asarray(picture.convert("RGB"))[8, 8, 0] > 200


def test_a_few_bytes_cannot_hold_hundreds_of_megapixels(tmp_path):
    (tmp_path / "a.png").write_bytes(flat_png(20_000, 20_000))
    with pytest.raises(UnreadablePhoto, match="more than its few bytes can hold"):
        photo_header(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(flat_png(8_000, 7_000))  # a drawing may be flat
    assert photo_header(tmp_path / "b.png").width == 8_000


def test_a_photo_larger_than_the_free_memory_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("ilrm_cli.capture.photos.pixels.free_bytes", lambda _: 500_000_000)
    (tmp_path / "a.png").write_bytes(flat_png(8_000, 7_000))
    with pytest.raises(UnreadablePhoto, match=r"56 megapixels take 0\.7 GB of memory and 0\.5 GB are free"):
        read_photo(tmp_path / "a.png")


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp", ".avif"])
def test_rotten_photos_are_unreadable(tmp_path, suffix):
    """Each decoder has its own exceptions for its own kinds of damage."""
    file, dice = tmp_path / f"a{suffix}", np.random.default_rng(0)
    Image.fromarray(dice.integers(0, 255, (48, 64, 3), dtype=np.uint8)).save(file)
    whole, refused = file.read_bytes(), 0
    for _ in range(60):
        content = bytearray(whole)
        for place in dice.integers(0, len(content), 8):
            content[place] = dice.integers(256)
        file.write_bytes(content[: dice.integers(len(content) // 2, len(content) + 1)])
        try:
            read_photo(file)
        except UnreadablePhoto:
            refused += 1
    assert refused > 10


@pytest.mark.parametrize("raised", [RuntimeError, NotImplementedError, subprocess.CalledProcessError, MemoryError])
def test_whatever_a_decoder_raises_is_one_sentence(tmp_path, monkeypatch, raised):
    Image.new("RGB", (16, 16)).save(tmp_path / "a.png")

    def load(*_):
        raise raised(*((1, "gs") if raised is subprocess.CalledProcessError else ("library text",)))

    monkeypatch.setattr(Image.Image, "load", load)
    with pytest.raises(UnreadablePhoto) as told:
        read_photo(tmp_path / "a.png")
    assert "library text" not in str(told.value)


def test_pictures_are_opened_in_one_place():
    package = Path(ilrm_cli.__file__).parent
    opening = [
        file.relative_to(package).as_posix()
        for file in package.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Attribute) and node.attr == "open" and ast.unparse(node.value) in ("Image", "PIL.Image")
    ]
    assert opening == ["runtime/pictures.py"]


def test_a_damaged_tiff_is_told_of_in_our_words_alone(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a.tif"
    noise = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(file, compression="tiff_lzw")
    content = bytearray(file.read_bytes())
    for at in range(1000, 3000, 7):
        content[at] ^= 0x55
    file.write_bytes(content)
    with pytest.raises(UnreadablePhoto):
        read_photo(file)
    assert capfd.readouterr().err == ""
