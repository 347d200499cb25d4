"""Plane-sweep matching: how well the views agree at each depth of each pixel.

Our addition to iLRM (not in the paper): without it a small model spends most of its training on learning to match.
For every viewpoint pixel, log-spaced fronto-parallel planes are swept (Collins 1996; Yao et al., MVSNet, 2018); the
colour difference to the neighbouring views is kept as two statistics, the mean over all neighbours (best on orbits)
and the mean of the best few of the nearest (best where neighbours are occluded). No gradient flows through it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import avg_pool2d, grid_sample

from ilrm_cli.cameras import Cameras
from ilrm_cli.model.config import MatchingConfig
from ilrm_cli.model.rays import pixel_centers
from ilrm_cli.views import Views

STATISTICS = 2  # mean over neighbours, mean of the best
UNSEEN_COST = 1.0  # where no neighbour sees a point: as bad as a full colour difference


@dataclass(frozen=True)
class Matches:
    """The outcome of a sweep, on the viewpoint grid."""

    agreement: Float[Tensor, "view height width evidence"]  # exp(-cost / scale), planes of each statistic; in [0, 1]
    log_depth: Float[Tensor, "view height width statistics"]  # soft-argmin of each statistic; log of z-depth
    log_range: Float[Tensor, "view 2"]  # logarithms of the nearest and farthest plane of the view's scene

    @staticmethod
    def concatenated(parts: Sequence["Matches"]) -> "Matches":
        """The views of several sweeps as one batch."""
        return Matches(*(torch.cat([getattr(p, f.name) for p in parts]) for f in fields(Matches)))


def log_planes(depth_range: tuple[float, float], count: int, like: Tensor) -> Float[Tensor, "plane"]:
    """Logarithms of the depths that are swept, near to far."""
    near, far = torch.tensor(depth_range, dtype=torch.float64).log().tolist()
    return torch.linspace(near, far, count, device=like.device, dtype=like.dtype)


def neighbors_of(cameras: Cameras, count: int) -> Int[Tensor, "view neighbor"]:
    """Indices of the other views nearest to each, by position and viewing direction together."""
    position = cameras.positions / cameras.positions.std(0).norm().clamp_min(1e-6)
    feature = torch.cat([position, cameras.forward], dim=-1)
    distance = torch.cdist(feature, feature)
    distance.fill_diagonal_(torch.inf)
    return distance.argsort(dim=1)[:, : min(count, len(cameras) - 1)]


def warp_costs(
    images: Float[Tensor, "view 3 height width"],
    cameras: Cameras,
    view: int,
    other: int,
    depths: Float[Tensor, "plane"],
) -> tuple[Float[Tensor, "plane height width"], Float[Tensor, "plane height width"]]:
    """Mean absolute colour difference between `view` and `other` warped onto its planes, and where it is defined."""
    height, width = images.shape[-2:]
    k = cameras.intrinsics_px
    other_from_view = cameras.cam_from_world[other] @ cameras.world_from_cam[view]
    turn = k[other] @ other_from_view[:3, :3] @ torch.linalg.inv(k[view])
    shift = k[other] @ other_from_view[:3, 3]
    pixels = pixel_centers(width, height, images)
    ray = torch.cat([pixels, torch.ones_like(pixels[..., :1])], dim=-1) @ turn.T  # [h, w, 3]
    point = depths[:, None, None, None] * ray + shift  # [D, h, w, 3]
    z = point[..., 2:]
    uv = 2 * point[..., :2] / z.clamp_min(1e-6) / torch.tensor([width, height]).to(images) - 1
    warped = grid_sample(images[other].expand(len(depths), -1, -1, -1), uv, align_corners=False)
    seen = (z[..., 0] > 1e-6) & (uv.abs() <= 1).all(-1)
    return (warped - images[view]).abs().mean(1), seen.to(images)


@torch.no_grad()
def plane_sweep(
    images: Float[Tensor, "view 3 height width"],
    cameras: Cameras,
    depth_range: tuple[float, float],
    config: MatchingConfig,
) -> Matches:
    """Sweep every view against its neighbours.

    Images and cameras are on the viewpoint grid; `depth_range` is (near, far), z-depths in world units.
    """
    planes = log_planes(depth_range, config.planes, images)
    neighbors = neighbors_of(cameras, config.neighbors)
    agreement, log_depth = [], []
    for view in range(len(images)):
        pairs = [warp_costs(images, cameras, view, int(other), planes.exp()) for other in neighbors[view]]
        cost = torch.stack([p[0] for p in pairs])  # [K, D, h, w]
        seen = torch.stack([p[1] for p in pairs])
        costs = torch.stack([_mean_cost(cost, seen), _best_cost(cost, seen, config)])  # [S, D, h, w]
        costs = avg_pool2d(costs, 3, stride=1, padding=1, count_include_pad=False)
        agreement.append(torch.exp(-costs / config.cost_scale).flatten(0, 1).permute(1, 2, 0))
        weight = torch.softmax(-costs / config.temperature, dim=1)
        log_depth.append((weight * planes[:, None, None]).sum(1).permute(1, 2, 0))
    log_range = planes[[0, -1]].expand(len(images), 2)
    return Matches(torch.stack(agreement), torch.stack(log_depth), log_range)


def _mean_cost(cost: Tensor, seen: Tensor) -> Tensor:
    """Mean over the neighbours that see the point. [K, D, h, w] -> [D, h, w]"""
    count = seen.sum(0)
    return torch.where(count > 0, (cost * seen).sum(0) / count.clamp_min(1), UNSEEN_COST)


def _best_cost(cost: Tensor, seen: Tensor, config: MatchingConfig) -> Tensor:
    """Mean of the best few among the nearest neighbours; unseen ones count as bad. [K, D, h, w] -> [D, h, w]"""
    masked = torch.where(seen > 0, cost, UNSEEN_COST)[: config.best_of]
    few = min(config.best, len(masked))
    return masked.topk(few, dim=0, largest=False).values.mean(0)


# What of a scene the sweep should reach: nearly all sparse points, and a margin, since the nearest surfaces have few.
NEAR_QUANTILE, FAR_QUANTILE = 0.01, 0.98
NEAR_MARGIN, FAR_MARGIN = 0.8, 1.5


def depth_range_of(depths: Float[Tensor, "sample"]) -> tuple[float, float]:
    """The (near, far) to sweep for a scene with surfaces at these z-depths (> 0), in their units."""
    near, far = torch.quantile(depths.double(), torch.tensor([NEAR_QUANTILE, FAR_QUANTILE]).to(depths.device).double())
    return NEAR_MARGIN * float(near), FAR_MARGIN * float(far)


# For photos with poses but no sparse points: a wide sweep on small images, in normalised units (cameras within 1).
WIDE_RANGE, WIDE_PLANES, WIDE_LONG_SIDE_PX = (0.05, 100.0), 96, 64
DISTINCT = 0.35  # a match counts where its cost is below this share of the pixel's mean cost over all planes
MIN_DISTINCT = 50  # matches below which nothing is known
FALLBACK_RANGE = (0.5, 20.0)  # near enough for an orbit of radius 1, far enough for a street


def estimate_depth_range(views: Views) -> tuple[float, float]:
    """(near, far) of a scene from its photos alone, by the depths at which pixels match distinctly."""
    shrink = max(1, max(views.cameras.width, views.cameras.height) // WIDE_LONG_SIDE_PX)
    images = avg_pool2d(views.images, shrink)
    cameras = views.cameras.resized(images.shape[-1], images.shape[-2])
    planes = log_planes(WIDE_RANGE, WIDE_PLANES, images)
    found = []
    for view in range(len(images)):
        for other in neighbors_of(cameras, 2)[view]:
            cost, seen = warp_costs(images, cameras, view, int(other), planes.exp())
            cost = torch.where(seen > 0, avg_pool2d(cost, 3, stride=1, padding=1), UNSEEN_COST)
            best = cost.min(dim=0)
            mean = (cost * seen).sum(0) / seen.sum(0).clamp_min(1)
            found.append(planes[best.indices[best.values < DISTINCT * mean]].exp())
    depths = torch.cat(found)
    return depth_range_of(depths) if len(depths) >= MIN_DISTINCT else FALLBACK_RANGE
