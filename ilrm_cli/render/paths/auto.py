"""`auto`: the path that suits how the photos were taken, kept where they support it.

Photos support a view that shows what they saw, from where they saw it, with nothing in the way.
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.render.paths import by_name
from ilrm_cli.render.paths.by_name import Setting
from ilrm_cli.render.paths.routes import Route, azimuths
from ilrm_cli.render.paths.subject import facing_alike
from ilrm_cli.render.probes import Glance, glance

# Cameras that see their subject over a smaller angle are a forward-facing capture.
MIN_ORBIT_DEG = 45.0

# Cameras with one viewing direction form a cluster if none is farther from their centre than this share of the scene's
# depth; otherwise they have moved through the scene.
MAX_CLUSTER = 0.5

SAMPLES = 96  # views judged along a route
ROUNDS = 3  # of judging a stretch again with as many samples, closer to the film's frames
MIN_PART = 0.3  # of a route; a shorter stretch does not represent it

# A photo saw a pixel's point if it drew nothing clearly nearer there and looked from a similar side.
DEPTH_TOLERANCE = 0.15  # share of the photo's depth
MAX_TURN_COS = 0.7  # 45 degrees between the two lines of sight
MAX_APPROACH = 4.0  # times nearer than the photo: beyond it every Gaussian is a blob

# A view is supported if it shows nearly as much as the photos do, mostly what they saw, with nothing much nearer than
# anything was to them. Inside a wall, behind one, or facing nothing, one of the three fails.
MIN_ALPHA = 0.9  # relative to the photos' median
MIN_SEEN = 0.75  # share of the picture
MIN_NEAR = 0.5  # relative to the photos' smallest


def candidates(setting: Setting) -> tuple[str, ...]:
    """Return the paths that suit a capture, best first.

    Around a subject seen from several sides; in front of it, for a cluster of photos with one viewing direction; else
    along the photos' own path.
    """
    cameras, subject = setting.cameras, setting.subject
    if len(cameras) == 1:
        return ()
    if subject.converging and azimuths(cameras, subject)[1] >= math.radians(MIN_ORBIT_DEG):
        return ("orbit", "ellipse", "interpolate")
    leading = facing_alike(cameras)
    spread = (leading.positions - leading.positions.mean(0)).norm(dim=1).max()
    if len(leading) == len(cameras) and spread <= MAX_CLUSTER * subject.depth:
        return ("spiral", "ellipse", "interpolate")
    return ("interpolate",)


def choose(setting: Setting, gaussians: Gaussians, near: float) -> tuple[Route, str]:
    """Return the first candidate that the photos support, or its longest supported stretch, and its name.

    If they support none over MIN_PART of its length, return a wobble around the most central photo. `near` as in
    `render`.
    """
    photos = glance(setting.cameras, gaussians, near)

    def good(route: Route) -> Bool[Tensor, " sample"]:
        return supported(glance(route.frames(SAMPLES), gaussians, near), photos)

    for name in candidates(setting):
        route = supported_stretch(by_name.route(name, setting, loop=True), good)
        if route is not None:
            return route, name
    return by_name.route("wobble", setting), "wobble"


def supported_stretch(route: Route, good: Callable[[Route], Bool[Tensor, " sample"]]) -> Route | None:
    """Return the route or its longest stretch of good samples only; None if shorter than MIN_PART of it."""
    share = 1.0
    for _ in range(ROUNDS):
        samples = good(route)
        start, length = longest_run(samples, route.closed)
        if length == len(samples):
            return route
        share *= length / len(samples)
        if share < MIN_PART:
            return None
        last = len(samples) if route.closed else len(samples) - 1
        route = route.part(start / last, (start + length - 1) / last)
    return route


def longest_run(good: Bool[Tensor, " sample"], closed: bool) -> tuple[int, int]:
    """Return start and length of the longest run of good samples; on a closed route it may wrap around."""
    doubled = torch.cat([good, good]) if closed else good
    best, start, length = 0, 0, 0
    for i, fine in enumerate(doubled.tolist()):
        length = length + 1 if fine else 0
        if length > best:
            best, start = length, i - length + 1
    return start % len(good), min(best, len(good))


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
