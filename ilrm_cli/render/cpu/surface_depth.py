"""Depth of the surface that a pixel shows: the mean over what lies near the middle of the light that it stops.

The plain mean of depth is drawn away from a surface by what it lets through and by what floats before it; the depth at
which half of the light is gone (the median) is not, but jumps from one Gaussian to the next. So the tiles are gone
through twice: for the median, then for the mean over Gaussians whose depth is within NEARBY of it.

A Gaussian's own depth is not that of its centre but of the point on the pixel's ray where it is densest, to first order
in the distance from its centre (Zhang et al. 2024, RaDe-GS, eq. 9): for a disc the plane it lies in. With the depths of
centres a slope bulges towards the camera, since on it the nearer Gaussians hide the others.
"""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.transforms import matrix_from_quaternion
from ilrm_cli.render.cpu import arrays as at
from ilrm_cli.render.cpu.arrays import BLOCKS, HALF, LANES, ONE, RECORD_COLUMNS, TILE, exp2_of_negative
from ilrm_cli.render.cpu.rasterizer import TILE_SHARE, camera_rows, draw
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
from ilrm_cli.runtime.kernels import in_parallel, inlined, kernel

NEARBY = np.float32(0.05)  # of the median depth: thickness of what counts as one surface
# Planes of a block after LIGHT: median depth, and the sums of weights and of weighted depths.
MEDIAN, WEIGHT, SUM = (LIGHT + LANES * i for i in range(1, 4))
STRIDE = 4 * LANES
TINIEST = 1e-20  # divisor
TILTS = 3  # columns: change of depth per px to the right and down, and the largest change, world units
REACH = 2.0  # standard deviations along the longest axis, by which depth may differ from that of the centre


@inlined
def follow_block(work, batch, tilts, n, block, second):
    """Let Gaussian n of the batch take its light from the pixels of one block; `second` is 1 in the second round."""
    x = work[BLOCK_X + block] - batch[at.MEAN_X * BATCH + n]
    y = work[BLOCK_Y + block] - batch[at.MEAN_Y * BATCH + n]
    a, b, c = batch[at.XX * BATCH + n], batch[at.XY * BATCH + n], batch[at.YY * BATCH + n]
    peak, center = batch[at.LOG2_OPACITY * BATCH + n], batch[at.DEPTH * BATCH + n]
    right, down, farthest = tilts[n], tilts[BATCH + n], tilts[2 * BATCH + n]
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
        middle = work[MEDIAN + base + lane]
        depth = center + min(max(right * dx + down * dy, -farthest), farthest)
        crosses = (before > HALF) & (after <= HALF)
        work[MEDIAN + base + lane] = depth if crosses & (second == ZERO) else middle
        weight = weight * second if abs(depth - middle) <= NEARBY * middle else ZERO
        work[WEIGHT + base + lane] += weight
        work[SUM + base + lane] += weight * depth
        work[LIGHT + base + lane] = after if seen else -abs(before)


@inlined
def follow_tile(work, batch, tilts, reached, ends, listed, starts, slots, records, tilted, tile, left, top, second):
    """Go through the Gaussians of a tile, nearest first."""
    alive = ALL_BLOCKS
    for first in range(starts[tile], starts[tile + 1], BATCH):
        count = min(BATCH, starts[tile + 1] - first)
        fetch(records, slots, first, first + count, batch)
        for n in range(count):
            for column in range(TILTS):
                tilts[column * BATCH + n] = tilted[slots[first + n], column]
        reached_blocks(batch, count, left, top, alive, reached)
        for i in range(list_work(reached, count, listed, ends)):
            follow_block(work, batch, tilts, listed[i] // BLOCKS & (BATCH - 1), listed[i] & (BLOCKS - 1), second)
        alive = unfinished_blocks(work, STRIDE, ZERO)
        if alive == 0:
            break


@kernel
def surface_tiles(start, stop, columns, starts, slots, records, tilted, depth):
    """Write the depth [H, W] of tiles start:stop: infinite where less than half of the light is stopped."""
    height, width = depth.shape
    work = np.empty(HEADER + BLOCKS * STRIDE, np.float32)
    batch, tilts = np.empty(BATCH * RECORD_COLUMNS, np.float32), np.empty(BATCH * TILTS, np.float32)
    reached, ends = np.empty(BATCH, np.int32), np.empty(BATCH, np.int32)
    listed = np.empty(WORK_LENGTH, np.int32)
    median = np.empty(BLOCKS * LANES, np.float32)
    start_kernel(work)
    for tile in range(start, stop):
        left, top = tile % columns * TILE, tile // columns * TILE
        start_tile(work, STRIDE, left, top, width, height)
        follow_tile(work, batch, tilts, reached, ends, listed, starts, slots, records, tilted, tile, left, top, ZERO)
        for block in range(BLOCKS):
            for lane in range(LANES):
                median[block * LANES + lane] = work[MEDIAN + block * STRIDE + lane]
        start_tile(work, STRIDE, left, top, width, height)
        for block in range(BLOCKS):
            for lane in range(LANES):
                work[MEDIAN + block * STRIDE + lane] = median[block * LANES + lane]
        follow_tile(work, batch, tilts, reached, ends, listed, starts, slots, records, tilted, tile, left, top, ONE)
        for row in range(min(TILE, height - top)):
            for column in range(min(TILE, width - left)):
                pixel = place_of(row, column, STRIDE)
                weight = work[WEIGHT + pixel]
                depth[top + row, left + column] = work[SUM + pixel] / weight if weight > ZERO else np.float32(np.inf)


def surface_depth(
    gaussians: Gaussians, camera: Cameras, background: Float[Tensor, "3"], near: float
) -> tuple[Float[Tensor, "3 height width"], Float[Tensor, "height width"], Float[Tensor, "height width"]]:
    """Render colour, alpha and the depth of surfaces, in one camera, on the CPU; see `rasterize.render`.

    Depth is z in world units, infinite where alpha is below one half.
    """
    assert len(camera) == 1, "one camera at a time"
    size = (camera.height, camera.width)
    color, alpha = torch.empty(3, *size), torch.empty(size)
    plain, depth = torch.empty(size), torch.empty(size)
    arrays = tuple(tensor.detach().float().contiguous().numpy() for tensor in gaussians.tensors())
    row = camera_rows(camera, near, gaussians.antialiased)[0]
    shade = background.float().contiguous().numpy()
    frame = draw(arrays, row, shade, color.numpy(), alpha.numpy(), plain.numpy())
    bins, shown = frame.bins, frame.projection
    tilted = tilts_of(gaussians, camera).numpy()[shown.ids.clip(0, len(gaussians) - 1)]  # unused slots hold anything
    in_parallel(
        surface_tiles, len(bins.starts) - 1, TILE_SHARE,
        bins.columns, bins.starts, bins.slots, shown.records, tilted, depth.numpy(),
    )  # fmt: skip
    return color, alpha, depth


def tilts_of(gaussians: Gaussians, camera: Cameras) -> Float[Tensor, "gaussian 3"]:
    """Return how depth changes across each Gaussian's picture, in the order of TILTS.

    With A the inverse covariance and m the mean, both in the camera's frame, the densest point of the ray through
    (x, y, 1) has the depth z = (r A m) / (r A r), whose derivative at the centre is -z² A m / (m A m).
    """
    pose = camera.cam_from_world[0].float()
    turned = pose[:3, :3] @ matrix_from_quaternion(gaussians.quaternions.float())
    scales = gaussians.scales.float()
    mean = gaussians.means.float() @ pose[:3, :3].T + pose[:3, 3]
    along = torch.einsum("gij,gi->gj", turned, mean) / scales.square().clamp_min(TINIEST)
    facing = torch.einsum("gij,gj->gi", turned, along)  # A m
    over = mean[:, 2].square() / (facing * mean).sum(-1).clamp_min(TINIEST)
    slope = -facing[:, :2] * over[:, None] / camera.focal_px[0].float()
    return torch.cat([slope, REACH * scales.amax(1, keepdim=True)], dim=1).nan_to_num(0).contiguous()
