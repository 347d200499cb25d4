"""Working memory of one tile: a header, then the blocks, each with the planes of its 16 pixels side by side.

numba loads constants through 64-bit addresses, an instruction each; in the header they cost the vector loops nothing.
"""

import numpy as np

from ilrm_cli.render.cpu_layout import (
    BLOCK,
    BLOCKS,
    LANES,
    LOG2_MIN_ALPHA,
    MAX_ALPHA,
    MIN_TRANSMITTANCE,
    TILE,
)
from ilrm_cli.render.cpu_math import EXP2, HALF, ONE
from ilrm_cli.runtime.kernels import inlined

ZERO = np.float32(0)
ALL_BLOCKS = (1 << BLOCKS) - 1

# The header: offsets of lanes within a block, the first pixel centres of blocks in the image (px), and constants.
LANE_X, LANE_Y, BLOCK_X, BLOCK_Y, NUMBERS, HEADER = (LANES * i for i in range(6))
MAX, MIN, OPEN = (NUMBERS + len(EXP2) + i for i in range(3))
LIGHT = HEADER  # of the first block: transmittance, in the first plane; negative if the pixel is finished


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
def unfinished_blocks(work, stride):
    """Return the bits of the blocks with an unfinished pixel."""
    alive = 0
    for block in range(BLOCKS):
        light = ZERO
        for lane in range(LANES):
            light += max(work[LIGHT + block * stride + lane], ZERO)
        alive |= (1 << block) if light > ZERO else 0
    return alive
