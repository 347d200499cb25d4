"""The 4x4 blocks of a tile that each Gaussian of a batch reaches, and the resulting work list.

The region with alpha >= 1/255 is an ellipse, q(dx, dy) = XX dx² + XY dx dy + YY dy² <= K with K = log2(opacity) -
log2(1/255). Its exact x extent is computed for each row of blocks. Blocks whose pixels are all finished are skipped.
The work then is one flat list of (Gaussian, block), so that its loop has no branch to mispredict.
"""

import math

import numpy as np

from ilrm_cli.render import cpu_layout as at
from ilrm_cli.render.cpu_layout import BLOCK, BLOCKS, LOG2_MIN_ALPHA, RECORD_COLUMNS, TILE
from ilrm_cli.render.cpu_math import FOUR, HALF, TWO
from ilrm_cli.render.cpu_tile import ZERO
from ilrm_cli.runtime.kernels import inlined

BATCH = 64  # Gaussians fetched at once
MARGIN = np.float32(0.01)  # px, so that rounding never cuts a pixel off a footprint
# 4 XX YY - XY² has an error of 2^-24 of its first term; underestimating it by more keeps needles whole.
SLACK = np.float32(1 - 2.0**-22)
LAST_IN_BLOCK = BLOCK - 1

HALF_TILE = BLOCKS // 2  # blocks looked up at once
SETS = 1 << HALF_TILE
MEMBERS = np.zeros((SETS, HALF_TILE), np.int32)  # MEMBERS[set] begins with the bit numbers of `set`, ascending
SIZES = np.zeros(SETS, np.uint64)
for _set in range(SETS):
    _bits = [bit for bit in range(HALF_TILE) if _set >> bit & 1]
    MEMBERS[_set, : len(_bits)] = _bits
    SIZES[_set] = len(_bits)
WORK_LENGTH = BATCH * BLOCKS + HALF_TILE  # the last look-up writes past its members


@inlined
def fetch(records, slots, first, last, batch):
    """Copy the records of entries first:last, column by column.

    Records are scattered in memory: the short loop requests both ends of all of them at once, so that it waits only
    once.
    """
    for n in range(first, last):
        batch[n - first] = records[slots[n], 0]
        batch[(RECORD_COLUMNS - 1) * BATCH + n - first] = records[slots[n], RECORD_COLUMNS - 1]
    for n in range(first, last):
        slot = slots[n]
        for column in range(1, RECORD_COLUMNS - 1):
            batch[column * BATCH + n - first] = records[slot, column]


@inlined
def blocks_in_row(row, mean_x, mean_y, reach_y, spread, narrow, xy, half, turn):
    """Return the bits of the blocks that an ellipse reaches in block row `row`; means are relative to pixel (0, 0)."""
    low = max(np.float32(BLOCK * row) - mean_y, -reach_y)
    high = min(np.float32(BLOCK * row + LAST_IN_BLOCK) - mean_y, reach_y)
    # The ellipse is widest at dy = -turn to the right and at dy = turn to the left; otherwise at the nearer edge.
    at_right, at_left = min(max(-turn, low), high), min(max(turn, low), high)
    right = mean_x + (np.float32(math.sqrt(max(spread - narrow * at_right * at_right, ZERO))) - xy * at_right) * half
    left = mean_x - (np.float32(math.sqrt(max(spread - narrow * at_left * at_left, ZERO))) + xy * at_left) * half
    right = right + MARGIN if low <= high else np.float32(-1)
    left -= MARGIN
    bits = np.int32(0)
    for column in range(TILE // BLOCK):
        reached = (left <= np.float32(BLOCK * column + LAST_IN_BLOCK)) & (right >= np.float32(BLOCK * column))
        bits = np.int32(bits | (np.int32(1 << column) if reached else np.int32(0)))
    return bits


@inlined
def reached_blocks(batch, count, left, top, alive, reached):
    """Set reached[n] to the bits of the blocks in `alive` that Gaussian n of the batch reaches."""
    for n in range(count):
        mean_x = batch[at.MEAN_X * BATCH + n] - (np.float32(left) + HALF)
        mean_y = batch[at.MEAN_Y * BATCH + n] - (np.float32(top) + HALF)
        xx, xy, yy = batch[at.XX * BATCH + n], batch[at.XY * BATCH + n], batch[at.YY * BATCH + n]
        reach_y = batch[at.REACH_Y * BATCH + n]
        spread = FOUR * xx * (batch[at.LOG2_OPACITY * BATCH + n] - LOG2_MIN_ALPHA)
        narrow = FOUR * SLACK * xx * yy - xy * xy
        half, turn = HALF / xx, xy * batch[at.REACH_X * BATCH + n] / (TWO * yy)
        row0 = blocks_in_row(0, mean_x, mean_y, reach_y, spread, narrow, xy, half, turn)
        row1 = blocks_in_row(1, mean_x, mean_y, reach_y, spread, narrow, xy, half, turn)
        row2 = blocks_in_row(2, mean_x, mean_y, reach_y, spread, narrow, xy, half, turn)
        row3 = blocks_in_row(3, mean_x, mean_y, reach_y, spread, narrow, xy, half, turn)
        reached[n] = np.int32((row0 | row1 << 4 | row2 << 8 | row3 << 12) & alive)


@inlined
def list_work(reached, count, work, ends):
    """Write BLOCKS * n + block for each block that n reaches; those of n end before work[ends[n]]."""
    end = np.uint64(0)  # unsigned, as all indices here, so that numba skips the check for negative ones
    for n in range(np.uint64(count)):
        for part in range(2):
            members = np.uint64((reached[n] >> (part * HALF_TILE)) & (SETS - 1))
            first = np.int32(n * np.uint64(BLOCKS)) + np.int32(part * HALF_TILE)
            for i in range(np.uint64(HALF_TILE)):
                work[end + i] = MEMBERS[members, i] + first
            end += SIZES[members]
        ends[n] = end
    return np.int64(end)
