"""Arrays passed between the CPU kernels: columns, tile size, limits."""

import numpy as np

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
# principal point in px, near plane, and the clamping range of x/z and y/z in the projection's Jacobian.
ROTATION, TRANSLATION, POSITION, FOCAL, CENTER, NEAR, LIMITS, CAMERA_COLUMNS = 0, 9, 12, 15, 17, 19, 20, 24

LOW_PASS = np.float32(0.3)  # px², added to the projected covariance (Kerbl et al. 2023)
MAX_ALPHA = np.float32(0.999)  # as in gsplat 1.5.3
MIN_ALPHA = np.float32(1 / 255)  # weaker contributions are skipped
LOG2_MIN_ALPHA = np.float32(np.log2(1 / 255))
MIN_TRANSMITTANCE = np.float32(1e-4)  # a pixel is finished before its transmittance falls to this
FAR = np.float32(1e10)  # world units, gsplat's far plane
LOG2_E = np.float32(np.log2(np.e))
