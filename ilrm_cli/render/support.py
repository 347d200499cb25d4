"""How well photos support a view: does it show what they saw, from where they saw it, with nothing in the way."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ilrm_cli.cameras import Cameras
from ilrm_cli.render.glance import Glance

# A photo saw the point of a pixel where it drew nothing clearly nearer there, and looked from no other side.
DEPTH_TOLERANCE = 0.15  # share of the photo's depth
MAX_TURN_COS = 0.7  # 45 degrees between the two lines of sight
MAX_APPROACH = 4.0  # times nearer than the photo: beyond it every Gaussian is a blob

NEAR_SHARE = 0.1  # of the picture: what is nearer than the rest; less may be a floater


@dataclass(frozen=True)
class Support:
    """Of each view. Views inside a wall, behind one, or before nothing have little of one of the three."""

    alpha: Float[Tensor, " view"]  # mean over the picture
    near: Float[Tensor, " view"]  # depth, world units, up to which NEAR_SHARE of what it shows lies; 0: shows nothing
    seen: Float[Tensor, " view"]  # share of what it shows that at least one photo saw from a similar side


def support(views: Glance, photos: Glance) -> Support:
    """Compare every pixel of the views with what is seen from the photos' cameras."""
    seen = [_seen(views.cameras[[i]], depth, photos) for i, depth in enumerate(views.depth)]
    return Support(views.alpha, torch.stack([_nearest(depth) for depth in views.depth]), torch.stack(seen))


def _nearest(depth: Float[Tensor, "height width"]) -> Float[Tensor, ""]:
    solid = depth[depth.isfinite()]
    return torch.quantile(solid, NEAR_SHARE) if len(solid) else torch.tensor(0.0)


def _seen(view: Cameras, depth: Float[Tensor, "height width"], photos: Glance) -> Float[Tensor, ""]:
    """The share of the view's solid pixels whose points some photo saw."""
    rows, columns = torch.nonzero(depth.isfinite(), as_tuple=True)
    if len(rows) == 0:
        return torch.tensor(0.0)
    pixels = torch.stack([columns, rows], dim=1) + 0.5
    z = depth[rows, columns][:, None]
    ahead = torch.cat([(pixels - view.center_px[0]) / view.focal_px[0], torch.ones(len(z), 1)], dim=1) * z
    points = ahead @ view.world_from_cam[0, :3, :3].T + view.positions[0]
    by_some = torch.zeros(len(points), dtype=torch.bool)
    for camera, photo_depth in zip(range(len(photos.cameras)), photos.depth, strict=True):
        by_some |= _seen_by(photos.cameras[[camera]], photo_depth, points, view.positions[0])
    return by_some.float().mean()


def _seen_by(
    photo: Cameras, depth: Float[Tensor, "height width"], points: Float[Tensor, "point 3"], eye: Float[Tensor, "3"]
) -> Bool[Tensor, " point"]:
    """Whether one photo saw each point, about as one sees it from `eye`."""
    in_camera = points @ photo.cam_from_world[0, :3, :3].T + photo.cam_from_world[0, :3, 3]
    z = in_camera[:, 2]
    column, row = (in_camera[:, :2] / z[:, None] * photo.focal_px[0] + photo.center_px[0]).floor().unbind(1)
    inside = (z > 0) & (column >= 0) & (column < photo.width) & (row >= 0) & (row < photo.height)
    row, column = row.clamp(0, photo.height - 1), column.clamp(0, photo.width - 1)
    in_sight = z <= (1 + DEPTH_TOLERANCE) * depth[row.nan_to_num().long(), column.nan_to_num().long()]
    mine, theirs = points - eye, points - photo.positions[0]
    alike = torch.nn.functional.cosine_similarity(mine, theirs, dim=1) >= MAX_TURN_COS
    near_enough = theirs.norm(dim=1) <= MAX_APPROACH * mine.norm(dim=1)
    return inside & in_sight & alike & near_enough
