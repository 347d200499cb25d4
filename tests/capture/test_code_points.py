"""Photos whose colours are stated by code points: of high dynamic range and of wide gamuts."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from ilrm_cli.capture.photos.code_points import CodePoints, stated_code_points
from ilrm_cli.capture.photos.pixels import read_photo

SRGB_TO = {  # linear colours, rounded as ITU-R BT.2087 and Display P3 have them
    9: [[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]],
    12: [[0.8225, 0.1774, 0], [0.0332, 0.9669, 0], [0.0171, 0.0724, 0.9108]],
}
LEVELS = np.array([40, 90, 140, 190, 225])
COLOURS = np.stack(np.meshgrid(LEVELS, LEVELS, LEVELS), -1).reshape(5, 25, 3).repeat(8, 0).repeat(8, 1)


def light_of(levels: np.ndarray) -> np.ndarray:
    return np.where(levels <= 10, levels / 255 / 12.92, ((levels / 255 + 0.055) / 1.055) ** 2.4)


def coded(levels: np.ndarray, points: CodePoints) -> np.ndarray:
    """Return the numbers from 0 to 255 of sRGB colours, whose white has 203 cd/m²."""
    light = light_of(levels)
    if points.primaries in SRGB_TO:
        light = light @ np.array(SRGB_TO[points.primaries]).T
    if points.transfer == 16:
        power = np.power(light * 203 / 10_000, 0.1593017578125)
        coded = np.power((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power), 78.84375)
    elif points.transfer == 18:
        light = light * 203 / 1000
        scene = light * np.power(light @ [0.2627, 0.6780, 0.0593], 1 / 1.2 - 1)[..., None]
        upper = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
        coded = np.where(scene <= 1 / 12, np.sqrt(3 * scene), upper)
    else:
        coded = 1.055 * np.power(light, 1 / 2.4) - 0.055
    return np.rint(coded * 255).astype(np.uint8)


def in_png(path: Path, picture: np.ndarray, points: CodePoints, profile: bytes | None = None) -> Path:
    info = PngImagePlugin.PngInfo()
    info.add(b"cICP", bytes([points.primaries, points.transfer, 0, 1]))
    Image.fromarray(picture).save(path, pnginfo=info, icc_profile=profile)
    return path


def in_avif(path: Path, picture: np.ndarray, points: CodePoints) -> Path:
    """Write an AVIF, and other code points into it."""
    Image.fromarray(picture).save(path, quality=100, subsampling="4:4:4")
    content = bytearray(path.read_bytes())
    at = content.index(b"colrnclx") + 8
    content[at : at + 4] = bytes([0, points.primaries, 0, points.transfer])
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("write", [in_png, in_avif])
@pytest.mark.parametrize("points", [CodePoints(9, 16), CodePoints(9, 18), CodePoints(1, 16), CodePoints(12, 13)])
def test_colours_are_those_of_the_same_photo_in_srgb(tmp_path, write, points):
    """But for the rounding to 256 levels, of AVIF that of luminance and chrominance."""
    path = write(tmp_path / f"a.{write.__name__[3:]}", coded(COLOURS, points), points)
    assert stated_code_points(path) == points
    errors = np.abs(read_photo(path).astype(int) - COLOURS)
    assert errors.mean() < (2.5 if write is in_png else 4.5)
    assert np.abs(Image.open(path).convert("RGB") - COLOURS.astype(int)).mean() > 3 * errors.mean()


def test_a_png_goes_by_its_code_points_and_not_by_its_profile(tmp_path):
    points, profile = CodePoints(9, 16), ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    stored = coded(COLOURS, points)
    alone, both = (in_png(tmp_path / name, stored, points, icc) for name, icc in (("a.png", None), ("b.png", profile)))
    np.testing.assert_array_equal(read_photo(both), read_photo(alone))
    assert (read_photo(alone) != stored).any()


def with_gamma(path: Path, picture: np.ndarray, gamma: float, **more: bytes) -> Path:
    info = PngImagePlugin.PngInfo()
    info.add(b"gAMA", round(gamma * 100_000).to_bytes(4, "big"))
    for kind, content in more.items():
        info.add(kind.encode(), content)
    Image.fromarray(picture).save(path, pnginfo=info)
    return path


@pytest.mark.parametrize("gamma", [1.0, 1 / 1.8])
def test_a_png_with_a_gamma_alone_is_a_power_law(tmp_path, gamma):
    """As linear renders have it, and pictures of old Macs."""
    stored = np.rint(255 * np.power(light_of(COLOURS), gamma)).astype(np.uint8)
    read = read_photo(with_gamma(tmp_path / "a.png", stored, gamma))
    assert np.abs(read.astype(int) - COLOURS).max() <= (4 if gamma == 1 else 1)


@pytest.mark.parametrize(("gamma", "more"), [(0.45455, {}), (0.45, {}), (0, {}), (1.0, {"sRGB": b"\0"})])
def test_the_gamma_of_srgb_changes_nothing(tmp_path, gamma, more):
    stored = COLOURS.astype(np.uint8)
    assert np.array_equal(read_photo(with_gamma(tmp_path / "a.png", stored, gamma, **more)), stored)


def test_highlights_are_rolled_off(tmp_path):
    """Levels rise on from 0.9 of white, and reach white at ten times of it."""
    strips = np.rint(np.linspace(0.5, 0.83, 10) * 255).astype(np.uint8)  # of PQ: 92 to 2,000 cd/m²
    grey = strips[:, None, None].repeat(8, 0).repeat(8, 1).repeat(3, 2)
    read = read_photo(in_png(tmp_path / "a.png", grey, CodePoints(9, 16)))[::8, 0, 1]
    assert read.tolist() == [181, 212, 246, 253, 254, 254, 255, 255, 255, 255]


def test_transparency_and_usual_colours_are_kept(tmp_path):
    rgba = np.full((8, 8, 4), 128, np.uint8)
    rgba[:4, :, 3] = 0
    assert (read_photo(in_png(tmp_path / "a.png", rgba, CodePoints(9, 16)))[:4] == 255).all()
    for points in (CodePoints(1, 13), CodePoints(2, 2), CodePoints(9, 99)):
        plain = in_png(tmp_path / "b.png", COLOURS.astype(np.uint8), points)
        np.testing.assert_array_equal(read_photo(plain), COLOURS)


@pytest.mark.parametrize("write", [in_png, in_avif])
def test_damaged_statements_are_passed_over(tmp_path, write):
    path = write(tmp_path / f"a.{write.__name__[3:]}", COLOURS.astype(np.uint8), CodePoints(9, 16))
    whole, dice = path.read_bytes(), np.random.default_rng(0)
    for _ in range(300):
        content = bytearray(whole[: dice.integers(1, len(whole))])
        for place in dice.integers(0, min(len(content), 500), 6):
            content[place] = dice.integers(256)
        path.write_bytes(content)
        assert isinstance(stated_code_points(path), CodePoints | None)
