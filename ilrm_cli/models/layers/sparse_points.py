"""Depth from the sparse points of structure from motion, spread over all pixels.

Our addition to iLRM (not in the paper): poses from photos come with a few hundred triangulated points per view, whose
depth is reliable where wide baselines defeat matching. Every viewpoint pixel attends to the points of its view with
fixed weights that fall with distance in the image and in colour (joint bilateral upsampling, Kopf et al. 2007), so that
depth spreads over a surface and stops where the colour changes. No gradient flows through it.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from ilrm_cli.geometry.cameras import Cameras, pixel_centers

REACH = 0.03  # of the grid's long side: distance at which a point's weight falls to exp(-1/2)
PIXELS_AT_ONCE = 1024  # pixels processed at once, with their distances to all points: fits into a CPU's cache
COLOR_REACH = 0.15  # colour difference (L2 of RGB in [0, 1]) with the same effect


@torch.no_grad()
def spread_points(
    sparse_depth: Float[Tensor, "rows columns"],
    colors: Float[Tensor, "3 height width"],
    cameras: Cameras,
    planes: Float[Tensor, " plane"],
    limit: int,
) -> tuple[Float[Tensor, "height width plane"], Float[Tensor, "height width"]] | None:
    """Return, for every pixel of a view, its points' share near each log-depth plane, and their mean log-depth.

    The shares of a pixel sum to its confidence, 1 beside a point and 0 far from all. `sparse_depth` is at image
    resolution, 0 where unknown; at most `limit` points, evenly chosen, are used. Returns None without any point.
    """
    row, column = sparse_depth.nonzero().unbind(-1)
    if len(row) == 0:
        return None
    step = -(-len(row) // limit)
    row, column = row[step // 2 :: step], column[step // 2 :: step]
    log_depth = sparse_depth[row, column].log()

    factor = sparse_depth.shape[0] / cameras.height
    at = torch.stack([column, row], dim=-1).add(0.5).div(factor)  # [N, 2] px of the grid
    cell = at.long()
    point_color = colors[:, cell[:, 1].clamp_max(cameras.height - 1), cell[:, 0].clamp_max(cameras.width - 1)].T
    pixels = pixel_centers(cameras.width, cameras.height, colors).flatten(0, 1)  # [P, 2]
    reach = REACH * max(cameras.width, cameras.height)
    queries = torch.cat([pixels / reach, colors.flatten(1).T / COLOR_REACH], dim=-1)  # [P, 5]
    keys = torch.cat([at / reach, point_color / COLOR_REACH], dim=-1)  # [N, 5]

    kinds = torch.cat([_near_planes(log_depth, planes), log_depth[:, None]], dim=-1)  # [N, planes + 1]
    share = torch.cat([_attended(some, keys, kinds) for some in queries.split(PIXELS_AT_ONCE)])
    grid = (cameras.height, cameras.width)
    return share[:, :-1].unflatten(0, grid), share[:, -1].view(grid)


def _attended(
    queries: Float[Tensor, "pixel channel"], keys: Float[Tensor, "point channel"], kinds: Float[Tensor, "point kind"]
) -> Float[Tensor, "pixel kind"]:
    """Average over points with weights exp(-distance² / 2); all kinds but the last are scaled by the top weight."""
    middle = keys.mean(0)  # numbers near 0 lose least when squares are subtracted
    queries, keys = queries - middle, keys - middle
    closeness = torch.addmm(-keys.square().sum(1) / 2, queries, keys.T)  # [P, N], up to the query's own square
    nearest = closeness.amax(1, keepdim=True) - queries.square().sum(1, keepdim=True) / 2
    share = closeness.softmax(1) @ kinds
    share[:, :-1] *= nearest.clamp_max(0).exp()
    return share


def _near_planes(log_depth: Float[Tensor, " point"], planes: Float[Tensor, " plane"]) -> Float[Tensor, "point plane"]:
    """Return each depth as shares of the two planes it lies between; beyond the ends, all of the end plane."""
    above = torch.searchsorted(planes, log_depth).clamp(1, len(planes) - 1)
    low, high = planes[above - 1], planes[above]
    share = ((log_depth - low) / (high - low)).clamp(0, 1)
    near = torch.zeros(len(log_depth), len(planes)).to(log_depth)
    return near.scatter(1, above[:, None], share[:, None]).scatter(1, above[:, None] - 1, 1 - share[:, None])
