"""Depths of SfM points at the pixels where they were found."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Float64
from numpy import ndarray
from torch import Tensor

from ilrm_cli.geometry.cameras import Cameras


def sparse_depth_of(
    found: Sequence[Float64[ndarray, "_ 3"] | None], cameras: Cameras
) -> Float[Tensor, "view height width"] | None:
    """Return z-depth of each view's points at their pixels, 0 elsewhere; None if no view has any points.

    Points and cameras are in one frame, and depths in its unit.
    """
    if not any(points is not None and len(points) for points in found):
        return None
    sparse = torch.zeros(len(found), cameras.height, cameras.width)
    for view, points in enumerate(found):
        if points is not None and len(points):
            seen = cameras[[view]].to(torch.float64).project(torch.from_numpy(points))
            row, column = (cell[seen.inside] for cell in seen.cells())
            sparse[view, row, column] = seen.depth[seen.inside].float()
    return sparse


def visible_depths(
    points: Float64[Tensor, "point 3"], cameras: Cameras, masks: Float[Tensor, "view height width"] | None = None
) -> Float64[Tensor, " sample"]:
    """Return the z-depths of every point in every camera that sees it in its image on an unmasked pixel."""
    seen = cameras.to(points.dtype).project(points)
    if masks is None:
        return seen.depth[seen.inside]
    row, column = (cell[seen.inside] for cell in seen.cells())
    return seen.depth[seen.inside][masks[seen.inside.nonzero()[:, 0], row, column] > 0]
