"""Plane-sweep matching: how well the views agree at each depth of each pixel.

Our addition to iLRM (not in the paper): without it a small model spends most of its training on learning to match.
For every viewpoint pixel, log-spaced fronto-parallel planes are swept (Collins 1996; Yao et al., MVSNet, 2018); the
difference to the neighbouring views, in colour and local contrast, is kept as two statistics: the mean of the few that
agree best (right where others are occluded or look elsewhere) and the mean of all. No gradient flows through it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import avg_pool2d, grid_sample

from ilrm_cli.cameras import Cameras
from ilrm_cli.model.config import MatchingConfig
from ilrm_cli.model.rays import pixel_centers
from ilrm_cli.model.sparse_depth import spread_points
from ilrm_cli.views import Views

BACKGROUND_STEP = 0.9  # in log-depth, of planes beyond the far end: parallax changes little there
FINE_WINDOW = 3  # px of the grid: the smallest patch that is compared
MIN_Z = 1e-6  # nearer to a neighbour's image plane than this, a point is behind it
UNSEEN_COST = 1.0  # where no neighbour sees a point: as bad as a full colour difference


@dataclass(frozen=True)
class Matches:
    """The outcome of a sweep, on the viewpoint grid."""

    # In [0, 1], the planes of each estimate in turn: exp(-cost / scale) of best and mean, share of the sparse points.
    agreement: Float[Tensor, "view height width evidence"]
    # Log of z-depth: soft-argmin of best and mean; with sparse points, theirs (without any in a view, the best again).
    log_depth: Float[Tensor, "view height width estimate"]
    log_range: Float[Tensor, "view 2"]  # logarithms of the nearest and farthest plane of the view's scene

    @staticmethod
    def concatenated(parts: Sequence["Matches"]) -> "Matches":
        """The views of several sweeps as one batch."""
        return Matches(*(torch.cat([getattr(p, f.name) for p in parts]) for f in fields(Matches)))

    def __getitem__(self, views: slice) -> "Matches":
        return Matches(*(getattr(self, f.name)[views] for f in fields(Matches)))

    def without_evidence(self) -> "Matches":
        """The depths alone: what a head needs once the evidence is in the tokens."""
        return replace(self, agreement=self.agreement[..., :0].clone())


def log_planes(
    depth_range: tuple[float, float], count: int, like: Tensor, background: int = 0
) -> Float[Tensor, " plane"]:
    """Logarithms of the depths that are swept, near to far and, of the `count`, `background` ones beyond."""
    near, far = torch.tensor(depth_range, dtype=torch.float64).log().tolist()
    inside = torch.linspace(near, far, count - background, device=like.device, dtype=like.dtype)
    beyond = torch.arange(1, background + 1, device=like.device, dtype=like.dtype) * BACKGROUND_STEP
    return torch.cat([inside, far + beyond])


def neighbors_of(cameras: Cameras, count: int) -> Int[Tensor, "view neighbor"]:
    """Indices of the other views nearest to each, by position and viewing direction together."""
    position = cameras.positions / cameras.positions.std(0).norm().clamp_min(1e-6)
    feature = torch.cat([position, cameras.forward], dim=-1)
    distance = torch.cdist(feature, feature)
    distance.fill_diagonal_(torch.inf)
    return distance.argsort(dim=1)[:, : min(count, len(cameras) - 1)]


def warp_costs(
    features: Float[Tensor, "view channel height width"],
    cameras: Cameras,
    view: int,
    others: Int[Tensor, " neighbor"],
    depths: Float[Tensor, " plane"],
) -> tuple[Float[Tensor, "neighbor plane height width"], Bool[Tensor, "neighbor plane height width"]]:
    """Mean absolute difference between `view` and each other view warped onto its planes, and where it is defined."""
    height, width = features.shape[-2:]
    k = cameras.intrinsics_px
    other_from_view = cameras.cam_from_world[others] @ cameras.world_from_cam[view]
    turn = k[others] @ other_from_view[:, :3, :3] @ torch.linalg.inv(k[view])  # [K, 3, 3]
    shift = (k[others] @ other_from_view[:, :3, 3:]).squeeze(-1)  # [K, 3]
    pixels = pixel_centers(width, height, features)
    ray = torch.einsum("hwj,kij->khwi", torch.cat([pixels, torch.ones_like(pixels[..., :1])], dim=-1), turn)
    point = depths[:, None, None, None] * ray[:, None] + shift[:, None, None, None]  # [K, D, h, w, 3]
    z = point[..., 2]
    uv = 2 * point[..., :2] / z[..., None].clamp_min(MIN_Z) / torch.tensor([width, height]).to(features) - 1
    warped = grid_sample(features[others], uv.flatten(1, 2), align_corners=False).unflatten(2, (len(depths), height))
    seen = (z > MIN_Z) & (uv.abs() <= 1).all(-1)
    return (warped - features[view][:, None]).abs().mean(1), seen


@torch.no_grad()
def plane_sweep(
    images: Float[Tensor, "view 3 height width"],
    cameras: Cameras,
    depth_range: tuple[float, float],
    config: MatchingConfig,
    sparse_depth: Float[Tensor, "view rows columns"] | None = None,
    part: slice = slice(None),
) -> Matches:
    """Sweep the views of `part` (all, if it is not given) against their neighbours among all.

    Images and cameras are on the viewpoint grid, sparse depths at image resolution (see `Views`); `depth_range` is
    (near, far), z-depths in world units.
    """
    planes = log_planes(depth_range, config.planes, images, config.background)
    neighbors = neighbors_of(cameras, config.neighbors)
    coarse = max(FINE_WINDOW, 2 * int(max(cameras.width, cameras.height) * config.coarse_window / 2) + 1)
    windows = {FINE_WINDOW, coarse}
    features = torch.cat([images, images - _smooth(images, coarse)], dim=1)  # colour, and its local contrast
    agreement, log_depth = [], []
    for view in range(len(images))[part]:
        cost, seen = warp_costs(features, cameras, view, neighbors[view], planes.exp())
        cost = torch.stack([_smooth(cost, window) for window in windows]).mean(0)  # [K, D, h, w]
        costs = torch.stack([_best_cost(cost, seen, config.best), _mean_cost(cost, seen)])  # [S, D, h, w]
        agreement.append(torch.exp(-costs / config.cost_scale).flatten(0, 1).permute(1, 2, 0))
        weight = torch.softmax(-costs / config.temperature, dim=1)
        log_depth.append((weight * planes[:, None, None]).sum(1).permute(1, 2, 0))
    log_range = planes[[0, -1]].expand(len(agreement), 2)
    matches = Matches(torch.stack(agreement), torch.stack(log_depth), log_range)
    if not config.points:
        return matches
    known = None if sparse_depth is None else sparse_depth[part]
    return _with_points(matches, images[part], cameras[part], planes, known, config.points)


def _with_points(
    matches: Matches, colors: Tensor, cameras: Cameras, planes: Tensor, sparse_depth: Tensor | None, limit: int
) -> Matches:
    """The matches with the sparse points as one more estimate."""
    share = torch.zeros(*matches.log_depth.shape[:3], len(planes)).to(matches.agreement)
    log_depth = matches.log_depth[..., 0].clone()
    for view, known in enumerate(sparse_depth if sparse_depth is not None else ()):
        spread = spread_points(known, colors[view], cameras[[view]], planes, limit)
        if spread is not None:
            share[view], log_depth[view] = spread
    return Matches(
        torch.cat([matches.agreement, share], dim=-1),
        torch.cat([matches.log_depth, log_depth[..., None]], dim=-1),
        matches.log_range,
    )


def _smooth(grid: Tensor, window: int) -> Tensor:
    """Mean over a square window (odd side, px), shrunk at the borders; rows first, then columns. [*, *, h, w]"""
    half = window // 2
    rows = avg_pool2d(grid, (window, 1), stride=1, padding=(half, 0), count_include_pad=False)
    return avg_pool2d(rows, (1, window), stride=1, padding=(0, half), count_include_pad=False)


def _best_cost(cost: Tensor, seen: Tensor, count: int) -> Tensor:
    """Mean of the best-agreeing neighbours: sharp where others are occluded. [K, D, h, w] -> [D, h, w]"""
    masked = torch.where(seen, cost, UNSEEN_COST)
    return masked.topk(min(count, len(masked)), dim=0, largest=False).values.mean(0)


def _mean_cost(cost: Tensor, seen: Tensor) -> Tensor:
    """Mean over the neighbours that see the point. [K, D, h, w] -> [D, h, w]"""
    count = seen.sum(0)
    return torch.where(count > 0, (cost * seen).sum(0) / count.clamp_min(1), UNSEEN_COST)


# What of a scene the sweep should reach: nearly all sparse points, and a margin, since the nearest surfaces have few.
NEAR_QUANTILE, FAR_QUANTILE = 0.01, 0.98
NEAR_MARGIN, FAR_MARGIN = 0.8, 1.5


def depth_range_of(depths: Float[Tensor, " sample"]) -> tuple[float, float]:
    """The (near, far) to sweep for a scene with surfaces at these z-depths (> 0), in their units."""
    near, far = torch.quantile(depths.double(), torch.tensor([NEAR_QUANTILE, FAR_QUANTILE]).to(depths.device).double())
    return NEAR_MARGIN * float(near), FAR_MARGIN * float(far)


# For photos with poses but no sparse points: a wide sweep on small images, in normalised units (cameras within 1).
WIDE_RANGE, WIDE_PLANES, WIDE_LONG_SIDE_PX, WIDE_NEIGHBORS = (0.05, 100.0), 96, 64, 2
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
    neighbors = neighbors_of(cameras, WIDE_NEIGHBORS)
    for view in range(len(images)):
        costs, seen = warp_costs(images, cameras, view, neighbors[view], planes.exp())
        for cost, defined in zip(_smooth(costs, FINE_WINDOW), seen, strict=True):
            best = torch.where(defined, cost, UNSEEN_COST).min(dim=0)
            mean = (cost * defined).sum(0) / defined.sum(0).clamp_min(1)
            found.append(planes[best.indices[best.values < DISTINCT * mean]].exp())
    depths = torch.cat(found)
    return depth_range_of(depths) if len(depths) >= MIN_DISTINCT else FALLBACK_RANGE
