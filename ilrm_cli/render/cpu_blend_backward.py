"""Gradients of `cpu_blend`, by compositing again front to back.

Per pixel, u = dL/dcolour · colour + dL/d(accumulated depth) · depth + dL/dalpha is what a unit of weight is worth. Then
dL/dalpha_i = T_i u_i - rest_i / (1 - alpha_i), where rest_i is the worth of everything behind i: it starts as the worth
of the finished pixel and loses w_i u_i at each step, so nothing but the images needs to be kept from the forward pass.
"""

import numpy as np

from ilrm_cli.render import cpu_layout as at
from ilrm_cli.render.cpu_blend import BATCH, LIGHT, LOWEST, OFFSET, PLANE, ZERO, fetch, is_finished, reached, start_tile
from ilrm_cli.render.cpu_jit import inlined, kernel
from ilrm_cli.render.cpu_layout import LOG2_MIN_ALPHA, MAX_ALPHA, MIN_TRANSMITTANCE, RECORD_COLUMNS, STRIP, TILE
from ilrm_cli.render.cpu_math import HALF, ONE, exp2_of_negative

# Planes of a tile's working memory after LIGHT and OFFSET: upstream gradients, `rest`, and rows of lanes.
D_RED, D_GREEN, D_BLUE, D_DEPTH, D_ALPHA, REST, LANES, PLANES = range(2, 10)
# Rows of 16 sums in plane LANES, one sum per column of the tile.
V, VY, VYY, LANE_RED, LANE_GREEN, LANE_BLUE, LANE_DEPTH, LANE_ROWS = range(8)


@inlined
def load_upstream(work, left, top, color, alpha, depth, d_color, d_alpha, d_depth):
    """Set the upstream gradients and the worth of the finished pixels of one tile."""
    height, width = alpha.shape
    for row in range(min(TILE, height - top)):
        for column in range(min(TILE, width - left)):
            pixel, y, x = row * TILE + column, top + row, left + column
            covered = alpha[y, x]
            inverse = ONE / covered if covered > ZERO else ZERO
            red, green, blue = d_color[0, y, x], d_color[1, y, x], d_color[2, y, x]
            work[D_RED * PLANE + pixel] = red
            work[D_GREEN * PLANE + pixel] = green
            work[D_BLUE * PLANE + pixel] = blue
            work[D_DEPTH * PLANE + pixel] = d_depth[y, x] * inverse
            work[D_ALPHA * PLANE + pixel] = d_alpha[y, x] - d_depth[y, x] * depth[y, x] * inverse
            worth = red * color[0, y, x] + green * color[1, y, x] + blue * color[2, y, x]
            work[REST * PLANE + pixel] = worth + d_alpha[y, x] * covered


@inlined
def blend_strip_backward(work, row, left, batch, at_record, dx0, dy):
    """Replay one Gaussian on 8 pixels of a row from column `left` on; add its gradients to the sums of each column."""
    a, b = batch[at_record + at.XX], batch[at_record + at.XY] * dy
    peak = batch[at_record + at.LOG2_OPACITY] - batch[at_record + at.YY] * dy * dy
    red, green = batch[at_record + at.RED], batch[at_record + at.GREEN]
    blue, depth = batch[at_record + at.BLUE], batch[at_record + at.DEPTH]
    base = (row * TILE + left) & (PLANE - STRIP)  # the masks tell the compiler that these are not negative
    lanes = LANES * PLANE + (left & STRIP)
    for lane in range(STRIP):
        dx = work[OFFSET * PLANE + (left & STRIP) + lane] + dx0
        power = max(peak - dx * (a * dx + b), LOWEST)
        free = exp2_of_negative(power)
        alpha = min(free, MAX_ALPHA)
        alpha = alpha if power >= LOG2_MIN_ALPHA else ZERO
        before = work[LIGHT * PLANE + base + lane]
        after = before * (ONE - alpha)
        seen = after > MIN_TRANSMITTANCE
        alpha = alpha if seen else ZERO
        weight = alpha * before
        work[LIGHT * PLANE + base + lane] = after if seen else -abs(before)
        d_red, d_green = work[D_RED * PLANE + base + lane], work[D_GREEN * PLANE + base + lane]
        d_blue, d_depth = work[D_BLUE * PLANE + base + lane], work[D_DEPTH * PLANE + base + lane]
        worth = red * d_red + green * d_green + blue * d_blue + depth * d_depth + work[D_ALPHA * PLANE + base + lane]
        rest = work[REST * PLANE + base + lane] - weight * worth
        work[REST * PLANE + base + lane] = rest
        v = alpha / (ONE - alpha) * rest - weight * worth  # dL/dsigma, with alpha = opacity exp(-sigma)
        v = v if free <= MAX_ALPHA else ZERO
        work[lanes + V * TILE + lane] += v
        work[lanes + VY * TILE + lane] += v * dy
        work[lanes + VYY * TILE + lane] += v * dy * dy
        work[lanes + LANE_RED * TILE + lane] += weight * d_red
        work[lanes + LANE_GREEN * TILE + lane] += weight * d_green
        work[lanes + LANE_BLUE * TILE + lane] += weight * d_blue
        work[lanes + LANE_DEPTH * TILE + lane] += weight * d_depth


@inlined
def store_sums(work, dx0, sums, entry):
    """Add up the columns' sums of one Gaussian: moments of v in dx and dy, and the gradients of colour and depth."""
    v0, vx, vy, vxx, vxy, vyy = ZERO, ZERO, ZERO, ZERO, ZERO, ZERO
    red, green, blue, depth = ZERO, ZERO, ZERO, ZERO
    for lane in range(TILE):
        dx = work[OFFSET * PLANE + lane] + dx0
        v, v_dy = work[LANES * PLANE + V * TILE + lane], work[LANES * PLANE + VY * TILE + lane]
        v0 += v
        vx += v * dx
        vxx += v * dx * dx
        vy += v_dy
        vxy += v_dy * dx
        vyy += work[LANES * PLANE + VYY * TILE + lane]
        red += work[LANES * PLANE + LANE_RED * TILE + lane]
        green += work[LANES * PLANE + LANE_GREEN * TILE + lane]
        blue += work[LANES * PLANE + LANE_BLUE * TILE + lane]
        depth += work[LANES * PLANE + LANE_DEPTH * TILE + lane]
    sums[entry, at.SUM_V], sums[entry, at.SUM_VX], sums[entry, at.SUM_VY] = v0, vx, vy
    sums[entry, at.SUM_VXX], sums[entry, at.SUM_VXY], sums[entry, at.SUM_VYY] = vxx, vxy, vyy
    sums[entry, at.SUM_RED], sums[entry, at.SUM_GREEN], sums[entry, at.SUM_BLUE], sums[entry, at.SUM_DEPTH] = (
        red,
        green,
        blue,
        depth,
    )


@inlined
def blend_gaussian_backward(work, batch, at_record, left, top, sums, entry):
    """Replay one Gaussian on the pixels it reaches of the tile with corner (left, top); write row `entry` of sums."""
    mean_x, mean_y = batch[at_record + at.MEAN_X], batch[at_record + at.MEAN_Y]
    dx0, dy0 = np.float32(left) + HALF - mean_x, np.float32(top) + HALF - mean_y
    first, last = reached(mean_y, batch[at_record + at.REACH_Y], top)
    first_column, last_column = reached(mean_x, batch[at_record + at.REACH_X], left)
    for i in range(LANE_ROWS * TILE):
        work[LANES * PLANE + i] = ZERO
    for strip in range(first_column // STRIP, (last_column + STRIP - 1) // STRIP):
        for row in range(first, last):
            blend_strip_backward(work, row, strip * STRIP, batch, at_record, dx0, dy0 + np.float32(row))
    store_sums(work, dx0, sums, entry)


@kernel
def blend_tiles_backward(
    start, stop, columns, starts, slots, records, tiles, first_entry,
    color, alpha, depth, d_color, d_alpha, d_depth, sums,
):  # fmt: skip
    """Write the sums of every (Gaussian, tile) of tiles start:stop, a Gaussian's tiles side by side in `sums`."""
    height, width = alpha.shape
    work = np.empty(PLANES * PLANE, np.float32)
    batch = np.empty(BATCH * RECORD_COLUMNS, np.float32)
    for tile in range(start, stop):
        column, row = tile % columns, tile // columns
        left, top = column * TILE, row * TILE
        work[:] = ZERO
        start_tile(work, left, top, width, height)
        load_upstream(work, left, top, color, alpha, depth, d_color, d_alpha, d_depth)
        for first in range(starts[tile], starts[tile + 1], BATCH):
            last = min(first + BATCH, starts[tile + 1])
            fetch(records, slots, first, last, batch)
            for n in range(last - first):
                slot = slots[first + n]
                nth = (row - tiles[slot, 1]) * (tiles[slot, 2] - tiles[slot, 0]) + column - tiles[slot, 0]
                blend_gaussian_backward(work, batch, n * RECORD_COLUMNS, left, top, sums, first_entry[slot] + nth)
            if is_finished(work):
                break
