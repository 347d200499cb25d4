"""The working memory of one tile, and which 4x4 blocks of it each Gaussian of a batch reaches.

The memory is a header, then block after block, the planes of a block's 16 pixels side by side. numba reaches constants
through 64-bit addresses, an instruction each; in the header they cost the vector loops none.

Where alpha >= 1/255 is an ellipse, q(dx, dy) = XX dx² + XY dx dy + YY dy² <= K with K = log2(opacity) - log2(1/255). Of
each row of blocks its exact extent along x is taken. Blocks in which every pixel is finished are left out. The work
then is one flat list of (Gaussian, block), so that the loop over it has no branch for the processor to guess wrong.
"""

import math

import numpy as np

from ilrm_cli.render.cpu import arrays as at
from ilrm_cli.render.cpu.arrays import (
    BLOCK,
    BLOCKS,
    EXP2,
    FOUR,
    HALF,
    LANES,
    LOG2_MIN_ALPHA,
    MAX_ALPHA,
    MIN_TRANSMITTANCE,
    ONE,
    RECORD_COLUMNS,
    TILE,
    TWO,
)
from ilrm_cli.runtime.kernels import inlined

ZERO = np.float32(0)
ALL_BLOCKS = (1 << BLOCKS) - 1

# The header: offsets of lanes within a block, the first pixel centres of blocks in the image (px), and constants.
LANE_X, LANE_Y, BLOCK_X, BLOCK_Y, NUMBERS, HEADER = (LANES * i for i in range(6))
MAX, MIN, OPEN = (NUMBERS + len(EXP2) + i for i in range(3))
LIGHT = HEADER  # of the first block: transmittance, in the first plane; negative if the pixel is finished

BATCH = 32  # Gaussians fetched at once
MARGIN = np.float32(0.01)  # px, so that rounding never cuts a pixel off a footprint
# 4 XX YY - XY² has an error of 2^-24 of its first term; underestimating it by more keeps needles whole.
SLACK = np.float32(1 - 2.0**-22)
LAST_IN_BLOCK = BLOCK - 1

HALF_TILE = BLOCKS // 2  # blocks looked up at once
SETS = 1 << HALF_TILE
MEMBERS = np.zeros((SETS, HALF_TILE), np.int32)  # MEMBERS[set] begins with the bit numbers of `set`, ascending
SIZES = np.zeros(SETS, np.uint64)


@inlined
def start_kernel(work):
    """Fill in the values shared by all tiles."""
    for i in range(LANES):
        work[LANE_X + i], work[LANE_Y + i] = np.float32(i % BLOCK), np.float32(i // BLOCK)
    for i in range(len(EXP2)):
        work[NUMBERS + i] = EXP2[i]
    work[MAX], work[MIN], work[OPEN] = MAX_ALPHA, LOG2_MIN_ALPHA, MIN_TRANSMITTANCE


@inlined
def start_tile(work, stride, left, top, width, height):
    """Set transmittance 1 in every pixel of the image, finished outside it; 0 in the other planes."""
    work[HEADER:] = ZERO
    for block in range(BLOCKS):
        x, y = left + block % BLOCK * BLOCK, top + block // BLOCK * BLOCK
        work[BLOCK_X + block], work[BLOCK_Y + block] = np.float32(x) + HALF, np.float32(y) + HALF
        for lane in range(LANES):
            inside = x + lane % BLOCK < width and y + lane // BLOCK < height
            work[LIGHT + block * stride + lane] = ONE if inside else -ONE


@inlined
def place_of(row, column, stride):
    """Return the offset of a tile's pixel in the first plane of its block, from the end of the header."""
    return (row // BLOCK * (TILE // BLOCK) + column // BLOCK) * stride + row % BLOCK * BLOCK + column % BLOCK


@inlined
def unfinished_blocks(work, stride, cutoff):
    """Return the bits of the blocks with an unfinished pixel whose transmittance is above `cutoff`."""
    alive = 0
    for block in range(BLOCKS):
        light = ZERO
        for lane in range(LANES):
            light += max(work[LIGHT + block * stride + lane] - cutoff, ZERO)
        alive |= (1 << block) if light > ZERO else 0
    return alive


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
