"""Compositing of one tile after another, front to back.

For each Gaussian of a tile, nearest first, whole 16 px rows are updated without a branch, so that LLVM turns the inner
loop into vector instructions. A finished pixel is marked by the sign of its transmittance: every later weight is 0.
"""

import math

import numpy as np

from ilrm_cli.render import cpu_layout as at
from ilrm_cli.render.cpu_jit import kernel
from ilrm_cli.render.cpu_layout import LOG2_MIN_ALPHA, MAX_ALPHA, MIN_TRANSMITTANCE, TILE
from ilrm_cli.render.cpu_math import HALF, ONE, exp2_of_negative

ZERO = np.float32(0)
LOWEST = np.float32(-100)  # keeps 2^power representable; long skipped by then
PLANE = TILE * TILE
CHECK_EVERY = 16  # Gaussians between two looks whether the whole tile is finished

# Planes of a tile's working memory.
LIGHT, OFFSET, R, G, B, Z, PLANES = range(7)


@kernel
def rows_reached(record, top):
    """Rows [first, last) of the tile starting at `top` that a Gaussian reaches."""
    low = math.ceil(record[at.MEAN_Y] - record[at.REACH_Y] - HALF) - np.float32(top)
    high = math.floor(record[at.MEAN_Y] + record[at.REACH_Y] - HALF) - np.float32(top)
    return int(max(low, ZERO)), int(min(high, np.float32(TILE - 1))) + 1


@kernel
def start_tile(work, left, top, width, height):
    """Transmittance 1 in every pixel of the image, finished outside it; column offsets for the vector loop."""
    for row in range(TILE):
        for column in range(TILE):
            inside = left + column < width and top + row < height
            work[LIGHT * PLANE + row * TILE + column] = ONE if inside else -ONE
    for column in range(TILE):
        work[OFFSET * PLANE + column] = np.float32(column)


@kernel
def is_finished(work):
    highest = -ONE
    for pixel in range(PLANE):
        highest = max(highest, work[LIGHT * PLANE + pixel])
    return highest < ZERO


@kernel
def blend_row(work, base, record, dx0, dy):
    """Add one Gaussian to the 16 pixels from `base` on; the first is dx0, dy away from its mean."""
    a, b = record[at.XX], record[at.XY] * dy
    peak = record[at.LOG2_OPACITY] - record[at.YY] * dy * dy
    red, green, blue, depth = record[at.RED], record[at.GREEN], record[at.BLUE], record[at.DEPTH]
    for lane in range(TILE):
        dx = work[OFFSET * PLANE + lane] + dx0
        power = max(peak - dx * (a * dx + b), LOWEST)
        alpha = min(exp2_of_negative(power), MAX_ALPHA)
        alpha = alpha if power >= LOG2_MIN_ALPHA else ZERO
        before = work[LIGHT * PLANE + base + lane]
        after = before * (ONE - alpha)
        seen = after > MIN_TRANSMITTANCE
        weight = alpha * before if seen else ZERO
        work[LIGHT * PLANE + base + lane] = after if seen else -abs(before)
        work[R * PLANE + base + lane] += weight * red
        work[G * PLANE + base + lane] += weight * green
        work[B * PLANE + base + lane] += weight * blue
        work[Z * PLANE + base + lane] += weight * depth


@kernel
def blend_tiles(start, stop, columns, starts, slots, records, background, color, alpha, depth):
    """Composite tiles start:stop into the images color [3, H, W], alpha and depth [H, W]."""
    height, width = alpha.shape
    work = np.empty(PLANES * PLANE, np.float32)
    for tile in range(start, stop):
        left, top = tile % columns * TILE, tile // columns * TILE
        work[:] = ZERO
        start_tile(work, left, top, width, height)
        for n in range(starts[tile], starts[tile + 1]):
            record = records[slots[n]]
            dx0 = np.float32(left) + HALF - record[at.MEAN_X]
            dy0 = np.float32(top) + HALF - record[at.MEAN_Y]
            first, last = rows_reached(record, top)
            for row in range(first, last):
                blend_row(work, row * TILE, record, dx0, dy0 + np.float32(row))
            if (n - starts[tile]) % CHECK_EVERY == CHECK_EVERY - 1 and is_finished(work):
                break
        for row in range(min(TILE, height - top)):
            for column in range(min(TILE, width - left)):
                pixel = row * TILE + column
                light = abs(work[LIGHT * PLANE + pixel])
                covered = ONE - light
                y, x = top + row, left + column
                color[0, y, x] = work[R * PLANE + pixel] + light * background[0]
                color[1, y, x] = work[G * PLANE + pixel] + light * background[1]
                color[2, y, x] = work[B * PLANE + pixel] + light * background[2]
                alpha[y, x] = covered
                depth[y, x] = work[Z * PLANE + pixel] / covered if covered > ZERO else ZERO
