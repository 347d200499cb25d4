"""Compositing of one tile after another, front to back.

For each Gaussian of a tile, nearest first, strips of 8 px are updated without a branch, so that LLVM turns the inner
loop into vector instructions. A finished pixel is marked by the sign of its transmittance: every later weight is 0.
"""

import numpy as np

from ilrm_cli.render import cpu_layout as at
from ilrm_cli.render.cpu_jit import inlined, kernel
from ilrm_cli.render.cpu_layout import LOG2_MIN_ALPHA, MAX_ALPHA, MIN_TRANSMITTANCE, RECORD_COLUMNS, STRIP, TILE
from ilrm_cli.render.cpu_math import HALF, ONE, exp2_of_negative

ZERO = np.float32(0)
LOWEST = np.float32(-100)  # keeps 2^power representable; long skipped by then
PLANE = TILE * TILE
BATCH = 64  # Gaussians fetched at once; then the tile may be found finished

# Planes of a tile's working memory.
LIGHT, OFFSET, R, G, B, Z, PLANES = range(7)


@inlined
def fetch(records, slots, first, last, batch):
    """Copy the records of entries first:last side by side: one tight loop waits for memory only once."""
    for n in range(first, last):
        slot, row = slots[n], (n - first) * RECORD_COLUMNS
        for column in range(RECORD_COLUMNS):
            batch[row + column] = records[slot, column]


@inlined
def reached(center, reach, start):
    """Pixels [first, last) of the 16 from `start` on with centres within center ± reach, or one more."""
    middle = center - HALF - np.float32(start)
    low, high = max(middle - reach, ZERO), min(middle + reach, np.float32(TILE - 1))
    first = np.int32(low)
    first += np.int32(np.float32(first) < low)
    return first, np.int32(high) + np.int32(1)


@inlined
def start_tile(work, left, top, width, height):
    """Transmittance 1 in every pixel of the image, finished outside it; column offsets for the vector loop."""
    for row in range(TILE):
        for column in range(TILE):
            inside = left + column < width and top + row < height
            work[LIGHT * PLANE + row * TILE + column] = ONE if inside else -ONE
    for column in range(TILE):
        work[OFFSET * PLANE + column] = np.float32(column)


@inlined
def is_finished(work):
    unfinished = 0
    for pixel in range(PLANE):
        unfinished += work[LIGHT * PLANE + pixel] > ZERO
    return unfinished == 0


@inlined
def blend_strip(work, row, left, batch, at_record, dx0, dy):
    """Add one Gaussian to 8 pixels of a row from column `left` on; column 0 is dx0, dy away from its mean."""
    a, b = batch[at_record + at.XX], batch[at_record + at.XY] * dy
    peak = batch[at_record + at.LOG2_OPACITY] - batch[at_record + at.YY] * dy * dy
    red, green = batch[at_record + at.RED], batch[at_record + at.GREEN]
    blue, depth = batch[at_record + at.BLUE], batch[at_record + at.DEPTH]
    base = (row * TILE + left) & (PLANE - STRIP)  # the mask tells the compiler that it is not negative
    for lane in range(STRIP):
        dx = work[OFFSET * PLANE + (left & STRIP) + lane] + dx0
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


@inlined
def blend_gaussian(work, batch, at_record, left, top):
    """Add one Gaussian to the pixels it reaches of the tile with corner (left, top)."""
    mean_x, mean_y = batch[at_record + at.MEAN_X], batch[at_record + at.MEAN_Y]
    dx0, dy0 = np.float32(left) + HALF - mean_x, np.float32(top) + HALF - mean_y
    first, last = reached(mean_y, batch[at_record + at.REACH_Y], top)
    first_column, last_column = reached(mean_x, batch[at_record + at.REACH_X], left)
    for strip in range(first_column // STRIP, (last_column + STRIP - 1) // STRIP):
        for row in range(first, last):
            blend_strip(work, row, strip * STRIP, batch, at_record, dx0, dy0 + np.float32(row))


@inlined
def finish_tile(work, left, top, background, color, alpha, depth):
    """Write the tile's pixels to the images."""
    height, width = alpha.shape
    for row in range(min(TILE, height - top)):
        for column in range(min(TILE, width - left)):
            pixel, y, x = row * TILE + column, top + row, left + column
            light = abs(work[LIGHT * PLANE + pixel])
            covered = ONE - light
            color[0, y, x] = work[R * PLANE + pixel] + light * background[0]
            color[1, y, x] = work[G * PLANE + pixel] + light * background[1]
            color[2, y, x] = work[B * PLANE + pixel] + light * background[2]
            alpha[y, x] = covered
            depth[y, x] = work[Z * PLANE + pixel] / covered if covered > ZERO else ZERO


@kernel
def blend_tiles(start, stop, columns, starts, slots, records, background, color, alpha, depth):
    """Composite tiles start:stop into the images color [3, H, W], alpha and depth [H, W]."""
    height, width = alpha.shape
    work = np.empty(PLANES * PLANE, np.float32)
    batch = np.empty(BATCH * RECORD_COLUMNS, np.float32)
    for tile in range(start, stop):
        left, top = tile % columns * TILE, tile // columns * TILE
        work[:] = ZERO
        start_tile(work, left, top, width, height)
        for first in range(starts[tile], starts[tile + 1], BATCH):
            last = min(first + BATCH, starts[tile + 1])
            fetch(records, slots, first, last, batch)
            for n in range(last - first):
                blend_gaussian(work, batch, n * RECORD_COLUMNS, left, top)
            if is_finished(work):
                break
        finish_tile(work, left, top, background, color, alpha, depth)
