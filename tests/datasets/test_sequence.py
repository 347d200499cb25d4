"""Tests of resampling: cameras follow."""

import numpy as np
import pytest

from ilrm_cli.capture.poses.lenses import pinhole
from ilrm_cli.data.sequences import resized_and_cropped


def test_a_point_stays_where_its_camera_sees_it():
    """A bright square in the image is found where the new lens projects the direction in which it was."""
    image = np.zeros((180, 320, 3), np.uint8)
    image[100:110, 200:210] = 255
    lens = pinhole((250.0, 260.0), (161.0, 88.0), 320, 180)
    cut, new = resized_and_cropped(image, lens, 128, 128)
    assert cut.shape == (128, 128, 3)
    rows, columns = np.nonzero(cut[..., 0] > 127)
    seen = (columns.mean() + 0.5, rows.mean() + 0.5)
    direction = ((205 - 161.0) / 250, (105 - 88.0) / 260)
    expected = (direction[0] * new.params[0] + new.params[2], direction[1] * new.params[1] + new.params[3])
    assert seen == pytest.approx(expected, abs=0.3)


def test_the_size_it_has_is_kept_untouched():
    image = np.random.default_rng(0).integers(0, 255, (30, 40, 3), dtype=np.uint8)
    lens = pinhole((50.0, 50.0), (20.0, 15.0), 40, 30)
    cut, new = resized_and_cropped(image, lens, 40, 30)
    assert np.array_equal(cut, image)
    assert new == lens
