"""How far photos stand from each other, as the scene sees it."""

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
    """The angle in degrees from each camera to the nearest of the inputs.

    The angle between two views is the larger of how far they turn and of how far apart they stand, as seen from the
    scene `depth` world units away.
    """
    cosine = (world_from_cam[:, :3, 2] @ inputs[:, :3, 2].T).clamp(-1, 1)
    apart = torch.cdist(world_from_cam[:, :3, 3], inputs[:, :3, 3])
    angle = torch.maximum(torch.arccos(cosine), torch.atan(apart / depth))
    return torch.rad2deg(angle.min(dim=1).values)


def median_depth(found_points: Sequence[Float64[ndarray, "_ 3"] | None], poses: Float64[ndarray, "photo 4 4"]) -> float:
    """Median z-depth of the sparse points in the photos that they were found in; infinite where none are known."""
    seen = [
        (points - pose[:3, 3]) @ pose[:3, 2]
        for points, pose in zip(found_points, poses, strict=True)
        if points is not None
    ]
    depths = np.concatenate([np.zeros(0), *seen])
    return float(np.median(depths)) if len(depths) else math.inf
