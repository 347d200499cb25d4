import io

import numpy as np
import pytest
from PIL import Image, ImageFilter

from ilrm_cli.capture.photos.near_duplicates import (
    NEAR_DUPLICATE,
    SAME_PICTURE,
    distance,
    duplicates,
    even_bins,
    most_alike,
    sharpest_of_each,
    sharpness_of,
    signature_of,
)
from tests.support.photographed import cameras_on_an_arc, photograph


def grey(image: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(image).convert("L"))


def saved_again(image: np.ndarray, quality: int = 60) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def apart(first: np.ndarray, second: np.ndarray) -> float:
    return distance(signature_of(grey(first)), signature_of(grey(second)))


# Measures


def test_sharpness_of_known_pictures():
    assert sharpness_of(np.full((9, 9), 70, dtype=np.uint8)) == 0
    assert sharpness_of(np.tile(np.arange(9, dtype=np.uint8) * 20, (9, 1))) == 0  # a ramp has no second derivative
    board = (np.indices((8, 8)).sum(0) % 2 * 255).astype(np.uint8)
    assert sharpness_of(board) == pytest.approx((4 * 255) ** 2)  # every Laplacian is 4 * 255, up or down
    assert sharpness_of(np.zeros((2, 9), dtype=np.uint8)) == 0


def test_blur_lowers_sharpness():
    image = Image.fromarray(grey(photograph(cameras_on_an_arc(1)[0])))
    values = [sharpness_of(np.asarray(image.filter(ImageFilter.GaussianBlur(radius)))) for radius in (0, 1, 2, 4)]
    assert values == sorted(values, reverse=True)


def test_signatures_know_the_same_picture_and_a_step_aside():
    first, second = (photograph(pose, width=640, height=480) for pose in cameras_on_an_arc(2, spread_deg=2))
    smaller = np.asarray(Image.fromarray(first).resize((448, 336), Image.Resampling.LANCZOS))
    darker = (first * 0.6).astype(np.uint8)
    for copy in (saved_again(first), smaller, darker):
        assert apart(first, copy) < NEAR_DUPLICATE
    assert apart(first, saved_again(first, 90)) < SAME_PICTURE
    assert apart(first, second) > 2 * NEAR_DUPLICATE


def test_pictures_without_contrast_are_like_each_other_and_nothing_else():
    flat = np.full((20, 30, 3), 90, dtype=np.uint8)
    assert apart(flat, flat // 2) == 0
    assert apart(flat, photograph(cameras_on_an_arc(1)[0])) == pytest.approx(1)


# Choices


def test_the_sharpest_of_each_bin():
    sharpness = np.array([1, 3, 2, 5, 5, 0], dtype=np.float32)
    assert sharpest_of_each(np.array([0, 0, 0, 2, 2, 7]), sharpness) == [1, 3, 5]


def test_even_bins_are_all_used_and_of_nearly_one_size():
    sizes = np.bincount(even_bins(1003, 200))
    assert len(sizes) == 200
    assert set(sizes) == {5, 6}


def at(*angles: float) -> np.ndarray:
    """Return signatures whose distances are, for small ones, the differences of the angles."""
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def test_of_near_duplicates_the_sharpest_stays():
    signatures = at(0, 0.05, 0.1, 1, 2)
    sharpness = np.array([1, 3, 2, 1, 1], dtype=np.float32)
    assert duplicates(signatures, sharpness, enough=0) == {0: 1, 2: 1}


def test_no_two_that_are_kept_are_close_but_a_slow_row_is_thinned_only():
    """Each frame is close to the next, the last far from the first: one frame per NEAR_DUPLICATE stays."""
    places = np.arange(0, 1.5, 0.01)
    left_out = duplicates(at(*places), np.ones(len(places), dtype=np.float32), enough=0)
    kept = np.delete(places, list(left_out))
    assert np.diff(kept).min() > 0.119
    assert np.diff(kept).max() < 0.14


def test_as_many_stay_as_are_needed_the_least_alike_first():
    places = np.linspace(0, 1.5, 40)
    sharpness = np.ones(40, dtype=np.float32)
    left_out = duplicates(at(*places), sharpness, enough=24)
    kept = np.delete(places, list(left_out))
    assert len(kept) == 24
    assert np.diff(kept).max() < 1.1 * NEAR_DUPLICATE
    assert duplicates(at(*places), sharpness, enough=40) == {}


def test_the_same_picture_never_comes_back():
    left_out = duplicates(at(0, 0.01, 0.02, 1), np.array([1, 2, 1, 1], dtype=np.float32), enough=24)
    assert left_out == {0: 1, 2: 1}


def test_many_pictures_take_blocks(monkeypatch):
    signatures = at(*np.random.default_rng(0).uniform(0, 3, 150))
    sharpness = np.random.default_rng(1).uniform(size=150).astype(np.float32)
    whole = duplicates(signatures, sharpness, enough=0)
    monkeypatch.setattr("ilrm_cli.capture.photos.near_duplicates.BLOCK", 7)
    assert duplicates(signatures, sharpness, enough=0) == whole


def test_the_most_alike_of_each(monkeypatch):
    angle = np.radians([0, 10, 90, 95, 100, 180])
    signatures = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
    for block in (512, 2):
        monkeypatch.setattr("ilrm_cli.capture.photos.near_duplicates.BLOCK", block)
        assert most_alike(signatures, 1) == {(0, 1), (2, 3), (3, 4), (4, 5)}
        assert len(most_alike(signatures, 99)) == 15
