"""Lenses with an r^8 term, as readers make them for COLMAP, against the formula."""

import numpy as np
import pytest

from ilrm_cli.capture.poses.brown import brown_lens
from ilrm_cli.capture.poses.lenses import colmap_camera
from ilrm_cli.runtime.errors import InputError

SIZE, FOCAL, CENTER = (6000, 4000), (4200.0, 4180.0), (3010.0, 1990.0)


def distorted(rays: np.ndarray, radial: tuple[float, ...], tangential: tuple[float, float]) -> np.ndarray:
    """Return pixels of rays (x, y, 1) by the formula that Metashape and OpenCV document."""
    x, y = rays.T
    r2 = x**2 + y**2
    stretch = 1 + sum(k * r2 ** (i + 1) for i, k in enumerate(radial))
    p1, p2 = tangential
    along = x * stretch + 2 * p1 * x * y + p2 * (r2 + 2 * x**2)
    down = y * stretch + p1 * (r2 + 2 * y**2) + 2 * p2 * x * y
    return np.stack([along, down], axis=1) * FOCAL + CENTER


@pytest.mark.parametrize(
    ("radial", "off_px"),
    [
        ((-0.3, 0.1, -0.02, 0.003), 0.01),
        ((0.05, -0.1, 0.2, -0.1), 0.05),
        ((0.0, 0.0, 0.0, 0.05), 0.1),
        ((-0.05, 0.3, -0.8, 0.8), 2.0),  # 500 px in the corners by k4 alone
        ((0.1, 0.2, 0.3, 0.0), 1e-6),
        ((0.1, 0.2), 1e-6),
    ],
)
@pytest.mark.parametrize("tangential", [(0.0, 0.0), (0.001, -0.002)])
def test_all_powers_are_kept(radial: tuple[float, ...], off_px: float, tangential: tuple[float, float]) -> None:
    lens = brown_lens(FOCAL, CENTER, radial, tangential, SIZE, "here")
    x, y = np.meshgrid(np.linspace(-0.7, 0.7, 41), np.linspace(-0.47, 0.47, 31))
    rays = np.stack([x.ravel(), y.ravel()], axis=1)
    expected = distorted(rays, radial, tangential)
    inside = ((expected >= 0) & (expected <= SIZE)).all(1)
    shown = colmap_camera(lens).img_from_cam(np.column_stack([rays, np.ones(len(rays))]))
    assert inside.sum() > 500
    assert np.abs(shown - expected)[inside].max() < off_px


def test_what_no_lens_does_is_refused() -> None:
    with pytest.raises(InputError, match="here: a lens with such a k4"):
        brown_lens(FOCAL, CENTER, (-1.0, 9.0, -30.0, 30.0), (0.0, 0.0), SIZE, "here")
