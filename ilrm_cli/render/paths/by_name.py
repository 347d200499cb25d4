"""Camera paths by name: from the cameras of the photos to the route of a film's camera.

Every path but `interpolate`, `wobble`, `dolly` and `inputs` keeps the horizon level; `orbit`, `ellipse` and `spiral`
keep the subject in the middle of the picture. `orbit`, `ellipse`, `spiral` and `wobble` are closed: the frame after the
last one is the first.
"""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.render.paths.orbits import ellipse, orbit, spiral, wobble
from ilrm_cli.render.paths.routes import Route
from ilrm_cli.render.paths.subject import Subject, subject_of, visible_depth
from ilrm_cli.render.paths.tours import central, dolly, inputs, interpolate

# A dolly is stopped by anything that covers this share of the middle third of the picture.
AHEAD_SHARE, AHEAD_WINDOW = 0.05, 1 / 3


@dataclass(frozen=True)
class Setting:
    """The input of a path; depths in world units, along the axis of the camera in question."""

    cameras: Cameras  # of the photos, all upright
    subject: Subject
    photo: Cameras  # the one that wobble and dolly start from
    photo_depth: float  # of its content
    photo_clearance: float  # of the first thing straight ahead


def setting_of(
    cameras: Cameras,
    gaussians: Gaussians,
    up: Float[Tensor, "3"] | None = None,
    photo: int | None = None,
    target: Float[Tensor, "3"] | None = None,
) -> Setting:
    """Build a setting. `photo` is an index (None: the camera nearest to all others); the rest as in `subject_of`."""
    subject = subject_of(cameras, gaussians, up, target)
    one = cameras[[central(cameras, subject.depth) if photo is None else photo]]
    depth = visible_depth(one, gaussians)
    clearance = visible_depth(one, gaussians, share=AHEAD_SHARE, window=AHEAD_WINDOW)
    return Setting(cameras, subject, one, depth, clearance)


def route(name: str, setting: Setting, *, full: bool = False, loop: bool = False) -> Route:
    """Return the route of one of PATHS; `full` closes the orbit's circle, `loop` closes `interpolate` if possible."""
    cameras, subject = setting.cameras, setting.subject
    if name == "orbit":
        return orbit(cameras, subject, full=full)
    if name == "ellipse":
        return ellipse(cameras, subject)
    if name == "spiral":
        return spiral(cameras, subject)
    if name == "interpolate":
        return interpolate(cameras, subject.depth, loop=loop)
    if name == "wobble":
        return wobble(setting.photo, setting.photo_depth)
    if name in ("dolly", "dolly-zoom"):
        return dolly(setting.photo, setting.photo_depth, setting.photo_clearance, zoom=name == "dolly-zoom")
    assert name == "inputs", f"path {name!r}"
    return inputs(cameras)
