"""What photos share: their sparse points, and how far they stand from each other, as the scene sees it."""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from numpy import ndarray
from scipy.sparse import csr_matrix
from torch import Tensor

from ilrm_cli.runtime.errors import InputError

# Points in two photos are the same if their coordinates are equal: they come from one list. This sum, unlike a single
# coordinate, differs between points of one wall.
KEY_WEIGHTS = (1.0, 0.7548776662466927, 0.5698402909980532)
# Farthest camera from the middle of all, over the distance of what is seen, or else of the origin: a camera turned by
# hand about itself still moves by a hundredth of the size of a room.
LEAST_PARALLAX, LEAST_SPREAD = 1e-5, 1e-9


def point_keys(points: Float64[ndarray, "point 3"]) -> Float64[ndarray, " key"]:
    """Return one number per distinct point, equal for equal coordinates."""
    x, y, z = (weight * column for weight, column in zip(KEY_WEIGHTS, points.T, strict=True))
    return np.unique(x + y + z)


def shared_points(keys: Float64[ndarray, " key"], others: Iterable[Float64[ndarray, " _"]]) -> int:
    """Count a photo's points (by their keys) that were found in at least one other photo."""
    elsewhere = np.concatenate([np.zeros(0), *others])
    return int(np.isin(keys, elsewhere).sum())


def overlap_matrix(found: Sequence[Float64[ndarray, "_ 3"]]) -> Int64[ndarray, "photo photo"]:
    """Return the number of points that each two photos share, from the points found in each; 0 on the diagonal."""
    keys = [point_keys(points) for points in found]
    photo = np.repeat(np.arange(len(keys)), [len(own) for own in keys])
    distinct, point = np.unique(np.concatenate([np.zeros(0), *keys]), return_inverse=True)
    seen = csr_matrix((np.ones(len(photo), dtype=np.int64), (photo, point)), (len(keys), len(distinct)))
    shared = (seen @ seen.T).toarray()
    np.fill_diagonal(shared, 0)
    return shared


def gap_deg(
    world_from_cam: Float[Tensor, "camera 4 4"], inputs: Float[Tensor, "input 4 4"], depth: float
) -> Float[Tensor, " camera"]:
    """Return the angle in degrees from each camera to the nearest input.

    The angle between two views is the larger of their difference in direction and their parallax, as seen from the
    scene `depth` world units away.
    """
    cosine = (world_from_cam[:, :3, 2] @ inputs[:, :3, 2].T).clamp(-1, 1)
    apart = torch.cdist(world_from_cam[:, :3, 3], inputs[:, :3, 3])
    angle = torch.maximum(torch.arccos(cosine), torch.atan(apart / depth))
    return torch.rad2deg(angle.min(dim=1).values)


def distance_to_scene(
    positions: Float64[ndarray, "photo 3"], found_points: Sequence[Float64[ndarray, "_ 3"] | None]
) -> float:
    """Return the median over photos of the median distance to each photo's points; infinite without any points."""
    distances = [
        float(np.median(np.linalg.norm(points - position, axis=1)))
        for position, points in zip(positions, found_points, strict=True)
        if points is not None and len(points)
    ]
    return float(np.median(distances)) if distances else math.inf


def farthest_apart(positions: Float64[ndarray, "photo 3"]) -> float:
    """Return the distance between the two photos that are farthest apart."""
    return float(np.linalg.norm(positions[:, None] - positions, axis=-1).max())


def require_parallax(positions: Float64[ndarray, "camera 3"], points: Float64[ndarray, "point 3"], place: Path) -> None:
    """Raise InputError if all cameras stand in one place: nothing then tells how far away anything is."""
    middle = positions.mean(axis=0)
    spread = float(np.linalg.norm(positions - middle, axis=1).max())
    seen_from = np.linalg.norm(points - middle, axis=1) if len(points) else np.linalg.norm(middle)
    if spread <= max(LEAST_SPREAD, LEAST_PARALLAX * float(np.median(seen_from))):
        raise InputError(
            f"all {len(positions)} photos in {place} were taken from one place, which shows no depth; take them from "
            "places further apart."
        )
