"""From any lens to a pinhole, and to one common size."""

import numpy as np
import pytest

from ilrm_cli.capture.poses.lenses import colmap_camera, pinhole, turned_pose
from ilrm_cli.capture.poses.undistort import common_size_of, fit_image, quarter_turns_to_fit, undistort
from ilrm_cli.geometry.cameras import Lens
from tests.support.all_lenses import LENSES


def photograph(lens: Lens, width: int, height: int) -> np.ndarray:
    """Render the direction field through the lens: red and green are smooth functions of the viewing direction."""
    camera = colmap_camera(lens)
    camera.rescale(width, height)
    columns, rows = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    return coloured(camera.cam_from_img(np.stack([columns.ravel(), rows.ravel()], axis=1)), width, height)


def coloured(directions: np.ndarray, width: int, height: int) -> np.ndarray:
    colour = np.stack([0.5 + 0.45 * np.sin(4 * directions[:, 0]), 0.5 + 0.45 * np.sin(4 * directions[:, 1])], axis=1)
    colour = np.nan_to_num(np.c_[colour, np.full(len(colour), 0.5)])
    return np.round(255 * colour).astype(np.uint8).reshape(height, width, 3)


@pytest.mark.parametrize("factor", [1, 0.5])
@pytest.mark.parametrize("lens", LENSES, ids=lambda lens: lens.model)
def test_each_pixel_shows_what_its_pinhole_direction_shows(lens, factor):
    width, height = round(lens.width * factor), round(lens.height * factor)
    flat, pinhole = undistort(photograph(lens, width, height), lens)
    assert (pinhole.width, pinhole.height) == (flat.shape[1], flat.shape[0])
    focal_x, focal_y, center_x, center_y = pinhole.params
    columns, rows = np.meshgrid(np.arange(pinhole.width) + 0.5, np.arange(pinhole.height) + 0.5)
    x, y = (columns.ravel() - center_x) / focal_x, (rows.ravel() - center_y) / focal_y
    expected = coloured(np.stack([x, y], axis=1), pinhole.width, pinhole.height)
    inner = (slice(4, -4), slice(4, -4))
    assert np.abs(flat[inner].astype(int) - expected[inner]).max() <= 3


def test_what_the_photo_would_show_twice_is_cut_off():
    """A direction of radius r is seen at r - 0.2 r^3, which falls again beyond r = 1.29."""
    lens = Lens("SIMPLE_RADIAL", (232.0, 240.0, 160.0, -0.2), 480, 320)
    flat, pinhole = undistort(np.zeros((320, 480, 3), dtype=np.uint8), lens)
    assert (pinhole.width, pinhole.height) == (flat.shape[1], flat.shape[0])
    corner = np.hypot(flat.shape[1] - pinhole.params[2], flat.shape[0] - pinhole.params[3]) / pinhole.params[0]
    assert corner == pytest.approx(np.sqrt(1 / 0.6), rel=0.01)


def test_a_pinhole_is_left_alone():
    image = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    same, lens = undistort(image, Lens("SIMPLE_PINHOLE", (100.0, 64.0, 48.0), 128, 96))
    assert same is image
    assert lens == Lens("PINHOLE", (50.0, 50.0, 32.0, 24.0), 64, 48)


def ramp(width: int, height: int, slope: float) -> np.ndarray:
    """Return an image whose red grows with x and green with y, linearly at pixel centres."""
    columns, rows = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    return np.round(np.stack([columns * slope, rows * slope, 0 * rows], axis=2)).astype(np.uint8)


def test_common_size_by_hand():
    assert common_size_of([(640, 480), (1280, 960), (480, 640)], 256) == (256, 192)
    assert common_size_of([(480, 640), (600, 800), (640, 480)], 256) == (192, 256)
    assert common_size_of([(960, 540)], 256, 16) == (256, 144)
    assert common_size_of([(1000, 667)], 256, 16) == (256, 176)
    assert common_size_of([(640, 480), (480, 640)], 256) == (256, 192)


@pytest.mark.parametrize("size", [(101, 67), (96, 96), (60, 90)])
def test_each_pixel_comes_from_where_the_intrinsics_say(size):
    image = ramp(240, 160, 1.0)
    fitted, lens = fit_image(image, pinhole((200.0, 210.0), (125.0, 77.0), 240, 160), *size)
    assert fitted.shape == (size[1], size[0], 3)
    focal_x, focal_y, center_x, center_y = lens.params
    columns, rows = np.meshgrid(np.arange(size[0]) + 0.5, np.arange(size[1]) + 0.5)
    x = (columns - center_x) / focal_x * 200.0 + 125.0  # the same direction in the original image
    y = (rows - center_y) / focal_y * 210.0 + 77.0
    inner = (slice(3, -3), slice(3, -3))
    assert np.abs(fitted[..., 0] - x)[inner].max() < 1.1
    assert np.abs(fitted[..., 1] - y)[inner].max() < 1.1
    assert focal_x / focal_y == pytest.approx(200 / 210)


def test_the_whole_shorter_side_is_kept():
    image = ramp(200, 100, 1.0)
    fitted, lens = fit_image(image, pinhole((100.0, 100.0), (100.0, 50.0), 200, 100), 50, 50)
    assert fitted[0, 0, 1] <= 2
    assert fitted[-1, 0, 1] >= 98
    assert lens.params == (50.0, 50.0, 25.0, 25.0)


def test_turns_bring_sideways_photos_upright():
    landscape, portrait = pinhole((1.0, 1.0), (4.0, 3.0), 8, 6), pinhole((1.0, 1.0), (3.0, 4.0), 6, 8)
    poses = np.stack([np.eye(4), turned_pose(np.eye(4), 1), turned_pose(np.eye(4), 3), np.eye(4)])
    lenses = [landscape, portrait, portrait, landscape]
    turns = quarter_turns_to_fit(lenses, poses, 8, 6)
    assert turns == [0, 3, 1, 0]
    for pose, turn in zip(poses, turns, strict=True):
        np.testing.assert_allclose(turned_pose(pose, turn), np.eye(4))
