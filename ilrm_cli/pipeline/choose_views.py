"""Selection of input photos: spread over positions and directions, sharp, and connected."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float64
from numpy import ndarray
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from ilrm_cli.capture.poses.overlap import point_keys, shared_points
from ilrm_cli.runtime.errors import InputError

RESTARTS = 8  # k-means runs from different starts; the tightest is kept
MAX_ROUNDS = 50  # Lloyd iterations; a few hundred photos converge in about ten

FEW_SHARED = 15  # sparse points in common with the other inputs below which an input counts as isolated
BESIDE = 0.3  # of the distance to the next input, in pose features: nearer photos show about the same
RIVALS = 6  # nearest photos that each input is compared with
# Ratio of the variance of the Laplacian, at the size at which the model sees photos. Measured there on 20 captures: the
# sharpest photo beside an input has at most 1.9 times its variance; a Gaussian blur of 1 px removes 9 tenths of it.
SHARPER = 3.0

Sharpness = Callable[[Sequence[int]], Sequence[float]]  # variance of the Laplacian of photos, by index


@dataclass(frozen=True)
class Swap:
    """A photo chosen by k-means and the one that replaced it."""

    dropped: int
    taken: int
    why: Literal["blurred", "alone"]


@dataclass(frozen=True)
class Choice:
    """The inputs, by index, and the replacements made."""

    inputs: tuple[int, ...]  # ascending
    swaps: tuple[Swap, ...] = ()


def choose_views(
    world_from_cam: Float64[ndarray, "photo 4 4"],
    count: int,
    found_points: Sequence[Float64[ndarray, "_ 3"] | None],
    sharpness: Sharpness,
    *,
    seed: int = 0,
) -> Choice:
    """Choose photos by `select_views`, then replace those that are isolated or blurred.

    An input that shares hardly any sparse point (`found_points`, per photo) with the other inputs is replaced by the
    nearest photo that does; one beside a clearly sharper photo, by the sharpest. `sharpness` is evaluated only for
    inputs and photos beside them.
    """
    inputs = list(select_views(world_from_cam, count, seed=seed))
    if len(inputs) < 2 or len(inputs) == len(world_from_cam):
        return Choice(tuple(inputs))
    distance = cdist(*2 * [pose_features(world_from_cam)])
    alone = _replace_lonely(inputs, distance, found_points)
    blurred = _replace_blurred(inputs, {swap.dropped for swap in alone}, distance, sharpness)
    return Choice(tuple(sorted(inputs)), (*alone, *blurred))


def _replace_lonely(
    inputs: list[int], distance: Float64[ndarray, "photo photo"], found_points: Sequence[Float64[ndarray, "_ 3"] | None]
) -> list[Swap]:
    """Replace inputs without overlap in place; does nothing if the points of an input are unknown."""
    keys = [None if points is None else point_keys(points) for points in found_points]
    if any(keys[index] is None for index in inputs):
        return []

    def shared(index: int, slot: int) -> int:
        own = keys[index]
        others = [keys[other] for i, other in enumerate(inputs) if i != slot]
        return 0 if own is None else shared_points(own, [other for other in others if other is not None])

    swaps = []
    for slot, index in enumerate(inputs):
        if shared(index, slot) >= FEW_SHARED:
            continue
        unused = (int(i) for i in distance[index].argsort() if i not in inputs)
        better = next((other for other in unused if shared(other, slot) >= FEW_SHARED), None)
        if better is not None:
            swaps.append(Swap(index, better, "alone"))
            inputs[slot] = better
    return swaps


def _replace_blurred(
    inputs: list[int], dropped: set[int], distance: Float64[ndarray, "photo photo"], sharpness: Sharpness
) -> list[Swap]:
    """Replace inputs that have a sharper photo beside them in place, but not by one `dropped` before."""
    unused = [i for i in range(len(distance)) if i not in inputs and i not in dropped]
    rivals = []
    for slot, index in enumerate(inputs):
        reach = BESIDE * min(distance[index, other] for i, other in enumerate(inputs) if i != slot)
        near = [i for i in unused if distance[index, i] <= reach]
        rivals.append(sorted(near, key=lambda i: distance[index, i])[:RIVALS])
    asked = sorted({i for slot, near in enumerate(rivals) if near for i in (inputs[slot], *near)})
    sharp = dict(zip(asked, sharpness(asked), strict=True)) if asked else {}
    swaps = []
    for slot, near in enumerate(rivals):
        free = [i for i in near if i not in inputs]
        if not free:
            continue
        sharpest = max(free, key=lambda i: sharp[i])
        if sharp[sharpest] > SHARPER * sharp[inputs[slot]]:
            swaps.append(Swap(inputs[slot], sharpest, "blurred"))
            inputs[slot] = sharpest
    return swaps


def select_views(world_from_cam: Float64[ndarray, "photo 4 4"], count: int, *, seed: int = 0) -> tuple[int, ...]:
    """Return the ascending indices of exactly `count` distinct photos that represent all of them.

    k-means on [camera position, forward direction] as in iLRM (arXiv 2507.23277); the photo nearest to each centre is
    chosen. Positions are divided by their root-mean-square distance from their mean, so that both halves have equal
    weight in any unit. The same seed gives the same choice. Raises InputError if there are fewer photos than `count`.
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
    """Return [position, forward] of each photo; positions relative to their mean, over their RMS distance from it."""
    positions = world_from_cam[:, :3, 3] - world_from_cam[:, :3, 3].mean(0)
    spread = np.sqrt((positions**2).sum(1).mean())
    return np.concatenate([positions / (spread or 1.0), world_from_cam[:, :3, 2]], axis=1)


def _kmeans(
    features: Float64[ndarray, "photo 6"], count: int, rng: np.random.Generator
) -> Float64[ndarray, "center 6"]:
    """Run Lloyd's algorithm from several k-means++ starts (Arthur and Vassilvitskii 2007); return the best centres."""
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
    """Choose starts by k-means++: the probability grows with the squared distance from the previous centres."""
    chosen = [int(rng.integers(len(features)))]
    while len(chosen) < count:
        distance = cdist(features[chosen], features, "sqeuclidean").min(0)
        total = distance.sum()
        chosen.append(int(rng.choice(len(features), p=distance / total if total > 0 else None)))
    return features[chosen].copy()
