"""Compiled CPU kernel of the plane sweep, with the same results as `plane_sweep.plane_costs`.

A pixel's channels are adjacent and images have a border of zeros, so that a warped sample takes a few vector operations
without a branch; a plane's costs stay in the cache until they are smoothed and reduced over the neighbours.
"""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import pad

from ilrm_cli.runtime.kernels import in_parallel, inlined, is_cached, kernel

MIN_Z = np.float32(1e-6)  # points with smaller z are behind a neighbour's camera
UNSEEN_COST = np.float32(1.0)  # where no neighbour sees a point: as bad as a full colour difference
LANES = 8  # channels per pixel, padded with zeros to the width of a vector register
HALF, ONE, ZERO = np.float32(0.5), np.float32(1.0), np.float32(0.0)


def plane_costs(
    features: Float[Tensor, "view channel height width"],
    view: int,
    others: Int[Tensor, " neighbor"],
    warps: Float[Tensor, "neighbor 3 4"],
    depths: Float[Tensor, " plane"],
    windows: tuple[int, ...],
    best: int,
) -> Float[Tensor, "2 plane height width"]:
    """Compute `plane_sweep.plane_costs` with the compiled kernel."""
    height, width = features.shape[-2:]
    costs = torch.empty(2, len(depths), height, width)
    assert features.shape[1] <= LANES
    halves = [window // 2 for window in windows]
    row_shares = np.stack([_shares(height, half) / len(halves) for half in halves])
    column_shares = np.stack([_shares(width, half) for half in halves])
    places = np.arange(1, len(others) + 1)  # the view itself comes first
    images = bordered(features[torch.cat([others.new_tensor([view]), others])])
    inputs = (images.numpy(), features.shape[1], 0, places, warps.numpy(), depths.numpy())
    smoothing = (np.array(halves), row_shares, column_shares)
    in_parallel(_plane_costs, len(depths), 1, *inputs, *smoothing, min(best, len(others)), costs.numpy())
    return costs


def _shares(length: int, half: int) -> np.ndarray:
    """Return 1 / (number of the row's pixels in a window around each pixel), as float32."""
    at = np.arange(length)
    return (1 / (np.minimum(at + half, length - 1) - np.maximum(at - half, 0) + 1)).astype(np.float32)


def is_compiled() -> bool:
    """Return whether the compiled kernel is cached; if not, the first sweep waits some seconds for the compiler."""
    return is_cached(_plane_costs)


def warm_up() -> None:
    """Compile the kernel now, or load it from the cache, by sweeping one pixel."""
    warp = torch.eye(3, 4)[None]
    plane_costs(torch.zeros(2, 1, 1, 1), 0, torch.tensor([1]), warp, torch.ones(1), windows=(1,), best=1)


def bordered(features: Float[Tensor, "view channel height width"]) -> Float[Tensor, "view rows columns lane"]:
    """Convert to padded channels-last with a border of zeros, one pixel before and two after, for edge samples."""
    return pad(features.permute(0, 2, 3, 1), (0, LANES - features.shape[1], 1, 2, 1, 2)).contiguous()


@kernel
def _plane_costs(
    start, stop, images, channels, view, others, warps, depths, halves, row_shares, column_shares, best, costs
):
    height, width = costs.shape[2:]
    raw, cost = np.empty((height, width), np.float32), np.empty((height, width), np.float32)
    seen = np.empty((height, width), np.float32)
    lowest = np.empty((best, height, width), np.float32)
    count = np.empty((height, width), np.float32)
    places, shares = np.empty(width, np.int32), np.empty((4, width), np.float32)
    for plane in range(start, stop):
        mean = costs[1, plane]
        lowest[:], count[:], mean[:] = np.inf, ZERO, ZERO
        for number in range(len(others)):
            _warp(images, channels, view, others[number], warps[number], depths[plane], raw, seen, places, shares)
            _smooth(raw, halves, row_shares, column_shares, cost)
            _gather(cost, seen, lowest, mean, count)
        _reduce(lowest, count, costs[0, plane], mean)


@inlined
def _warp(images, channels, view, other, warp, depth, cost, seen, places, shares):
    """Compute the mean absolute difference to the warped other view, and whether each point lies in it (1 or 0)."""
    height, width = cost.shape
    columns = width + 3  # including the border
    scale = ONE / np.float32(channels)
    source, target = images[other].reshape(-1), images[view].reshape(-1)
    below_it = np.uintp(columns * LANES)
    for row in range(height):
        _places(np.float32(row) + HALF, height, width, warp, depth, places, shares, seen[row])
        here = np.uintp(((row + 1) * columns + 1) * LANES)
        for column in range(width):
            top, low = np.uintp(places[column]), np.uintp(places[column]) + below_it
            top_left, top_right = shares[0, column], shares[1, column]
            low_left, low_right = shares[2, column], shares[3, column]
            total = ZERO
            for lane in range(LANES):
                at = np.uintp(lane)
                sample = top_left * source[top + at] + top_right * source[top + at + np.uintp(LANES)]
                sample += low_left * source[low + at] + low_right * source[low + at + np.uintp(LANES)]
                total += abs(sample - target[here + at])
            cost[row, column] = total * scale
            here += np.uintp(LANES)


@inlined
def _places(y, height, width, warp, depth, places, shares, seen):
    """For a row of pixels, find the offset of the 4 nearest samples in the other image, their weights, and validity."""
    right, below, columns = np.float32(width), np.float32(height), np.int32(width + 3)
    u_row, v_row = warp[0, 1] * y + warp[0, 2], warp[1, 1] * y + warp[1, 2]
    z_row = warp[2, 1] * y + warp[2, 2]
    for column in range(width):
        x = np.float32(column) + HALF
        z = depth * (warp[2, 0] * x + z_row) + warp[2, 3]
        over = ONE / max(z, MIN_Z)
        u = (depth * (warp[0, 0] * x + u_row) + warp[0, 3]) * over
        v = (depth * (warp[1, 0] * x + v_row) + warp[1, 3]) * over
        inside = (z > MIN_Z) & (u >= ZERO) & (u <= right) & (v >= ZERO) & (v <= below)
        seen[column] = ONE if inside else ZERO
        # Within the border; 0 comes first, since the first argument is returned if the other is NaN.
        u, v = min(max(ZERO, u + HALF), right + ONE), min(max(ZERO, v + HALF), below + ONE)
        i, j = np.int32(u), np.int32(v)
        du, dv = u - np.float32(i), v - np.float32(j)
        places[column] = (j * columns + i) * np.int32(LANES)
        shares[0, column], shares[1, column] = (ONE - du) * (ONE - dv), du * (ONE - dv)
        shares[2, column], shares[3, column] = (ONE - du) * dv, du * dv


@inlined
def _smooth(grid, halves, row_shares, column_shares, out):
    """Average over square windows, shrunk at the borders, then over windows; `shares` are 1 / row and column counts."""
    height, width = grid.shape
    out[:] = ZERO
    along = np.empty(width, np.float32)
    for number, half in enumerate(halves):
        sums = np.zeros(width + 2 * half, np.float32)  # of columns, between zeros
        inner = sums[half : half + width]
        for row in range(height):
            first, last = max(row - half, 0), min(row + half, height - 1)
            inner[:] = grid[first]
            for other in range(first + 1, last + 1):
                line = grid[other]
                for column in range(width):
                    inner[column] += line[column]
            along[:] = ZERO
            for shift in range(2 * half + 1):
                line = sums[shift : shift + width]
                for column in range(width):
                    along[column] += line[column]
            line, share = out[row], row_shares[number, row]
            for column in range(width):
                line[column] += along[column] * (share * column_shares[number, column])


@inlined
def _gather(cost, seen, lowest, total, count):
    """Add one neighbour: insert its cost into the sorted lowest ones, and into the sums."""
    height, width = cost.shape
    for row in range(height):
        for column in range(width):
            total[row, column] += cost[row, column] * seen[row, column]
            count[row, column] += seen[row, column]
            cost[row, column] = cost[row, column] if seen[row, column] > ZERO else UNSEEN_COST
        for place in range(len(lowest)):
            for column in range(width):
                lower = min(lowest[place, row, column], cost[row, column])
                cost[row, column] = max(lowest[place, row, column], cost[row, column])
                lowest[place, row, column] = lower


@inlined
def _reduce(lowest, count, best, mean):
    """Reduce to the mean of the lowest costs, and turn the sum over all that see the point into a mean."""
    height, width = best.shape
    share = ONE / np.float32(len(lowest))
    for row in range(height):
        best[row] = ZERO
        for place in range(len(lowest)):
            for column in range(width):
                best[row, column] += lowest[place, row, column] * share
        for column in range(width):
            some = count[row, column] > ZERO
            mean[row, column] = mean[row, column] / max(count[row, column], ONE) if some else UNSEEN_COST
