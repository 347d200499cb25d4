"""Plane-sweep matching: agreement of the views at each depth of each pixel.

Our addition to iLRM (not in the paper): without it a small model spends most of its training on learning to match. For
every viewpoint pixel, log-spaced fronto-parallel planes are swept (Collins 1996; Yao et al., MVSNet, 2018); the
difference to the neighbouring views, in colour and local contrast, is kept as two statistics: the mean of the few that
agree best (right where others are occluded or look elsewhere) and the mean of all. No gradient flows through it.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import avg_pool2d, grid_sample

from ilrm_cli.geometry.cameras import Cameras, pixel_centers
from ilrm_cli.geometry.views import Views
from ilrm_cli.models.layers.config import MatchingConfig
from ilrm_cli.models.layers.sparse_points import spread_points
from ilrm_cli.runtime.progress import Report, ignore, in_one_step

BACKGROUND_STEP = 0.9  # in log-depth, between planes beyond the far end: parallax changes little there
FINE_WINDOW = 3  # px of the grid: the smallest compared patch
MIN_Z = 1e-6  # points with smaller z are behind a neighbour's camera
OUTSIDE = 3.0  # position of an overflowing point, which no neighbour sees; images reach from -1 to 1
UNSEEN_COST = 1.0  # where no neighbour sees a point: as bad as a full colour difference


@dataclass(frozen=True)
class Matches:
    """The result of a sweep, on the viewpoint grid."""

    # In [0, 1], the planes of each estimate in turn: exp(-cost / scale) of best and mean, share of the sparse points.
    agreement: Float[Tensor, "view height width evidence"]
    # Log of z-depth: soft-argmin of best and mean; with sparse points, theirs (if a view has none, the best again).
    log_depth: Float[Tensor, "view height width estimate"]
    planes: Float[Tensor, "view plane"]  # their log-depths, near to far

    @property
    def log_range(self) -> Float[Tensor, "view 2"]:
        """The log-depths of the nearest and the farthest plane."""
        return self.planes[:, [0, -1]]

    @property
    def relative_depth(self) -> Float[Tensor, "view height width estimate"]:
        """The estimates between the nearest plane, -1, and the farthest, 1."""
        near, far = self.log_range[:, None, None].split(1, dim=-1)
        return (2 * self.log_depth - near - far) / (far - near)

    @staticmethod
    def concatenated(parts: Sequence["Matches"]) -> "Matches":
        """Concatenate the views of several sweeps into one batch."""
        return Matches(*(torch.cat([getattr(p, f.name) for p in parts]) for f in fields(Matches)))

    def __getitem__(self, views: slice) -> "Matches":
        return Matches(*(getattr(self, f.name)[views] for f in fields(Matches)))

    def at(self, log_depth: Float[Tensor, "view height width 1"]) -> "Matches":
        """Return the matches with this estimate only, and without evidence."""
        return replace(self.without_evidence(), log_depth=log_depth)

    def without_evidence(self) -> "Matches":
        """Return the depths alone: all a head needs once the evidence is in the tokens."""
        return replace(self, agreement=self.agreement[..., :0].clone())


@contextmanager
def sweep_compiled_beside(device: torch.device) -> Iterator[None]:
    """Let another process compile the CPU kernel, if the cache lacks it, while the block runs."""
    if device.type != "cpu":
        yield
        return
    from ilrm_cli.models.layers import sweep_cpu  # imports numba
    from ilrm_cli.runtime.kernels import beside

    with nullcontext() if sweep_cpu.is_compiled() else beside(f"from {sweep_cpu.__name__} import warm_up; warm_up()"):
        yield


def prepare_sweep(device: torch.device, report: Report = ignore) -> bool:
    """Compile the CPU kernel if the cache lacks it, so that the first sweep is not slower; return whether it did."""
    if device.type != "cpu":
        return False
    from ilrm_cli.models.layers import sweep_cpu  # imports numba

    if sweep_cpu.is_compiled():
        return False
    in_one_step("compiling the plane sweep, once", sweep_cpu.warm_up, report)
    return True


def log_planes(
    depth_range: tuple[float, float], count: int, like: Tensor, background: int = 0
) -> Float[Tensor, " plane"]:
    """Return the log-depths to sweep, near to far; the last `background` of the `count` planes are beyond far."""
    near, far = torch.tensor(depth_range, dtype=torch.float64).log().tolist()
    inside = torch.linspace(near, far, count - background, device=like.device, dtype=like.dtype)
    beyond = torch.arange(1, background + 1, device=like.device, dtype=like.dtype) * BACKGROUND_STEP
    return torch.cat([inside, far + beyond])


def neighbors_of(cameras: Cameras, count: int) -> Int[Tensor, "view neighbor"]:
    """Return the indices of the other views nearest to each, by position and viewing direction together."""
    position = cameras.positions / cameras.positions.std(0).norm().clamp_min(1e-6)
    feature = torch.cat([position, cameras.forward], dim=-1)
    distance = torch.cdist(feature, feature)
    distance.fill_diagonal_(torch.inf)
    return distance.argsort(dim=1)[:, : min(count, len(cameras) - 1)]


def warps_between(cameras: Cameras, view: int, others: Int[Tensor, " neighbor"]) -> Float[Tensor, "neighbor 3 4"]:
    """Return (rotation, shift) with other_px ~ depth * rotation @ (column, row, 1) + shift for each neighbour."""
    k = cameras.intrinsics_px
    other_from_view = cameras.cam_from_world[others] @ cameras.world_from_cam[view]
    turn = k[others] @ other_from_view[:, :3, :3] @ torch.linalg.inv(k[view])  # [K, 3, 3]
    return torch.cat([turn, k[others] @ other_from_view[:, :3, 3:]], dim=-1)


def warp_costs(
    features: Float[Tensor, "view channel height width"],
    view: int,
    others: Int[Tensor, " neighbor"],
    warps: Float[Tensor, "neighbor 3 4"],
    depths: Float[Tensor, " plane"],
) -> tuple[Float[Tensor, "neighbor plane height width"], Bool[Tensor, "neighbor plane height width"]]:
    """Return the mean absolute difference of `view` to each other view warped onto its planes, and its validity."""
    height, width = features.shape[-2:]
    pixels = pixel_centers(width, height, features)
    pixels = torch.cat([pixels, torch.ones_like(pixels[..., :1])], dim=-1)
    ray = torch.einsum("hwj,kij->khwi", pixels, warps[..., :3])
    point = depths[:, None, None, None] * ray[:, None] + warps[:, None, None, None, :, 3]  # [K, D, h, w, 3]
    z = point[..., 2]
    uv = 2 * point[..., :2] / z[..., None].clamp_min(MIN_Z) / torch.tensor([width, height]).to(features) - 1
    uv.nan_to_num_(OUTSIDE, OUTSIDE, OUTSIDE)
    warped = grid_sample(features[others], uv.flatten(1, 2), align_corners=False).unflatten(2, (len(depths), height))
    seen = (z > MIN_Z) & (uv.abs() <= 1).all(-1)
    return (warped - features[view][:, None]).abs().mean(1), seen


def plane_costs(
    features: Float[Tensor, "view channel height width"],
    view: int,
    others: Int[Tensor, " neighbor"],
    warps: Float[Tensor, "neighbor 3 4"],
    depths: Float[Tensor, " plane"],
    windows: tuple[int, ...],
    best: int,
) -> Float[Tensor, "2 plane height width"]:
    """Return two statistics of a view's costs per plane: mean of the best-agreeing neighbours, and mean of all.

    Costs are means over square windows (odd sides, px), averaged over all `windows`. On CPUs compiled code does the
    work, see `sweep_cpu`.
    """
    if features.device.type == "cpu" and features.dtype == torch.float32 and len(others) > 0:
        from ilrm_cli.models.layers import sweep_cpu  # imports numba

        return sweep_cpu.plane_costs(features, view, others, warps, depths, windows, best)
    return plane_costs_in_torch(features, view, others, warps, depths, windows, best)


def plane_costs_in_torch(
    features: Tensor, view: int, others: Tensor, warps: Tensor, depths: Tensor, windows: tuple[int, ...], best: int
) -> Float[Tensor, "2 plane height width"]:
    """Compute `plane_costs` on any device."""
    cost, seen = warp_costs(features, view, others, warps, depths)
    cost = torch.stack([_smooth(cost, window) for window in windows]).mean(0)  # [K, D, h, w]
    return torch.stack([_best_cost(cost, seen, best), _mean_cost(cost, seen)])


@dataclass(frozen=True)
class PlaneSweep:
    """A scene prepared for sweeping: the data of all views that each view's sweep needs."""

    features: Float[Tensor, "view 6 height width"]  # colour, and its local contrast, on the viewpoint grid
    cameras: Cameras  # on the viewpoint grid
    neighbors: Int[Tensor, "view neighbor"]
    planes: Float[Tensor, " plane"]  # logarithms of z-depths in world units
    windows: tuple[int, ...]  # px of the grid
    config: MatchingConfig
    sparse_depth: Float[Tensor, "view rows columns"] | None  # at image resolution (see `Views`)

    @staticmethod
    @torch.no_grad()
    def of(
        images: Float[Tensor, "view 3 height width"],
        cameras: Cameras,
        depth_range: tuple[float, float],
        config: MatchingConfig,
        sparse_depth: Float[Tensor, "view rows columns"] | None = None,
    ) -> "PlaneSweep":
        """Prepare a sweep. Images and cameras are on the viewpoint grid; `depth_range` = (near, far), world units."""
        coarse = max(FINE_WINDOW, 2 * int(max(cameras.width, cameras.height) * config.coarse_window / 2) + 1)
        windows = (FINE_WINDOW, coarse) if coarse > FINE_WINDOW else (FINE_WINDOW,)
        features = torch.cat([images, images - _smooth(images, coarse)], dim=1)
        planes = log_planes(depth_range, config.planes, images, config.background)
        neighbors = neighbors_of(cameras, config.neighbors)
        return PlaneSweep(features, cameras, neighbors, planes, windows, config, sparse_depth)

    @torch.no_grad()
    def matches(self, part: slice = slice(None)) -> Matches:
        """Sweep the views of `part` (default: all), each against its neighbours among all views."""
        config, planes = self.config, self.planes
        views = list(enumerate(self.neighbors))[part]
        shape = (len(views), self.cameras.height, self.cameras.width)
        agreement = self.features.new_empty((*shape, config.estimates * config.planes))
        log_depth = self.features.new_empty((*shape, config.estimates))
        for row, (view, others) in enumerate(views):
            warps = warps_between(self.cameras, view, others)
            costs = plane_costs(self.features, view, others, warps, planes.exp(), self.windows, config.best)
            costs = costs.permute(2, 3, 0, 1).contiguous()  # [h, w, S, D]
            evidence = agreement[row].unflatten(-1, (config.estimates, config.planes))
            evidence[..., :2, :] = (costs / -config.cost_scale).exp_()
            log_depth[row, ..., :2] = (costs / -config.temperature).softmax(-1) @ planes
            if config.points:  # one more estimate; if the view has no point, the best matches again
                points = None
                if self.sparse_depth is not None:
                    colors, camera = self.features[view, :3], self.cameras[[view]]
                    points = spread_points(self.sparse_depth[view], colors, camera, planes, config.points)
                evidence[..., 2, :], log_depth[row, ..., 2] = points or (0.0, log_depth[row, ..., 0])
        return Matches(agreement, log_depth, planes.expand(len(views), -1))


def _smooth(grid: Tensor, window: int) -> Tensor:
    """Average over a square window (odd side, px) shrunk at borders, rows then columns. [*, *, h, w]"""
    half = window // 2
    rows = avg_pool2d(grid, (window, 1), stride=1, padding=(half, 0), count_include_pad=False)
    return avg_pool2d(rows, (1, window), stride=1, padding=(0, half), count_include_pad=False)


def _best_cost(cost: Tensor, seen: Tensor, count: int) -> Tensor:
    """Average the best-agreeing neighbours: sharp where others are occluded. [K, D, h, w] -> [D, h, w]"""
    masked = torch.where(seen, cost, UNSEEN_COST)
    return masked.topk(min(count, len(masked)), dim=0, largest=False).values.mean(0)


def _mean_cost(cost: Tensor, seen: Tensor) -> Tensor:
    """Average the neighbours that see the point. [K, D, h, w] -> [D, h, w]"""
    count = seen.sum(0)
    return torch.where(count > 0, (cost * seen).sum(0) / count.clamp_min(1), UNSEEN_COST)


# Range of a scene to sweep: nearly all sparse points, and a margin, since the nearest surfaces have few points.
NEAR_QUANTILE, FAR_QUANTILE = 0.01, 0.98
NEAR_MARGIN, FAR_MARGIN = 0.8, 1.5
MOST_DEPTHS = 8_000_000  # evenly chosen: torch takes quantiles of 16 million numbers at most


def depth_range_of(depths: Float[Tensor, " sample"]) -> tuple[float, float]:
    """Return the (near, far) to sweep for a scene with surfaces at these z-depths (> 0), in their units."""
    some = depths[:: -(-len(depths) // MOST_DEPTHS)].double()
    near, far = torch.quantile(some, torch.tensor([NEAR_QUANTILE, FAR_QUANTILE]).to(some))
    return NEAR_MARGIN * float(near), FAR_MARGIN * float(far)


# For posed photos without sparse points: a wide sweep on small images, in normalised units (cameras within 1).
WIDE_RANGE, WIDE_PLANES, WIDE_LONG_SIDE_PX, WIDE_NEIGHBORS = (0.05, 100.0), 96, 64, 2
DISTINCT = 0.35  # a match is distinct if its cost is below this share of the pixel's mean cost over all planes
MIN_DISTINCT = 50  # minimum number of matches for an estimate
FALLBACK_RANGE = (0.5, 20.0)  # near enough for an orbit of radius 1, far enough for a street


def estimate_depth_range(views: Views) -> tuple[float, float]:
    """Estimate (near, far) of a scene from its photos alone, by the depths at which pixels match distinctly."""
    shrink = max(1, max(views.cameras.width, views.cameras.height) // WIDE_LONG_SIDE_PX)
    images = avg_pool2d(views.images, shrink)
    cameras = views.cameras.resized(images.shape[-1], images.shape[-2])
    planes = log_planes(WIDE_RANGE, WIDE_PLANES, images)
    found = []
    neighbors = neighbors_of(cameras, WIDE_NEIGHBORS)
    for view in range(len(images)):
        warps = warps_between(cameras, view, neighbors[view])
        costs, seen = warp_costs(images, view, neighbors[view], warps, planes.exp())
        for cost, defined in zip(_smooth(costs, FINE_WINDOW), seen, strict=True):
            best = torch.where(defined, cost, UNSEEN_COST).min(dim=0)
            mean = (cost * defined).sum(0) / defined.sum(0).clamp_min(1)
            found.append(planes[best.indices[best.values < DISTINCT * mean]].exp())
    depths = torch.cat(found)
    return depth_range_of(depths) if len(depths) >= MIN_DISTINCT else FALLBACK_RANGE
