"""Projection of Gaussians into one camera: their image footprints and the tiles they reach.

EWA splatting (Zwicker et al. 2002) as in 3DGS (Kerbl et al. 2023) with gsplat 1.5.3's clamping of the Jacobian. With P
= J W (projection's Jacobian J, world to camera rotation W) and T = P R diag(scales), the 2D covariance is T Tᵀ +
LOW_PASS I. Its determinant is taken as |T₀ x T₁|² + LOW_PASS (|T₀|² + |T₁|²) + LOW_PASS², free of cancellation.

In an antialiased scene (Yu et al. 2024, Mip-Splatting) the opacity is multiplied by the square root of the share that
|T₀ x T₁|² has in that determinant: what the low-pass widens keeps its integral.
"""

import math

import numpy as np

from ilrm_cli.render.cpu import arrays as at
from ilrm_cli.render.cpu.arrays import (
    C0,
    FAR,
    HALF,
    LOG2_E,
    LOG2_MIN_ALPHA,
    LOW_PASS,
    MIN_ALPHA,
    ONE,
    TILE,
    TINY,
    TWO,
    dot,
    harmonic_values,
    rotation_columns,
)
from ilrm_cli.runtime.kernels import inlined, kernel

MARGIN = np.float32(0.01)  # px, so that rounding never cuts a pixel off a footprint
MAX_SIGMAS = np.float32(3.5)  # slightly above sqrt(2 ln 255), where even opacity 1 falls below 1/255
HUGE = np.float32(1e12)  # px², larger variances (also infinity and NaN) are meaningless


@inlined
def row3(array, start):
    return array[start], array[start + 1], array[start + 2]


@inlined
def unit_quaternion(quaternions, i):
    w, x, y, z = quaternions[i, 0], quaternions[i, 1], quaternions[i, 2], quaternions[i, 3]
    inverse = ONE / max(np.float32(math.sqrt(w * w + x * x + y * y + z * z)), TINY)
    return w * inverse, x * inverse, y * inverse, z * inverse, inverse


@inlined
def jacobian_rows(camera, x, y, z):
    """Return the rows of P = J W at a point in the camera frame, and x/z and y/z after clamping."""
    slope_x = min(max(x / z, camera[at.LIMITS]), camera[at.LIMITS + 1])
    slope_y = min(max(y / z, camera[at.LIMITS + 2]), camera[at.LIMITS + 3])
    w0, w1, w2 = row3(camera, at.ROTATION), row3(camera, at.ROTATION + 3), row3(camera, at.ROTATION + 6)
    px, py = camera[at.FOCAL] / z, camera[at.FOCAL + 1] / z
    p0 = (px * (w0[0] - slope_x * w2[0]), px * (w0[1] - slope_x * w2[1]), px * (w0[2] - slope_x * w2[2]))
    p1 = (py * (w1[0] - slope_y * w2[0]), py * (w1[1] - slope_y * w2[1]), py * (w1[2] - slope_y * w2[2]))
    return p0, p1, slope_x, slope_y


@inlined
def covariance(t0, t1):
    """Return xx, xy, yy of the low-passed 2D covariance, its determinant, and the one without the low-pass."""
    cross_x, cross_y = t0[1] * t1[2] - t0[2] * t1[1], t0[2] * t1[0] - t0[0] * t1[2]
    cross_z = t0[0] * t1[1] - t0[1] * t1[0]
    xx, xy, yy = dot(t0, t0), dot(t0, t1), dot(t1, t1)
    sharp = cross_x * cross_x + cross_y * cross_y + cross_z * cross_z
    return xx + LOW_PASS, xy, yy + LOW_PASS, sharp + LOW_PASS * (xx + yy) + LOW_PASS * LOW_PASS, sharp


@inlined
def viewing_direction(mean, camera):
    """Return the unit vector from the camera to the Gaussian, and the inverse of their distance."""
    x, y, z = mean[0] - camera[at.POSITION], mean[1] - camera[at.POSITION + 1], mean[2] - camera[at.POSITION + 2]
    inverse = ONE / max(np.float32(math.sqrt(x * x + y * y + z * z)), TINY)
    return x * inverse, y * inverse, z * inverse, inverse


@inlined
def first_to_last(center, reach, size):
    """Return the tiles [first, last) with pixel centres within center ± reach along an axis of `size` px, if any."""
    low, high = max(center - reach - HALF, np.float32(0)), min(center + reach - HALF, np.float32(size - 1))
    if not low <= high:
        return 0, 0
    first = np.int32(low)
    first += np.int32(np.float32(first) < low)
    return first // TILE, np.int32(high) // TILE + 1


@inlined
def is_far_outside(camera, z, mean_x, mean_y, scale, width, height):
    """Return whether a Gaussian of largest scale `scale` misses the image in any pose: |P| <= focal (1 + slope) / z."""
    slope_x = max(-camera[at.LIMITS], camera[at.LIMITS + 1])
    slope_y = max(-camera[at.LIMITS + 2], camera[at.LIMITS + 3])
    reach_x = MAX_SIGMAS * (camera[at.FOCAL] * (ONE + slope_x) * scale / z + ONE)
    reach_y = MAX_SIGMAS * (camera[at.FOCAL + 1] * (ONE + slope_y) * scale / z + ONE)
    beside = mean_x + reach_x < 0 or mean_x - reach_x > width
    return beside or mean_y + reach_y < 0 or mean_y - reach_y > height


@kernel
def project(
    start, stop, share, means, quaternions, scales, opacities, harmonics, camera, width, height,
    records, ids, tiles, visible,
):  # fmt: skip
    """Fill rows start, start + 1, ... of `records`, `ids` and `tiles` with the visible Gaussians of start:stop.

    `tiles` rows are the reached tiles (first column, first row, end column, end row); `visible[start // share]` is the
    number of rows filled. A Gaussian with a non-finite number is not visible.
    """
    basis, bases = np.full(16, C0), harmonics.shape[1]
    antialiased = camera[at.ANTIALIASED] > 0
    slot = start
    for i in range(start, stop):
        mean = (means[i, 0], means[i, 1], means[i, 2])
        z = dot(row3(camera, at.ROTATION + 6), mean) + camera[at.TRANSLATION + 2]
        opacity = opacities[i]
        if not (z > camera[at.NEAR] and z < FAR and opacity >= MIN_ALPHA and opacity < HUGE):
            continue
        x = dot(row3(camera, at.ROTATION), mean) + camera[at.TRANSLATION]
        y = dot(row3(camera, at.ROTATION + 3), mean) + camera[at.TRANSLATION + 1]
        mean_x = camera[at.FOCAL] * x / z + camera[at.CENTER]
        mean_y = camera[at.FOCAL + 1] * y / z + camera[at.CENTER + 1]
        s0, s1, s2 = scales[i, 0], scales[i, 1], scales[i, 2]
        if is_far_outside(camera, z, mean_x, mean_y, max(s0, max(s1, s2)), width, height):
            continue
        p0, p1, _, _ = jacobian_rows(camera, x, y, z)
        qw, qx, qy, qz, _ = unit_quaternion(quaternions, i)
        c0, c1, c2 = rotation_columns(qw, qx, qy, qz)
        t0 = (dot(p0, c0) * s0, dot(p0, c1) * s1, dot(p0, c2) * s2)
        t1 = (dot(p1, c0) * s0, dot(p1, c1) * s1, dot(p1, c2) * s2)
        xx, xy, yy, determinant, sharp = covariance(t0, t1)
        if not (xx < HUGE and yy < HUGE):
            continue
        if antialiased:
            opacity *= np.float32(math.sqrt(sharp / determinant))
            if not opacity >= MIN_ALPHA:
                continue
        log2_opacity = np.float32(math.log2(opacity))
        reach = TWO * (log2_opacity - LOG2_MIN_ALPHA) / LOG2_E  # of dᵀ cov⁻¹ d at which alpha falls to MIN_ALPHA
        reach_x = np.float32(math.sqrt(reach * xx)) + MARGIN
        reach_y = np.float32(math.sqrt(reach * yy)) + MARGIN
        left, right = first_to_last(mean_x, reach_x, width)
        top, bottom = first_to_last(mean_y, reach_y, height)
        if left >= right or top >= bottom:
            continue
        if bases > 1:
            view_x, view_y, view_z, _ = viewing_direction(mean, camera)
            harmonic_values(view_x, view_y, view_z, basis)
        red, green, blue = HALF, HALF, HALF
        for k in range(bases):
            red += harmonics[i, k, 0] * basis[k]
            green += harmonics[i, k, 1] * basis[k]
            blue += harmonics[i, k, 2] * basis[k]
        if not (abs(red) < HUGE and abs(green) < HUGE and abs(blue) < HUGE):
            continue
        scale = HALF * LOG2_E / determinant
        record = records[slot]
        record[at.MEAN_X], record[at.MEAN_Y], record[at.REACH_X], record[at.REACH_Y] = mean_x, mean_y, reach_x, reach_y
        record[at.XX], record[at.XY], record[at.YY] = yy * scale, -TWO * xy * scale, xx * scale
        record[at.LOG2_OPACITY], record[at.DEPTH] = log2_opacity, z
        zero = np.float32(0)
        record[at.RED], record[at.GREEN], record[at.BLUE] = max(red, zero), max(green, zero), max(blue, zero)
        ids[slot] = i
        tiles[slot, 0], tiles[slot, 1], tiles[slot, 2], tiles[slot, 3] = left, top, right, bottom
        slot += 1
    visible[start // share] = slot - start
