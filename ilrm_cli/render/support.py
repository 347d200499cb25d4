"""Support of a view by photos: it shows what they saw, from similar positions, with nothing in the way."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.render.glance import Glance

# A photo saw a pixel's point if it drew nothing clearly nearer there and looked from a similar side.
DEPTH_TOLERANCE = 0.15  # share of the photo's depth
MAX_TURN_COS = 0.7  # 45 degrees between the two lines of sight
MAX_APPROACH = 4.0  # times nearer than the photo: beyond it every Gaussian is a blob

# A view is supported if it shows nearly as much as the photos do, mostly what they saw, with nothing much nearer than
# anything was to them. Inside a wall, behind one, or facing nothing, one of the three fails.
MIN_ALPHA = 0.9  # relative to the photos' median
MIN_SEEN = 0.75  # share of the picture
MIN_NEAR = 0.5  # relative to the photos' smallest


def supported(views: Glance, photos: Glance) -> Bool[Tensor, " view"]:
    """Return whether the photos support each view."""
    return (
        (views.alpha >= MIN_ALPHA * photos.alpha.median())
        & (views.nearest >= MIN_NEAR * photos.nearest.min())
        & (seen_shares(views, photos) >= MIN_SEEN)
    )


def seen_shares(views: Glance, photos: Glance) -> Float[Tensor, " view"]:
    """Return the share of each view's content that at least one photo saw from a similar side; 0 if it is empty."""
    view, row, column = torch.nonzero(views.depth.isfinite(), as_tuple=True)
    z = views.depth[view, row, column][:, None]
    pixels = torch.stack([column, row], dim=1) + 0.5
    ahead = torch.cat([(pixels - views.cameras.center_px[view]) / views.cameras.focal_px[view], torch.ones_like(z)], 1)
    eyes = views.cameras.positions[view]
    points = (views.cameras.world_from_cam[view, :3, :3] @ (ahead * z)[:, :, None])[:, :, 0] + eyes
    by_some = torch.zeros(len(points), dtype=torch.bool)
    for i, photo_depth in enumerate(photos.depth):
        by_some |= _seen_by(photos.cameras[[i]], photo_depth, points, eyes)
    seen = torch.zeros(len(views.depth)).index_add(0, view, by_some.float())
    return seen / views.depth.isfinite().sum((1, 2)).clamp_min(1)


def _seen_by(
    photo: Cameras,
    depth: Float[Tensor, "height width"],
    points: Float[Tensor, "point 3"],
    eyes: Float[Tensor, "point 3"],
) -> Bool[Tensor, " point"]:
    """Return whether one photo saw each point from about the same direction and distance as its eye does."""
    seen = photo.project(points)
    row, column = seen.cells()
    in_sight = seen.depth[0] <= (1 + DEPTH_TOLERANCE) * depth[row[0], column[0]]
    mine, theirs = points - eyes, points - photo.positions[0]
    alike = torch.nn.functional.cosine_similarity(mine, theirs, dim=1) >= MAX_TURN_COS
    near_enough = theirs.norm(dim=1) <= MAX_APPROACH * mine.norm(dim=1)
    return seen.inside[0] & in_sight & alike & near_enough
