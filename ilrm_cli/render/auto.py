"""`auto`: the path that suits how the photos were taken, kept where they support it."""

import math
from collections.abc import Callable

import torch
from jaxtyping import Bool
from torch import Tensor

from ilrm_cli.gaussians import Gaussians
from ilrm_cli.render import paths
from ilrm_cli.render.glance import glance
from ilrm_cli.render.level import azimuths
from ilrm_cli.render.paths import Setting
from ilrm_cli.render.route import Route
from ilrm_cli.render.subject import facing_alike
from ilrm_cli.render.support import supported

# Cameras that look at their subject over less than this are a forward-facing capture.
MIN_ORBIT_DEG = 45.0

# Cameras that all face one way are a cluster where none is farther from their middle than this share of the scene's
# depth; others have walked through the scene.
MAX_CLUSTER = 0.5

SAMPLES = 96  # views judged along a route: as many as a film of four seconds has
ROUNDS = 3  # of judging a stretch of a route again, as densely, which is nearer to what is filmed
MIN_PART = 0.3  # of a route; a shorter stretch is no film of it


def candidates(setting: Setting) -> tuple[str, ...]:
    """The paths that suit a capture, the best first.

    Around a subject seen from several sides; before it, for a cluster of photos that face one way; else along the way
    of the photos.
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
    """The first of the candidates that the photos support, or its longest supported stretch, and its name.

    Where they support none for MIN_PART of its length, a wobble around the most central photo. `near` as in `render`.
    """
    photos = glance(setting.cameras, gaussians, near)

    def good(route: Route) -> Bool[Tensor, " sample"]:
        return supported(glance(route.frames(SAMPLES), gaussians, near), photos)

    for name in candidates(setting):
        route = supported_stretch(paths.route(name, setting, loop=True), good)
        if route is not None:
            return route, name
    return paths.route("wobble", setting), "wobble"


def supported_stretch(route: Route, good: Callable[[Route], Bool[Tensor, " sample"]]) -> Route | None:
    """The route, or its longest stretch of which all samples are good; None if that is shorter than MIN_PART of it."""
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
    """Start and length of the longest run of good samples; on a closed route it may go past the end."""
    doubled = torch.cat([good, good]) if closed else good
    best, start, length = 0, 0, 0
    for i, fine in enumerate(doubled.tolist()):
        length = length + 1 if fine else 0
        if length > best:
            best, start = length, i - length + 1
    return start % len(good), min(best, len(good))
