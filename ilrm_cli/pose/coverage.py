"""Distances between photos as seen from the scene."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Float64
from numpy import ndarray
from torch import Tensor


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
