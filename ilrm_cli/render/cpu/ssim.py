"""Mean structural similarity and its gradient in compiled code, for losses on the CPU.

Windows are those of `metrics.ssim`: 11 x 11 Gaussians (Wang et al. 2004) that lie wholly inside the image. With b the
window's mean, mx = b x, my = b y, bxx = b x², byy = b y² and bxy = b xy, every window is worth

    S = A1 A2 / (B1 B2),  A1 = 2 mx my + C1,   A2 = 2 (bxy - mx my) + C2,
                          B1 = mx² + my² + C1,  B2 = bxx - mx² + byy - my² + C2.

Its gradient reaches x through mx, bxx and bxy, whose own gradients are spread back over the window's pixels. Rows are
independent of each other and summed in a fixed order, so that results do not depend on the timing of threads.
"""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ilrm_cli.runtime.kernels import in_parallel, kernel

ROW_SHARE = 32  # rows of windows, or of pixels, per work item of a thread
ZERO, ONE, TWO = np.float32(0), np.float32(1), np.float32(2)


@kernel
def similarity_rows(start, stop, x, y, taps, c1, c2, sums, d_mean, d_square, d_cross):
    """Fill rows start:stop of windows, counted through all planes: sums of S, and its slopes for mx, bxx and bxy."""
    windows_high, windows_wide = d_mean.shape[1], d_mean.shape[2]
    width, taken = x.shape[2], taps.shape[0]
    column = np.empty((5, width), np.float32)
    for index in range(start, stop):
        plane, row = index // windows_high, index % windows_high
        for i in range(width):
            mx, my, xx, yy, xy = ZERO, ZERO, ZERO, ZERO, ZERO
            for k in range(taken):
                a, b, tap = x[plane, row + k, i], y[plane, row + k, i], taps[k]
                mx += tap * a
                my += tap * b
                xx += tap * a * a
                yy += tap * b * b
                xy += tap * a * b
            column[0, i], column[1, i], column[2, i], column[3, i], column[4, i] = mx, my, xx, yy, xy
        total = ZERO
        for i in range(windows_wide):
            mx, my, xx, yy, xy = ZERO, ZERO, ZERO, ZERO, ZERO
            for k in range(taken):
                tap = taps[k]
                mx += tap * column[0, i + k]
                my += tap * column[1, i + k]
                xx += tap * column[2, i + k]
                yy += tap * column[3, i + k]
                xy += tap * column[4, i + k]
            a1, a2 = TWO * mx * my + c1, TWO * (xy - mx * my) + c2
            over_b1, over_b2 = ONE / (mx * mx + my * my + c1), ONE / (xx - mx * mx + yy - my * my + c2)
            similarity = a1 * a2 * over_b1 * over_b2
            total += similarity
            d_mean[plane, row, i] = TWO * (my * (a2 - a1) * over_b1 * over_b2 + mx * similarity * (over_b2 - over_b1))
            d_square[plane, row, i] = -similarity * over_b2
            d_cross[plane, row, i] = TWO * a1 * over_b1 * over_b2
        sums[index] = total


@kernel
def gradient_rows(start, stop, x, y, taps, scale, d_mean, d_square, d_cross, gradient):
    """Fill rows start:stop of pixels, counted through all planes, with `scale` times the gradient of the sum of S."""
    windows_high, windows_wide = d_mean.shape[1], d_mean.shape[2]
    height, width, taken = x.shape[1], x.shape[2], taps.shape[0]
    column = np.zeros((3, width + taken - 1), np.float32)  # windows, with taken - 1 that do not exist on either side
    for index in range(start, stop):
        plane, row = index // height, index % height
        first, last = max(0, row - taken + 1), min(windows_high - 1, row)
        for i in range(windows_wide):
            mean, square, cross = ZERO, ZERO, ZERO
            for j in range(first, last + 1):
                tap = taps[row - j]
                mean += tap * d_mean[plane, j, i]
                square += tap * d_square[plane, j, i]
                cross += tap * d_cross[plane, j, i]
            at = i + taken - 1
            column[0, at], column[1, at], column[2, at] = mean, square, cross
        for i in range(width):
            mean, square, cross = ZERO, ZERO, ZERO
            for k in range(taken):
                tap = taps[k]  # the window is symmetric
                mean += tap * column[0, i + k]
                square += tap * column[1, i + k]
                cross += tap * column[2, i + k]
            gradient[plane, row, i] = scale * (mean + TWO * x[plane, row, i] * square + y[plane, row, i] * cross)


class MeanSimilarity(torch.autograd.Function):
    """The mean of S over all windows and planes; differentiable with respect to x alone."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, taps: Tensor, c1: float, c2: float) -> Tensor:
        planes, height, width = x.shape
        taken = len(taps)
        ours, truth, weights = (t.detach().contiguous().numpy() for t in (x, y, taps))
        shape = (planes, height - taken + 1, width - taken + 1)
        slopes = tuple(np.empty(shape, np.float32) for _ in range(3))
        sums = np.empty(shape[0] * shape[1], np.float32)
        constants = (np.float32(c1), np.float32(c2))
        in_parallel(similarity_rows, len(sums), ROW_SHARE, ours, truth, weights, *constants, sums, *slopes)
        ctx.kept = ours, truth, weights, slopes
        return torch.tensor(sums.sum(dtype=np.float64) / np.prod(shape), dtype=torch.float32)

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        ours, truth, weights, slopes = ctx.kept
        gradient = np.empty_like(ours)
        scale = np.float32(float(upstream[0]) / slopes[0].size)
        rows = ours.shape[0] * ours.shape[1]
        in_parallel(gradient_rows, rows, ROW_SHARE, ours, truth, weights, scale, *slopes, gradient)
        return torch.from_numpy(gradient), None, None, None, None


def mean_similarity(
    x: Float[Tensor, "plane height width"], y: Float[Tensor, "plane height width"], taps: Tensor, c1: float, c2: float
) -> Float[Tensor, ""]:
    """Return the mean structural similarity of float32 planes; `taps` are one row of the window, summing to 1."""
    return MeanSimilarity.apply(x, y, taps, c1, c2)
