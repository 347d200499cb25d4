"""Assignment of Gaussians to tiles, nearest first.

Visible Gaussians are sorted once by depth, then distributed to the tiles in that order, so no tile needs its own sort.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int16, Int32, Int64
from numpy import ndarray

from ilrm_cli.render.cpu import arrays as at
from ilrm_cli.render.cpu.arrays import TILE
from ilrm_cli.runtime.kernels import in_parallel, kernel, thread_count

DIGIT_BITS = 11  # of the radix sort: three passes cover a float32
DIGITS = 1 << DIGIT_BITS


@dataclass(frozen=True)
class Bins:
    """The Gaussians of each tile, tiles in row-major order."""

    columns: int  # tiles per row of tiles
    starts: Int64[ndarray, " ends"]  # tile t has slots[starts[t]:starts[t + 1]]
    slots: Int32[ndarray, " entry"]  # rows of the projection's records, nearest first within a tile


@kernel
def gather_visible(visible, share, depths, slots, keys):
    """Gather the slots of all visible Gaussians and their depths; positive floats sort like their bits."""
    n = 0
    for chunk in range(visible.shape[0]):
        for slot in range(chunk * share, chunk * share + visible[chunk]):
            slots[n] = slot
            keys[n] = depths[slot]
            n += 1


@kernel
def radix_sort(keys, values, keys_spare, values_spare):
    """Sort `values` by `keys`, stably, least significant digit first; the result is in the spare arrays."""
    counts = np.zeros((3, DIGITS), np.int64)
    mask = np.uint32(DIGITS - 1)
    for i in range(keys.shape[0]):
        for digit in range(3):
            counts[digit, (keys[i] >> np.uint32(digit * DIGIT_BITS)) & mask] += 1
    for digit in range(3):
        position = 0
        for d in range(DIGITS):
            count = counts[digit, d]
            counts[digit, d] = position
            position += count
        shift = np.uint32(digit * DIGIT_BITS)
        for i in range(keys.shape[0]):
            d = (keys[i] >> shift) & mask
            position = counts[digit, d]
            counts[digit, d] = position + 1
            keys_spare[position] = keys[i]
            values_spare[position] = values[i]
        keys, keys_spare = keys_spare, keys
        values, values_spare = values_spare, values


@kernel
def count_entries(start, stop, share, order, tiles, columns, sorted_tiles, counts):
    """Copy rows of `tiles` in the order of order[start:stop] and count how many of these reach each tile."""
    part = start // share
    for n in range(start, stop):  # a separate loop, so that scattered memory accesses overlap
        for side in range(4):
            sorted_tiles[n, side] = tiles[order[n], side]
    for n in range(start, stop):
        for row in range(sorted_tiles[n, 1], sorted_tiles[n, 3]):
            for column in range(sorted_tiles[n, 0], sorted_tiles[n, 2]):
                counts[part, row * columns + column] += 1


@kernel
def deal_entries(start, stop, share, order, sorted_tiles, columns, positions, slots):
    """Write order[start:stop] to the tiles they reach, starting at their share's `positions`."""
    part = start // share
    for n in range(start, stop):
        for row in range(sorted_tiles[n, 1], sorted_tiles[n, 3]):
            for column in range(sorted_tiles[n, 0], sorted_tiles[n, 2]):
                position = positions[part, row * columns + column]
                slots[position] = order[n]
                positions[part, row * columns + column] = position + 1


@kernel
def number_entries(visible, share, tiles, first_entry):
    """Assign numbers to the (Gaussian, tile) pairs, slot by slot; return their count."""
    n = 0
    for chunk in range(visible.shape[0]):
        for slot in range(chunk * share, chunk * share + visible[chunk]):
            first_entry[slot] = n
            n += (tiles[slot, 2] - tiles[slot, 0]) * (tiles[slot, 3] - tiles[slot, 1])
    return n


def depth_order(
    records: Float32[ndarray, "gaussian columns"], visible: Int64[ndarray, " share"], share: int
) -> Int32[ndarray, " visible"]:
    """Return the slots of the visible Gaussians from near to far; equal depths keep their order."""
    total = int(visible.sum())
    slots, order = np.empty(total, np.int32), np.empty(total, np.int32)
    keys = np.empty(total, np.uint32)
    gather_visible(visible, share, records.view(np.uint32)[:, at.DEPTH], slots, keys)
    radix_sort(keys, slots, np.empty_like(keys), order)
    return order


def bin_by_tile(
    order: Int32[ndarray, " visible"], tiles: Int16[ndarray, "gaussian 4"], width: int, height: int
) -> Bins:
    """Assign the Gaussians, in the given order, to every tile they reach."""
    columns, rows = -(-width // TILE), -(-height // TILE)
    share = max(1, -(-len(order) // thread_count()))
    counts = np.zeros((-(-len(order) // share), rows * columns), np.int64)
    sorted_tiles = np.empty((len(order), 4), tiles.dtype)
    in_parallel(count_entries, len(order), share, share, order, tiles, columns, sorted_tiles, counts)
    ends = counts.T.reshape(-1).cumsum()  # tile by tile, and share by share within a tile
    positions = np.ascontiguousarray((ends - counts.T.reshape(-1)).reshape(rows * columns, len(counts)).T)
    starts = np.concatenate([np.zeros(1, np.int64), counts.sum(0).cumsum()])
    slots = np.empty(int(starts[-1]), np.int32)
    in_parallel(deal_entries, len(order), share, share, order, sorted_tiles, columns, positions, slots)
    return Bins(columns=columns, starts=starts, slots=slots)
