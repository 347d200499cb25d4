"""Gradients of `blend`, by compositing again front to back.

Per pixel, u = dL/dcolour · colour + dL/d(accumulated depth) · depth + dL/dalpha is the value of a unit of weight. Then
dL/dalpha_i = T_i u_i - rest_i / (1 - alpha_i), where rest_i is the value of everything behind i: it starts as the value
of the finished pixel and decreases by w_i u_i at each step, so only the images need to be kept from the forward pass.
"""

import numpy as np

from ilrm_cli.render.cpu import arrays as at
from ilrm_cli.render.cpu.arrays import BLOCKS, LANES, ONE, RECORD_COLUMNS, SUM_COLUMNS, TILE, exp2_of_negative
from ilrm_cli.render.cpu.tiles import (
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
    start_kernel,
    start_tile,
)
from ilrm_cli.runtime.kernels import inlined, kernel

# Planes of a block after LIGHT: upstream gradients and `rest`.
D_RED, D_GREEN, D_BLUE, D_DEPTH, D_ALPHA, REST = (LIGHT + LANES * i for i in range(1, 7))
STRIDE = 7 * LANES

# After the blocks: the sums of one Gaussian, lane by lane.
SUMS = HEADER + BLOCKS * STRIDE
WORK_SIZE = SUMS + SUM_COLUMNS * LANES


@inlined
def load_upstream(work, left, top, color, alpha, depth, d_color, d_alpha, d_depth):
    """Set the upstream gradients and the values of the finished pixels of one tile."""
    height, width = alpha.shape
    for row in range(min(TILE, height - top)):
        for column in range(min(TILE, width - left)):
            pixel, y, x = place_of(row, column, STRIDE), top + row, left + column
            covered = alpha[y, x]
            inverse = ONE / covered if covered > ZERO else ZERO
            red, green, blue = d_color[0, y, x], d_color[1, y, x], d_color[2, y, x]
            work[D_RED + pixel] = red
            work[D_GREEN + pixel] = green
            work[D_BLUE + pixel] = blue
            work[D_DEPTH + pixel] = d_depth[y, x] * inverse
            work[D_ALPHA + pixel] = d_alpha[y, x] - d_depth[y, x] * depth[y, x] * inverse
            worth = red * color[0, y, x] + green * color[1, y, x] + blue * color[2, y, x]
            work[REST + pixel] = worth + d_alpha[y, x] * covered


@inlined
def replay_block(work, batch, n, block):
    """Blend Gaussian n of the batch again with one block, and add what it finds to the Gaussian's sums."""
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
        free = exp2_of_negative(power, e1, e2, e3, e4, e5)
        alpha = min(free, most)
        alpha = alpha if power >= least else ZERO
        before = work[LIGHT + base + lane]
        after = before * (ONE - alpha)
        seen = after > still_open
        alpha = alpha if seen else ZERO
        weight = alpha * before
        work[LIGHT + base + lane] = after if seen else -abs(before)
        d_red, d_green, d_blue = work[D_RED + base + lane], work[D_GREEN + base + lane], work[D_BLUE + base + lane]
        d_depth = work[D_DEPTH + base + lane]
        unit = red * d_red + green * d_green + blue * d_blue + depth * d_depth + work[D_ALPHA + base + lane]
        worth = weight * unit
        rest = work[REST + base + lane] - worth
        work[REST + base + lane] = rest
        v = alpha / (ONE - alpha) * rest - worth  # dL/dsigma, with alpha = opacity exp(-sigma)
        v = v if free <= most else ZERO
        vx, vy = v * dx, v * dy
        work[SUMS + at.SUM_V * LANES + lane] += v
        work[SUMS + at.SUM_VX * LANES + lane] += vx
        work[SUMS + at.SUM_VY * LANES + lane] += vy
        work[SUMS + at.SUM_VXX * LANES + lane] += vx * dx
        work[SUMS + at.SUM_VXY * LANES + lane] += vx * dy
        work[SUMS + at.SUM_VYY * LANES + lane] += vy * dy
        work[SUMS + at.SUM_RED * LANES + lane] += weight * d_red
        work[SUMS + at.SUM_GREEN * LANES + lane] += weight * d_green
        work[SUMS + at.SUM_BLUE * LANES + lane] += weight * d_blue
        work[SUMS + at.SUM_DEPTH * LANES + lane] += weight * d_depth


@inlined
def blend_batch_backward(work, batch, reached, listed, ends, count, found):
    """Replay a batch; row n of `found` becomes the sums of Gaussian n if it reaches any block."""
    i = 0
    for n in range(count):
        if reached[n] == 0:
            continue
        for k in range(SUM_COLUMNS * LANES):
            work[SUMS + k] = ZERO
        while i < ends[n]:
            replay_block(work, batch, n, listed[i] & (BLOCKS - 1))
            i += 1
        for column in range(SUM_COLUMNS):
            total = ZERO
            for lane in range(LANES):
                total += work[SUMS + column * LANES + lane]
            found[n, column] = total


@inlined
def find_entries(slots, first, count, tiles, first_entry, column, row, entries):
    """Find the rows of `sums` for entries first:first + count of a tile, in a separate loop as in `fetch`."""
    for n in range(count):
        slot = slots[first + n]
        nth = (row - tiles[slot, 1]) * (tiles[slot, 2] - tiles[slot, 0]) + column - tiles[slot, 0]
        entries[n] = first_entry[slot] + nth


@kernel
def blend_tiles_backward(
    start, stop, columns, starts, slots, blocks, records, tiles, first_entry,
    color, alpha, depth, d_color, d_alpha, d_depth, sums,
):  # fmt: skip
    """Write the sums of every (Gaussian, tile) of tiles start:stop, with a Gaussian's tiles side by side in `sums`.

    Rows of Gaussians that reach no unfinished pixel are not written.
    """
    height, width = alpha.shape
    work = np.empty(WORK_SIZE, np.float32)
    batch = np.empty(BATCH * RECORD_COLUMNS, np.float32)
    reached, ends = np.empty(BATCH, np.int32), np.empty(BATCH, np.int32)
    listed = np.empty(WORK_LENGTH, np.int32)
    entries, found = np.empty(BATCH, np.int64), np.empty((BATCH, SUM_COLUMNS), np.float32)
    start_kernel(work)
    for tile in range(start, stop):
        column, row = tile % columns, tile // columns
        left, top = column * TILE, row * TILE
        start_tile(work, STRIDE, left, top, width, height)
        load_upstream(work, left, top, color, alpha, depth, d_color, d_alpha, d_depth)
        for first in range(starts[tile], starts[tile + 1], BATCH):
            count = min(BATCH, starts[tile + 1] - first)
            for n in range(count):
                reached[n] = blocks[first + n]
            if list_work(reached, count, listed, ends) == 0:
                continue
            fetch(records, slots, first, first + count, batch)
            find_entries(slots, first, count, tiles, first_entry, column, row, entries)
            blend_batch_backward(work, batch, reached, listed, ends, count, found)
            for n in range(count):
                if reached[n] != 0:
                    for k in range(SUM_COLUMNS):
                        sums[entries[n], k] = found[n, k]
