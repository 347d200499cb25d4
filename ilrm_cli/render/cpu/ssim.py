"""Mean structural similarity and its gradient in compiled code, for losses on the CPU.

Windows are those of `metrics.ssim`: 11 x 11 Gaussians (Wang et al. 2004) that lie wholly inside the image. With b the
window's mean, mx = b x, my = b y, bxx = b x², byy = b y² and bxy = b xy, every window is worth

    S = A1 A2 / (B1 B2),  A1 = 2 mx my + C1,   A2 = 2 (bxy - mx my) + C2,
                          B1 = mx² + my² + C1,  B2 = bxx - mx² + byy - my² + C2.

Its gradient reaches x through mx, bxx and bxy, whose own gradients are spread back over the window's pixels: symmetric
windows do that by the same sums, over slopes with a margin of zeros. Rows are
independent of each other and summed in a fixed order, so that results do not depend on the timing of threads.
"""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ilrm_cli.runtime.kernels import in_parallel, inlined, kernel

TAPS = 11  # of a window's row; a constant, so that loops over it are unrolled and those over pixels use vectors
MARGIN = TAPS - 1  # windows beyond either edge of an image that would still reach into it
ROW_SHARE = 32  # rows of windows, or of pixels, per work item of a thread
ZERO, ONE, TWO = np.float32(0), np.float32(1), np.float32(2)
MX, MY, XX, YY, XY = range(5)  # rows of statistics
D_MEAN, D_SQUARE, D_CROSS = range(3)  # planes of slopes: of S with respect to mx, bxx and bxy


@inlined
def down_statistics(x, y, taps, sums):
    """Fill `sums` with the vertical windows' sums of x, y, x², y² and xy; x and y are TAPS rows."""
    for i in range(x.shape[1]):
        mx, my, xx, yy, xy = ZERO, ZERO, ZERO, ZERO, ZERO
        for k in range(TAPS):
            a, b = x[k, i], y[k, i]
            weighted_a, weighted_b = taps[k] * a, taps[k] * b
            mx += weighted_a
            my += weighted_b
            xx += weighted_a * a
            yy += weighted_b * b
            xy += weighted_a * b
        sums[MX, i], sums[MY, i], sums[XX, i], sums[YY, i], sums[XY, i] = mx, my, xx, yy, xy


@inlined
def down(rows, taps, sums):
    """Fill `sums` with the vertical windows' sums of TAPS rows."""
    for i in range(sums.shape[0]):
        total = ZERO
        for k in range(TAPS):
            total += taps[k] * rows[k, i]
        sums[i] = total


@inlined
def across(row, taps, sums):
    """Fill `sums` with the horizontal windows' sums of a row, which is longer by MARGIN."""
    for i in range(sums.shape[0]):
        total = ZERO
        for k in range(TAPS):
            total += taps[k] * row[i + k]
        sums[i] = total


@inlined
def similarity(means, c1, c2):
    """Return the sum of S over a row of windows; their slopes replace the first three rows of statistics."""
    total = ZERO
    for i in range(means.shape[1]):
        mx, my, xx, yy, xy = means[MX, i], means[MY, i], means[XX, i], means[YY, i], means[XY, i]
        a1, a2 = TWO * mx * my + c1, TWO * (xy - mx * my) + c2
        over_b1, over_b2 = ONE / (mx * mx + my * my + c1), ONE / (xx - mx * mx + yy - my * my + c2)
        s = a1 * a2 * over_b1 * over_b2
        means[D_MEAN, i] = TWO * (my * (a2 - a1) * over_b1 * over_b2 + mx * s * (over_b2 - over_b1))
        means[D_SQUARE, i] = -s * over_b2
        means[D_CROSS, i] = TWO * a1 * over_b1 * over_b2
        total += s
    return total


@inlined
def copied(row, out):
    for i in range(row.shape[0]):
        out[i] = row[i]


@kernel
def similarity_rows(start, stop, x, y, taps, c1, c2, sums, slopes):
    """Fill rows start:stop of windows, counted through all planes: sums of S, and `slopes` within their MARGIN."""
    windows_high, windows_wide = slopes.shape[2] - 2 * MARGIN, slopes.shape[3] - 2 * MARGIN
    columns, means = np.empty((5, x.shape[2]), np.float32), np.empty((5, windows_wide), np.float32)
    for index in range(start, stop):
        plane, row = index // windows_high, index % windows_high
        down_statistics(x[plane, row : row + TAPS], y[plane, row : row + TAPS], taps, columns)
        for statistic in range(5):
            across(columns[statistic], taps, means[statistic])
        sums[index] = similarity(means, c1, c2)
        for slope in range(3):
            copied(means[slope], slopes[slope, plane, row + MARGIN, MARGIN : MARGIN + windows_wide])


@kernel
def gradient_rows(start, stop, x, y, taps, scale, slopes, gradient):
    """Fill rows start:stop of pixels, counted through all planes, with `scale` times the gradient of the sum of S."""
    height, width = x.shape[1], x.shape[2]
    column, spread = np.empty(width + MARGIN, np.float32), np.empty((3, width), np.float32)
    for index in range(start, stop):
        plane, row = index // height, index % height
        for slope in range(3):
            down(slopes[slope, plane, row : row + TAPS], taps, column)
            across(column, taps, spread[slope])
        ours, truth, out = x[plane, row], y[plane, row], gradient[plane, row]
        for i in range(width):
            slope_of_x = spread[D_MEAN, i] + TWO * ours[i] * spread[D_SQUARE, i] + truth[i] * spread[D_CROSS, i]
            out[i] = scale * slope_of_x


class MeanSimilarity(torch.autograd.Function):
    """The mean of S over all windows and planes; differentiable with respect to x alone."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, taps: Tensor, c1: float, c2: float) -> Tensor:
        planes, height, width = x.shape
        windows = (planes, height - MARGIN, width - MARGIN)
        ours, truth = (t.detach().contiguous().numpy() for t in (x, y))
        weights, constants = tuple(taps.detach().numpy()), (np.float32(c1), np.float32(c2))
        slopes = np.zeros((3, planes, windows[1] + 2 * MARGIN, windows[2] + 2 * MARGIN), np.float32)
        sums = np.empty(planes * windows[1], np.float32)
        in_parallel(similarity_rows, len(sums), ROW_SHARE, ours, truth, weights, *constants, sums, slopes)
        ctx.kept = ours, truth, weights, slopes, np.prod(windows)
        return torch.tensor(sums.sum(dtype=np.float64) / np.prod(windows), dtype=torch.float32)

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        ours, truth, weights, slopes, windows = ctx.kept
        gradient = np.empty_like(ours)
        scale = np.float32(float(upstream[0]) / windows)
        rows = ours.shape[0] * ours.shape[1]
        in_parallel(gradient_rows, rows, ROW_SHARE, ours, truth, weights, scale, slopes, gradient)
        return torch.from_numpy(gradient), None, None, None, None


def mean_similarity(
    x: Float[Tensor, "plane height width"], y: Float[Tensor, "plane height width"], taps: Tensor, c1: float, c2: float
) -> Float[Tensor, ""]:
    """Return the mean structural similarity of float32 planes; `taps` are one row of the window, summing to 1."""
    assert len(taps) == TAPS, "the window that the kernels are compiled for"
    return MeanSimilarity.apply(x, y, taps, c1, c2)
