"""The arrays that the CPU kernels hand to each other, and the small math that they share.

Columns, tile size and limits are named here. The functions are float32 and inlined by numba into the kernels; vectors
are tuples of three.
"""

import numpy as np

from ilrm_cli.geometry import harmonics
from ilrm_cli.runtime.kernels import inlined

TILE = 16  # px, side of a tile
BLOCK = 4  # px, side of a block, which is blended at once
LANES = BLOCK * BLOCK  # pixels of a block: two AVX registers, or one of AVX-512
BLOCKS = (TILE // BLOCK) ** 2  # of a tile, in row-major order

# One row per visible Gaussian with the data for the tile kernels. With d = pixel - mean in px, the exponent is
# log2(alpha) = LOG2_OPACITY - (XX dx² + XY dx dy + YY dy²).
RECORD_COLUMNS = 12
MEAN_X, MEAN_Y, XX, XY, YY, LOG2_OPACITY, RED, GREEN, BLUE, DEPTH, REACH_X, REACH_Y = range(RECORD_COLUMNS)

# One row per (Gaussian, tile): sums over the tile's pixels, with v = dL/dsigma and w the blending weight.
SUM_COLUMNS = 10
SUM_V, SUM_VX, SUM_VY, SUM_VXX, SUM_VXY, SUM_VYY, SUM_RED, SUM_GREEN, SUM_BLUE, SUM_DEPTH = range(SUM_COLUMNS)

# One camera as a row of float32: rotation and translation of cam_from_world, position in the world, focal lengths and
# principal point in px, near plane, the clamping range of x/z and y/z in the projection's Jacobian, and whether the
# scene is antialiased (1) or not (0).
ROTATION, TRANSLATION, POSITION, FOCAL, CENTER, NEAR, LIMITS, ANTIALIASED = 0, 9, 12, 15, 17, 19, 20, 24

LOW_PASS = np.float32(0.3)  # px², added to the projected covariance (Kerbl et al. 2023)
MAX_ALPHA = np.float32(0.999)  # as in gsplat 1.5.3
MIN_ALPHA = np.float32(1 / 255)  # weaker contributions are skipped
LOG2_MIN_ALPHA = np.float32(np.log2(1 / 255))
MIN_TRANSMITTANCE = np.float32(1e-4)  # a pixel is finished before its transmittance falls to this
FAR = np.float32(1e10)  # world units, gsplat's far plane
LOG2_E = np.float32(np.log2(np.e))

ONE, TWO, HALF = np.float32(1), np.float32(2), np.float32(0.5)
TINY = np.float32(1e-12)  # as in torch.nn.functional.normalize

# 2^f on (-1, 0]: 1 + f (E1 + f (E2 + ...)), minimax in relative error (8e-8), exact at 0.
EXP2 = tuple(np.float32(c) for c in (0.69314372113, 0.24018014275, 0.055297357837, 0.0092057976512, 0.00094490342648))
EXPONENT_BIAS, MANTISSA_BITS = np.int32(127), np.int32(1 << 23)

C0, C1 = np.float32(harmonics.SH_C0), np.float32(harmonics.SH_C1)
C20, C21, C22, C23, C24 = (np.float32(c) for c in harmonics.SH_C2)
C30, C31, C32, C33, C34, C35, C36 = (np.float32(c) for c in harmonics.SH_C3)
THREE, FOUR, SIX, EIGHT = np.float32(3), np.float32(4), np.float32(6), np.float32(8)


@inlined
def dot(a, b):
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@inlined
def exp2_of_negative(power, e1, e2, e3, e4, e5):
    """Return 2^power for -126 < power <= 0: the whole part goes into the exponent bits, a polynomial does the rest.

    The coefficients are EXP2, passed from wherever they are cheap. Below -126 the result is arbitrary, including
    infinity and NaN.
    """
    whole = np.int32(power)
    f = power - np.float32(whole)
    scale = np.int32((whole + EXPONENT_BIAS) * MANTISSA_BITS).view(np.float32)
    return scale * (ONE + f * (e1 + f * (e2 + f * (e3 + f * (e4 + f * e5)))))


@inlined
def rotation_columns(w, x, y, z):
    """Return the columns of the rotation matrix of a unit quaternion."""
    return (
        (ONE - TWO * (y * y + z * z), TWO * (x * y + w * z), TWO * (x * z - w * y)),
        (TWO * (x * y - w * z), ONE - TWO * (x * x + z * z), TWO * (y * z + w * x)),
        (TWO * (x * z + w * y), TWO * (y * z - w * x), ONE - TWO * (x * x + y * y)),
    )


@inlined
def harmonic_values(x, y, z, values):
    """Fill in the values of all 16 spherical harmonics in direction (x, y, z), as in `harmonics.basis`."""
    xx, yy, zz = x * x, y * y, z * z
    values[0], values[1], values[2], values[3] = C0, -C1 * y, C1 * z, -C1 * x
    values[4], values[5] = C20 * x * y, C21 * y * z
    values[6] = C22 * (TWO * zz - xx - yy)
    values[7], values[8] = C23 * x * z, C24 * (xx - yy)
    values[9] = C30 * y * (THREE * xx - yy)
    values[10] = C31 * x * y * z
    values[11] = C32 * y * (FOUR * zz - xx - yy)
    values[12] = C33 * z * (TWO * zz - THREE * xx - THREE * yy)
    values[13] = C34 * x * (FOUR * zz - xx - yy)
    values[14] = C35 * z * (xx - yy)
    values[15] = C36 * x * (xx - THREE * yy)


@inlined
def harmonic_slope(x, y, z, g):
    """Return the gradient with respect to (x, y, z) of Σ g_k · basis_k(x, y, z) over all 16."""
    xx, yy, zz = x * x, y * y, z * z
    a, b, c, d, e = C20 * g[4], C21 * g[5], C22 * g[6], C23 * g[7], C24 * g[8]
    dx = -C1 * g[3] + a * y - TWO * c * x + d * z + TWO * e * x
    dy = -C1 * g[1] + a * x + b * z - TWO * c * y - TWO * e * y
    dz = C1 * g[2] + b * y + FOUR * c * z + d * x
    a, b, c, d = C30 * g[9], C31 * g[10], C32 * g[11], C33 * g[12]
    e, f, h = C34 * g[13], C35 * g[14], C36 * g[15]
    dx += SIX * a * x * y + b * y * z - TWO * c * x * y - SIX * d * x * z
    dx += e * (FOUR * zz - THREE * xx - yy) + TWO * f * x * z + THREE * h * (xx - yy)
    dy += THREE * a * (xx - yy) + b * x * z + c * (FOUR * zz - xx - THREE * yy) - SIX * d * y * z
    dy += -TWO * e * x * y - TWO * f * y * z - SIX * h * x * y
    dz += b * x * y + EIGHT * c * y * z + THREE * d * (TWO * zz - xx - yy)
    dz += EIGHT * e * x * z + f * (xx - yy)
    return dx, dy, dz
