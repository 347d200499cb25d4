import numpy as np
import pytest

from ilrm_cli.capture.poses.lenses import colmap_camera
from ilrm_cli.capture.poses.undistort import undistort
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


def test_a_pinhole_is_left_alone():
    image = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    same, lens = undistort(image, Lens("SIMPLE_PINHOLE", (100.0, 64.0, 48.0), 128, 96))
    assert same is image
    assert lens == Lens("PINHOLE", (50.0, 50.0, 32.0, 24.0), 64, 48)
