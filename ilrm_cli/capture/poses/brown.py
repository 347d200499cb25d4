"""Lenses of Brown's model, x (1 + k1 r^2 + k2 r^4 + k3 r^6 + k4 r^8) and tangential terms, as lenses of COLMAP.

COLMAP's nearest model has no k4: what it calls so divides. A quotient is fitted to the polynomial then, which differs
from it by far less than a pixel.
"""

import math

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from ilrm_cli.capture.poses.lenses import checked_lens, pinhole
from ilrm_cli.geometry.cameras import Lens
from ilrm_cli.runtime.errors import InputError

RADII = 128  # at which the quotient is fitted
FORMS = ((3, 3), (3, 2), (2, 3), (2, 2))  # how many powers are above and below; some have a pole within the photo
ROUNDS = 3
LEAST_DIVISOR = 0.02
FARTHEST_RADIUS = 3.0  # times that of the corners, within which a distorted corner's ray is sought
MOST_OFF = 1e-3  # share of the focal length by which the quotient may differ; that of real lenses by less than 1e-5


def brown_lens(
    focal_px: tuple[float, float],
    center_px: tuple[float, float],
    radial: tuple[float, ...],
    tangential: tuple[float, float],
    size: tuple[int, int],
    where: str,
) -> Lens:
    """Return the lens with OpenCV's coefficients k1, k2, k3, maybe k4 and p1, p2 as the plainest model of COLMAP.

    Raises InputError if no camera can have it; `where` names the file.
    """
    params = (*focal_px, *center_px)
    plain = checked_lens(pinhole(focal_px, center_px, *size), where)
    if not any((*radial, *tangential)):
        return plain
    if not any(radial[2:]):
        return checked_lens(Lens("OPENCV", (*params, *radial[:2], *tangential), *size), where)
    quotient = (*radial[:3], 0.0, 0.0, 0.0)
    if any(radial[3:]):
        fitted = _quotient(np.array(radial, dtype=np.float64), _corner(plain))
        if fitted is None:
            raise InputError(
                f"{where}: a lens with such a k4 is not known; calibrate it, or export undistorted photos."
            )
        quotient = fitted
    return checked_lens(Lens("FULL_OPENCV", (*params, *quotient[:2], *tangential, *quotient[2:]), *size), where)


def _corner(lens: Lens) -> float:
    """Return the distance of the farthest corner of a photo from the principal point, in focal lengths."""
    focal_x, focal_y, x, y = lens.params
    return math.hypot(max(x, lens.width - x) / focal_x, max(y, lens.height - y) / focal_y)


def _quotient(radial: Float64[ndarray, "4"], corner: float) -> tuple[float, float, float, float, float, float] | None:
    """Return k1 to k6 of the quotient that is closest to the polynomial within the photo; None if none is close."""
    radius = np.linspace(0, FARTHEST_RADIUS * corner, 4 * RADII * int(FARTHEST_RADIUS) + 1)
    with np.errstate(over="ignore", invalid="ignore"):
        distorted = radius * _polynomial(radial, np.square(radius))
    beyond = np.flatnonzero((distorted >= corner) | (np.diff(distorted, append=np.inf) <= 0))
    reach = radius[min(beyond[0] + 1, len(radius) - 1)] if len(beyond) else radius[-1]
    square = np.square(np.linspace(0, reach, RADII + 1)[1:])
    wanted, powers = _polynomial(radial, square), np.stack([square, square**2, square**3], axis=1)
    if not np.isfinite(wanted).all():
        return None
    found, off = None, MOST_OFF
    for over, under in FORMS:
        divisor = np.ones_like(square)
        for _ in range(ROUNDS):  # each weights by the divisor of the one before
            weight = np.sqrt(square) / divisor
            system = np.concatenate([powers[:, :over], -wanted[:, None] * powers[:, :under]], axis=1)
            solved = np.linalg.lstsq(system * weight[:, None], (wanted - 1) * weight, rcond=None)[0]
            divisor = 1 + powers[:, :under] @ solved[over:]
            if divisor.min() < LEAST_DIVISOR:
                break
            quotient = (1 + powers[:, :over] @ solved[:over]) / divisor
            differs = float(np.abs((quotient - wanted) * np.sqrt(square)).max())
            if differs < off:
                off, found = differs, (*solved[:over], *[0.0] * (3 - over), *solved[over:], *[0.0] * (3 - under))
    if found is None:
        return None
    k1, k2, k3, k4, k5, k6 = map(float, found)
    return k1, k2, k3, k4, k5, k6


def _polynomial(radial: Float64[ndarray, "4"], square: Float64[ndarray, " radius"]) -> Float64[ndarray, " radius"]:
    k1, k2, k3, k4 = radial
    return 1 + square * (k1 + square * (k2 + square * (k3 + square * k4)))
