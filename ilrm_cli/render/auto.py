"""The path `auto`: chosen by how the photos were taken, and limited to views that they support."""

import math
from collections.abc import Callable

import torch
from jaxtyping import Bool
from torch import Tensor

from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.render import paths
from ilrm_cli.render.glance import glance
from ilrm_cli.render.level import azimuths
from ilrm_cli.render.paths import Setting
from ilrm_cli.render.route import Route
from ilrm_cli.render.subject import facing_alike
from ilrm_cli.render.support import supported

# Cameras that see their subject over a smaller angle are a forward-facing capture.
MIN_ORBIT_DEG = 45.0

# Cameras with one viewing direction form a cluster if none is farther from their centre than this share of the scene's
# depth; otherwise they have moved through the scene.
MAX_CLUSTER = 0.5

SAMPLES = 96  # views judged along a route: as many as in a film of four seconds
ROUNDS = 3  # of judging a stretch again with as many samples, closer to the film's frames
MIN_PART = 0.3  # of a route; a shorter stretch does not represent it


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
        route = supported_stretch(paths.route(name, setting, loop=True), good)
        if route is not None:
            return route, name
    return paths.route("wobble", setting), "wobble"


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
