"""Which photos become inputs: spread over the places and directions from which the scene was seen."""

import numpy as np
from jaxtyping import Float64
from numpy import ndarray
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from ilrm_cli.errors import InputError

RESTARTS = 8  # k-means runs from different beginnings; the tightest is kept
MAX_ROUNDS = 50  # Lloyd iterations; a few hundred photos settle in about ten


def select_views(world_from_cam: Float64[ndarray, "photo 4 4"], count: int, *, seed: int = 0) -> tuple[int, ...]:
    """Indices, ascending, of exactly `count` distinct photos that stand for all of them.

    k-means on [camera position, forward direction] as in iLRM (arXiv 2507.23277); the photo nearest to each centre is
    taken. Positions are divided by their root-mean-square distance from their mean, so that both halves weigh alike
    whatever the unit. The same seed gives the same choice. Raises InputError if there are fewer photos than `count`.
    """
    assert count >= 1, "at least one view"
    found = len(world_from_cam)
    if count > found:
        raise InputError(f"--views {count} is more than the {found} photos that have a pose; ask for {found} or fewer.")
    if count == found:
        return tuple(range(found))
    features = pose_features(world_from_cam)
    centers = _kmeans(features, count, np.random.default_rng(seed))
    _, chosen = linear_sum_assignment(cdist(centers, features, "sqeuclidean"))  # nearest, but no photo twice
    return tuple(sorted(int(index) for index in chosen))


def pose_features(world_from_cam: Float64[ndarray, "photo 4 4"]) -> Float64[ndarray, "photo 6"]:
    """[position, forward direction] of each photo; positions from their mean, over their root-mean-square distance."""
    positions = world_from_cam[:, :3, 3] - world_from_cam[:, :3, 3].mean(0)
    spread = np.sqrt((positions**2).sum(1).mean())
    return np.concatenate([positions / (spread or 1.0), world_from_cam[:, :3, 2]], axis=1)


def _kmeans(
    features: Float64[ndarray, "photo 6"], count: int, rng: np.random.Generator
) -> Float64[ndarray, "center 6"]:
    """Lloyd's algorithm from several k-means++ beginnings (Arthur and Vassilvitskii 2007)."""
    best, lowest = features[:count], np.inf
    for _ in range(RESTARTS):
        centers = _spread_out(features, count, rng)
        for _ in range(MAX_ROUNDS):
            nearest = cdist(centers, features, "sqeuclidean").argmin(0)  # [photo]
            moved = np.array(
                [features[nearest == k].mean(0) if (nearest == k).any() else centers[k] for k in range(count)]
            )
            if np.array_equal(moved, centers):
                break
            centers = moved
        cost = cdist(centers, features, "sqeuclidean").min(0).sum()
        if cost < lowest:
            best, lowest = centers, cost
    return best


def _spread_out(
    features: Float64[ndarray, "photo 6"], count: int, rng: np.random.Generator
) -> Float64[ndarray, "center 6"]:
    """k-means++: each further centre is drawn with a chance that grows with its squared distance from the others."""
    chosen = [int(rng.integers(len(features)))]
    while len(chosen) < count:
        distance = cdist(features[chosen], features, "sqeuclidean").min(0)
        total = distance.sum()
        chosen.append(int(rng.choice(len(features), p=distance / total if total > 0 else None)))
    return features[chosen].copy()
