"""Simulated structure-from-motion points in rendered views: slightly wrong depths at textured pixels."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

FLAT_WEIGHT = 0.01  # weight of a pixel without gradient, relative to 1 at full contrast
MAX_SHARE = 0.15  # of all pixels: features keep a distance from each other
OUTLIER_FACTOR = 3.0  # a wrong match puts a point at most this many times too far or too near


@dataclass(frozen=True)
class Triangulation:
    """The quality of sparse points; the defaults are clean."""

    points: float = 500.0  # per view, at most
    far: float = 6.0  # nothing beyond this multiple of the lower quartile of all depths is triangulated
    noise: float = 0.0  # standard deviation of log-depth
    outliers: float = 0.0  # share of points at a wrong depth


def draw_triangulation(rng: np.random.Generator) -> Triangulation:
    """Draw a quality as captures vary: from dozens of points in plain rooms to thousands, only nearby or far out."""
    return Triangulation(
        points=float(np.exp(rng.uniform(np.log(40), np.log(1500)))),
        far=float(np.exp(rng.uniform(np.log(1.5), np.log(8)))),
        noise=float(np.exp(rng.uniform(np.log(0.001), np.log(0.02)))),
        outliers=float(rng.uniform(0, 0.03)),
    )


def triangulated(
    images: Float[Tensor, "view 3 height width"],
    depth: Float[Tensor, "view height width"],
    quality: Triangulation,
    rng: np.random.Generator,
) -> Float[Tensor, "view height width"]:
    """Return z-depth at the pixels where a point is found, 0 elsewhere, in the unit of `depth`."""
    gray = images.mean(1)
    across, down = (gray[:, :, 1:] - gray[:, :, :-1]).abs(), (gray[:, 1:] - gray[:, :-1]).abs()
    contrast = torch.nn.functional.pad(across, (0, 1)) + torch.nn.functional.pad(down, (0, 0, 0, 1))
    limit = quality.far * depth.flatten()[:: max(1, depth.numel() // 10_000)].quantile(0.25)
    weight = (contrast + FLAT_WEIGHT) * (depth <= limit)

    count = round(min(quality.points, MAX_SHARE * depth[0].numel()))
    luck = torch.from_numpy(rng.gumbel(size=tuple(depth.shape))).to(depth)
    order = (weight.log() + luck).flatten(1)  # the largest are a weighted draw without replacement
    best = order.topk(count, dim=1)
    error = quality.noise * rng.standard_normal((len(depth), count))
    wild = rng.random((len(depth), count)) < quality.outliers
    error = np.where(wild, rng.uniform(-np.log(OUTLIER_FACTOR), np.log(OUTLIER_FACTOR), error.shape), error)
    value = depth.flatten(1).gather(1, best.indices) * torch.from_numpy(np.exp(error)).to(depth)
    value = value * best.values.isfinite()
    return torch.zeros_like(depth).flatten(1).scatter(1, best.indices, value).view_as(depth)
