"""Sparse points of structure from motion as depths at the pixels where they were found."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Float64
from numpy import ndarray
from torch import Tensor

from ilrm_cli.cameras import Cameras


def sparse_depth_of(
    found: Sequence[Float64[ndarray, "_ 3"] | None], cameras: Cameras
) -> Float[Tensor, "view height width"] | None:
    """z-depth of the points found in each view at their pixels, 0 elsewhere; None if no view knows of any.

    Points and cameras are in one frame, whose unit the depths have.
    """
    if not any(points is not None and len(points) for points in found):
        return None
    sparse = torch.zeros(len(found), cameras.height, cameras.width)
    for view, points in enumerate(found):
        if points is not None and len(points):
            z, pixel, inside = project(torch.from_numpy(points), cameras[[view]])
            column, row = pixel[inside].long().unbind(-1)
            sparse[view, row, column] = z[inside].float()
    return sparse


def visible_depths(
    points: Float64[Tensor, "point 3"], cameras: Cameras, masks: Float[Tensor, "view height width"] | None = None
) -> Float64[Tensor, " sample"]:
    """z-depths of every point in every camera whose image it falls into, on a pixel that no mask ignores."""
    z, pixel, inside = project(points, cameras)
    if masks is None:
        return z[inside]
    view = inside.nonzero()[:, 0]
    column, row = pixel[inside].long().unbind(-1)
    return z[inside][masks[view, row, column] > 0]


def project(
    points: Float64[Tensor, "point 3"], cameras: Cameras
) -> tuple[Float64[Tensor, "view point"], Float64[Tensor, "view point 2"], Bool[Tensor, "view point"]]:
    """z-depth and pixel (x, y) of every point in every camera, and whether it falls into the image."""
    cameras = cameras.to(points.dtype)
    cam_from_world = cameras.cam_from_world
    local = torch.einsum("vij,pj->vpi", cam_from_world[:, :3, :3], points) + cam_from_world[:, None, :3, 3]
    z = local[..., 2]
    pixel = local[..., :2] / z[..., None] * cameras.focal_px[:, None] + cameras.center_px[:, None]
    inside = (pixel >= 0) & (pixel < torch.tensor([cameras.width, cameras.height]))
    return z, pixel, (z > 0) & inside.all(-1)
