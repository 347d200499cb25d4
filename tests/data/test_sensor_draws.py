"""What training draws of sensors and poses stays in its range, and differs from scene to scene."""

import numpy as np
import pytest

from ilrm_cli.data.synthetic.sensor import draw_photometry, draw_pose_noise

DRAWS = 400


def test_photos_differ_from_hardly_to_clearly_and_half_are_jpeg():
    rng = np.random.default_rng(0)
    drawn = [draw_photometry(rng) for _ in range(DRAWS)]
    exposures = np.array([one.exposure for one in drawn])
    assert 0.005 <= exposures.min() < 0.007
    assert 0.1 < exposures.max() <= 0.12
    assert np.median(exposures) == pytest.approx((0.005 * 0.12) ** 0.5, rel=0.2)  # even in their logarithms
    assert np.mean([one.jpeg_quality is not None for one in drawn]) == pytest.approx(0.5, abs=0.08)


def test_poses_are_turned_and_moved_by_as_much():
    rng = np.random.default_rng(0)
    for _ in range(DRAWS):
        noise = draw_pose_noise(rng)
        assert 0.002 <= noise.rotation_deg <= 0.06
        assert noise.translation == pytest.approx(np.radians(noise.rotation_deg))
