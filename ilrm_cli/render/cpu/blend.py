"""Compositing of the tiles, front to back.

Gaussians of a tile are taken nearest first; each is added to the 4x4 blocks of pixels that it reaches, 16 pixels at a
time without a branch, so that LLVM turns the inner loop into vector instructions. A finished pixel is marked by the
sign of its transmittance: every later weight is 0.
"""

import numpy as np

from ilrm_cli.render.cpu import arrays as at
from ilrm_cli.render.cpu.arrays import BLOCKS, LANES, ONE, RECORD_COLUMNS, TILE, exp2_of_negative
from ilrm_cli.render.cpu.tiles import (
    ALL_BLOCKS,
    BATCH,
    BLOCK_X,
    BLOCK_Y,
    HEADER,
    LANE_X,
    LANE_Y,
    LIGHT,
    MAX,
    MIN,
    NUMBERS,
    OPEN,
    WORK_LENGTH,
    ZERO,
    fetch,
    list_work,
    place_of,
    reached_blocks,
    start_kernel,
    start_tile,
    unfinished_blocks,
)
from ilrm_cli.runtime.kernels import inlined, kernel

# Planes of a block after LIGHT: accumulated colours and depth, times weight.
R, G, B, Z = (LIGHT + LANES * i for i in range(1, 5))
STRIDE = 5 * LANES


@inlined
def blend_block(work, batch, n, block):
    """Add Gaussian n of the batch to the pixels of one block."""
    x = work[BLOCK_X + block] - batch[at.MEAN_X * BATCH + n]
    y = work[BLOCK_Y + block] - batch[at.MEAN_Y * BATCH + n]
    a, b, c = batch[at.XX * BATCH + n], batch[at.XY * BATCH + n], batch[at.YY * BATCH + n]
    peak = batch[at.LOG2_OPACITY * BATCH + n]
    red, green = batch[at.RED * BATCH + n], batch[at.GREEN * BATCH + n]
    blue, depth = batch[at.BLUE * BATCH + n], batch[at.DEPTH * BATCH + n]
    e1, e2, e3 = work[NUMBERS], work[NUMBERS + 1], work[NUMBERS + 2]
    e4, e5, most, least, still_open = work[NUMBERS + 3], work[NUMBERS + 4], work[MAX], work[MIN], work[OPEN]
    base = block * STRIDE
    for lane in range(LANES):
        dx, dy = work[LANE_X + lane] + x, work[LANE_Y + lane] + y
        power = peak - c * dy * dy - dx * (a * dx + b * dy)
        alpha = min(exp2_of_negative(power, e1, e2, e3, e4, e5), most)
        alpha = alpha if power >= least else ZERO
        before = work[LIGHT + base + lane]
        after = before * (ONE - alpha)
        seen = after > still_open
        weight = alpha * before if seen else ZERO
        work[LIGHT + base + lane] = after if seen else -abs(before)
        work[R + base + lane] += weight * red
        work[G + base + lane] += weight * green
        work[B + base + lane] += weight * blue
        work[Z + base + lane] += weight * depth


@inlined
def finish_tile(work, left, top, background, color, alpha, depth):
    """Write the tile's pixels to the images."""
    height, width = alpha.shape
    for row in range(min(TILE, height - top)):
        for column in range(min(TILE, width - left)):
            pixel, y, x = place_of(row, column, STRIDE), top + row, left + column
            light = abs(work[LIGHT + pixel])
            covered = ONE - light
            color[0, y, x] = work[R + pixel] + light * background[0]
            color[1, y, x] = work[G + pixel] + light * background[1]
            color[2, y, x] = work[B + pixel] + light * background[2]
            alpha[y, x] = covered
            depth[y, x] = work[Z + pixel] / covered if covered > ZERO else ZERO


@kernel
def blend_tiles(start, stop, columns, starts, slots, blocks, records, background, cutoff, color, alpha, depth):
    """Composite tiles start:stop into the images color [3, H, W], alpha and depth [H, W].

    `blocks`, one number per entry, become the bits of the 4x4 blocks in which it was blended; zeros stay where tiles
    were finished before.
    """
    height, width = alpha.shape
    work = np.empty(HEADER + BLOCKS * STRIDE, np.float32)
    batch = np.empty(BATCH * RECORD_COLUMNS, np.float32)
    reached, ends = np.empty(BATCH, np.int32), np.empty(BATCH, np.int32)
    listed = np.empty(WORK_LENGTH, np.int32)
    start_kernel(work)
    for tile in range(start, stop):
        left, top = tile % columns * TILE, tile // columns * TILE
        start_tile(work, STRIDE, left, top, width, height)
        alive = ALL_BLOCKS
        for first in range(starts[tile], starts[tile + 1], BATCH):
            count = min(BATCH, starts[tile + 1] - first)
            fetch(records, slots, first, first + count, batch)
            reached_blocks(batch, count, left, top, alive, reached)
            for n in range(count):
                blocks[first + n] = reached[n]
            for i in range(list_work(reached, count, listed, ends)):
                # The masks tell the compiler that both are not negative.
                blend_block(work, batch, listed[i] // BLOCKS & (BATCH - 1), listed[i] & (BLOCKS - 1))
            alive = unfinished_blocks(work, STRIDE, cutoff)
            if alive == 0:
                break
        finish_tile(work, left, top, background, color, alpha, depth)
