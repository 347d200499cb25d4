"""Gradients of `project`: from the sums over pixels back to means, quaternions, scales, opacities and harmonics.

Notation as there: P = J W, R = (c0 c1 c2), T = P R diag(scales), covariance = T Tᵀ + LOW_PASS I. `d_x` is dL/dx.
"""

import numpy as np

from ilrm_cli.render.cpu import arrays as at
from ilrm_cli.render.cpu.arrays import (
    C0,
    HALF,
    LOW_PASS,
    ONE,
    TINY,
    TWO,
    dot,
    harmonic_slope,
    harmonic_values,
    rotation_columns,
)
from ilrm_cli.render.cpu.project import covariance, jacobian_rows, row3, unit_quaternion, viewing_direction
from ilrm_cli.runtime.kernels import inlined, kernel

ZERO = np.float32(0)


@inlined
def mix(a, u, b, v):
    """Return a u + b v for numbers a, b and vectors u, v."""
    return a * u[0] + b * v[0], a * u[1] + b * v[1], a * u[2] + b * v[2]


@inlined
def footprint_backward(sums, t0, t1, antialiased):
    """Return dL/d(projected mean) and dL/dT from moments of dL/dsigma, sigma = ½ dᵀ conic d, d = pixel - mean."""
    xx, xy, yy, determinant, sharp = covariance(t0, t1)
    a, b, c = yy / determinant, -xy / determinant, xx / determinant
    d_mean_x = -(a * sums[at.SUM_VX] + b * sums[at.SUM_VY])
    d_mean_y = -(b * sums[at.SUM_VX] + c * sums[at.SUM_VY])
    # dL/dcovariance = -½ conic M conic, with M the second moments.
    m0, m1, m2 = sums[at.SUM_VXX], sums[at.SUM_VXY], sums[at.SUM_VYY]
    p, q = a * m0 + b * m1, a * m1 + b * m2
    r, s = b * m0 + c * m1, b * m1 + c * m2
    g0, g1, g2 = -(p * a + q * b), -(p * b + q * c), -(r * b + s * c)
    # An antialiased opacity is multiplied by the square root of |T0 x T1|² / determinant; dL/d(its logarithm) = -SUM_V.
    share, widened = antialiased / max(sharp, TINY) - antialiased / determinant, antialiased * LOW_PASS / determinant
    e0 = -sums[at.SUM_V] * (share * (yy - LOW_PASS) - widened)
    e1, e2 = sums[at.SUM_V] * share * xy, -sums[at.SUM_V] * (share * (xx - LOW_PASS) - widened)
    return d_mean_x, d_mean_y, mix(g0 + e0, t0, g1 + e1, t1), mix(g1 + e1, t0, g2 + e2, t1)


@inlined
def position_backward(camera, x, y, z, slope_x, slope_y, d_mean_x, d_mean_y, d_p0, d_p1):
    """Return dL/d(camera coordinates) through the projected mean and through the Jacobian's rows."""
    w0, w1, w2 = row3(camera, at.ROTATION), row3(camera, at.ROTATION + 3), row3(camera, at.ROTATION + 6)
    fx, fy = camera[at.FOCAL] / z, camera[at.FOCAL + 1] / z
    # Rows are P0 = fx (W0 - slope_x W2); a clamped slope no longer depends on x.
    free_x = (camera[at.LIMITS] <= x / z) & (x / z <= camera[at.LIMITS + 1])
    free_y = (camera[at.LIMITS + 2] <= y / z) & (y / z <= camera[at.LIMITS + 3])
    d_slope_x = -fx * dot(d_p0, w2) * np.float32(free_x)
    d_slope_y = -fy * dot(d_p1, w2) * np.float32(free_y)
    d_fx = dot(d_p0, w0) - slope_x * dot(d_p0, w2)
    d_fy = dot(d_p1, w1) - slope_y * dot(d_p1, w2)
    d_ratio_x, d_ratio_y = (
        camera[at.FOCAL] * d_mean_x + d_slope_x,
        camera[at.FOCAL + 1] * d_mean_y + d_slope_y,
    )  # of x/z, y/z
    d_z = -(d_ratio_x * x + d_ratio_y * y) / (z * z) - (d_fx * fx + d_fy * fy) / z
    return d_ratio_x / z, d_ratio_y / z, d_z


@inlined
def quaternion_backward(w, x, y, z, inverse_norm, d0, d1, d2):
    """Return dL/d(quaternion as given) from dL/d(columns of its rotation matrix)."""
    d_w = TWO * (x * (d1[2] - d2[1]) + y * (d2[0] - d0[2]) + z * (d0[1] - d1[0]))
    d_x = TWO * (y * (d1[0] + d0[1]) + z * (d2[0] + d0[2]) + w * (d1[2] - d2[1]) - TWO * x * (d1[1] + d2[2]))
    d_y = TWO * (x * (d1[0] + d0[1]) + z * (d2[1] + d1[2]) + w * (d2[0] - d0[2]) - TWO * y * (d0[0] + d2[2]))
    d_z = TWO * (x * (d2[0] + d0[2]) + y * (d2[1] + d1[2]) + w * (d0[1] - d1[0]) - TWO * z * (d0[0] + d1[1]))
    along = d_w * w + d_x * x + d_y * y + d_z * z
    return (
        (d_w - along * w) * inverse_norm,
        (d_x - along * x) * inverse_norm,
        (d_y - along * y) * inverse_norm,
        (d_z - along * z) * inverse_norm,
    )


@inlined
def direction_backward(mean, camera, slopes):
    """Return dL/dmean through the viewing direction, of Σ slopes_k · basis_k."""
    x, y, z, inverse = viewing_direction(mean, camera)
    d_x, d_y, d_z = harmonic_slope(x, y, z, slopes)
    along = d_x * x + d_y * y + d_z * z
    return (d_x - along * x) * inverse, (d_y - along * y) * inverse, (d_z - along * z) * inverse


@inlined
def shape_backward(i, sums, means, quaternions, scales, camera, d_means, d_quaternions, d_scales):
    """Add the gradients of one visible Gaussian through its position, depth and shape in the image.

    Like all helpers here it has no branch or loop: numba would count array references around them.
    """
    mean = (means[i, 0], means[i, 1], means[i, 2])
    w0, w1, w2 = row3(camera, at.ROTATION), row3(camera, at.ROTATION + 3), row3(camera, at.ROTATION + 6)
    x = dot(w0, mean) + camera[at.TRANSLATION]
    y = dot(w1, mean) + camera[at.TRANSLATION + 1]
    z = dot(w2, mean) + camera[at.TRANSLATION + 2]
    p0, p1, slope_x, slope_y = jacobian_rows(camera, x, y, z)
    qw, qx, qy, qz, inverse_norm = unit_quaternion(quaternions, i)
    c0, c1, c2 = rotation_columns(qw, qx, qy, qz)
    s0, s1, s2 = scales[i, 0], scales[i, 1], scales[i, 2]
    e0 = (dot(p0, c0), dot(p0, c1), dot(p0, c2))
    e1 = (dot(p1, c0), dot(p1, c1), dot(p1, c2))
    t0, t1 = (e0[0] * s0, e0[1] * s1, e0[2] * s2), (e1[0] * s0, e1[1] * s1, e1[2] * s2)
    d_mean_x, d_mean_y, d_t0, d_t1 = footprint_backward(sums, t0, t1, camera[at.ANTIALIASED])
    d_scales[i, 0] += d_t0[0] * e0[0] + d_t1[0] * e1[0]
    d_scales[i, 1] += d_t0[1] * e0[1] + d_t1[1] * e1[1]
    d_scales[i, 2] += d_t0[2] * e0[2] + d_t1[2] * e1[2]
    d_e0 = (d_t0[0] * s0, d_t0[1] * s1, d_t0[2] * s2)
    d_e1 = (d_t1[0] * s0, d_t1[1] * s1, d_t1[2] * s2)
    d_c0, d_c1 = mix(d_e0[0], p0, d_e1[0], p1), mix(d_e0[1], p0, d_e1[1], p1)
    d_c2 = mix(d_e0[2], p0, d_e1[2], p1)
    d_qw, d_qx, d_qy, d_qz = quaternion_backward(qw, qx, qy, qz, inverse_norm, d_c0, d_c1, d_c2)
    d_quaternions[i, 0] += d_qw
    d_quaternions[i, 1] += d_qx
    d_quaternions[i, 2] += d_qy
    d_quaternions[i, 3] += d_qz
    d_p0 = mix(ONE, mix(d_e0[0], c0, d_e0[1], c1), d_e0[2], c2)
    d_p1 = mix(ONE, mix(d_e1[0], c0, d_e1[1], c1), d_e1[2], c2)
    d_x, d_y, d_z = position_backward(camera, x, y, z, slope_x, slope_y, d_mean_x, d_mean_y, d_p0, d_p1)
    d_z += sums[at.SUM_DEPTH]
    d_means[i, 0] += d_x * w0[0] + d_y * w1[0] + d_z * w2[0]
    d_means[i, 1] += d_x * w0[1] + d_y * w1[1] + d_z * w2[1]
    d_means[i, 2] += d_x * w0[2] + d_y * w1[2] + d_z * w2[2]


@kernel
def project_backward(
    start, stop, share, ids, tiles, visible, first_entry, entry_sums,
    means, quaternions, scales, opacities, harmonics, camera,
    d_means, d_quaternions, d_scales, d_opacities, d_harmonics,
):  # fmt: skip
    """Add up each visible Gaussian's sums over its tiles, in a fixed order, and backpropagate to its parameters."""
    bases = harmonics.shape[1]
    basis, slopes, sums = np.full(16, C0), np.zeros(16, np.float32), np.empty(at.SUM_COLUMNS, np.float32)
    for slot in range(start, start + visible[start // share]):
        i = ids[slot]
        sums[:] = ZERO
        entries = (tiles[slot, 2] - tiles[slot, 0]) * (tiles[slot, 3] - tiles[slot, 1])
        for entry in range(first_entry[slot], first_entry[slot] + entries):
            for k in range(at.SUM_COLUMNS):
                sums[k] += entry_sums[entry, k]
        shape_backward(i, sums, means, quaternions, scales, camera, d_means, d_quaternions, d_scales)
        d_opacities[i] -= sums[at.SUM_V] / opacities[i]
        mean = (means[i, 0], means[i, 1], means[i, 2])
        if bases > 1:
            view_x, view_y, view_z, _ = viewing_direction(mean, camera)
            harmonic_values(view_x, view_y, view_z, basis)
        red, green, blue = HALF, HALF, HALF
        for k in range(bases):
            red += harmonics[i, k, 0] * basis[k]
            green += harmonics[i, k, 1] * basis[k]
            blue += harmonics[i, k, 2] * basis[k]
        # A channel that was clamped at 0 passes no gradient.
        d_red = sums[at.SUM_RED] * np.float32(red >= ZERO)
        d_green = sums[at.SUM_GREEN] * np.float32(green >= ZERO)
        d_blue = sums[at.SUM_BLUE] * np.float32(blue >= ZERO)
        for k in range(bases):
            slopes[k] = harmonics[i, k, 0] * d_red + harmonics[i, k, 1] * d_green + harmonics[i, k, 2] * d_blue
            d_harmonics[i, k, 0] += basis[k] * d_red
            d_harmonics[i, k, 1] += basis[k] * d_green
            d_harmonics[i, k, 2] += basis[k] * d_blue
        if bases > 1:
            d_x, d_y, d_z = direction_backward(mean, camera, slopes)
            d_means[i, 0] += d_x
            d_means[i, 1] += d_y
            d_means[i, 2] += d_z
