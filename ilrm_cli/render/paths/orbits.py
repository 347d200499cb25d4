"""Closed camera routes that keep the subject in the middle of a level picture: orbit, ellipse, spiral, wobble.

A scene that came without cameras gets a ring of them.
"""

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.render.paths.routes import Route, azimuths, ground_axes, look_at, seers, upright_for, with_poses
from ilrm_cli.render.paths.subject import Subject, facing_alike, weighted_quantiles

# Cameras whose azimuths leave no larger gap have seen the subject from all around.
RING_GAP_DEG = 60.0

# An orbit keeps away from the poles, where the level horizon would spin.
MAX_ELEVATION_DEG = 80.0

# Local Light Field Fusion (Mildenhall et al. 2019): two turns, radii at the 90th percentile of the cameras' offsets.
SPIRAL_TURNS = 2
SPIRAL_QUANTILE = 0.9

# Limits of a spiral to the right, down and forward, as shares of the scene's depth: beyond them holes appear.
SPIRAL_REACH = (0.25, 0.25, 0.1)

# Mip-NeRF 360's code (Barron et al. 2022): half axes at the 90th percentile, height between the 10th and the 90th.
ELLIPSE_QUANTILE = 0.9
ELLIPSE_HEIGHTS = (0.1, 0.9)
ELLIPSE_SAMPLES = 1024  # of the curve, for an even speed
BESIDE = 0.1  # of the depth: a centre nearer to the target, seen from above, is not in front of it

# Around one photo: half the distance of two eyes that see the scene at two metres as people do, and slightly lower.
WOBBLE_REACH = (0.04, 0.02)  # shares of the depth, right and down

# Opacity quantiles that delimit the scene's body, and the shape of the ring around it.
BODY_SHARES = (0.1, 0.5, 0.9)
RING_CAMERAS = 8
RING_ELEVATION_DEG = 15.0


def surrounds(cameras: Cameras, subject: Subject) -> bool:
    """Return whether the cameras are all around the subject."""
    return 2 * math.pi - azimuths(cameras, subject)[1] <= math.radians(RING_GAP_DEG)


def orbit(cameras: Cameras, subject: Subject, *, full: bool = False) -> Route:
    """Return a circle around the target at the cameras' median distance and elevation.

    Swings smoothly between the ends of the arc that the cameras cover, starting in its middle; goes all the way round
    if they are all around, or if `full` is set.
    """
    offsets = seers(cameras, subject).positions - subject.target
    radius = float(offsets.norm(dim=1).median())
    limit = math.radians(MAX_ELEVATION_DEG)
    elevation = float(((offsets @ subject.up) / offsets.norm(dim=1)).clamp(-1, 1).asin().median().clamp(-limit, limit))
    middle, span = azimuths(cameras, subject)
    round_ = full or surrounds(cameras, subject)
    east, north = ground_axes(subject.up)

    def at(phases: Float[Tensor, " frame"]) -> Cameras:
        turns = 2 * math.pi * phases.to(offsets)
        angles = middle + (turns if round_ else span / 2 * turns.sin())
        level = angles.cos()[:, None] * east + angles.sin()[:, None] * north
        positions = subject.target + radius * (math.cos(elevation) * level + math.sin(elevation) * subject.up)
        return with_poses(cameras, look_at(positions, subject.target, subject.up))

    return Route(at, closed=True)


def ellipse(cameras: Cameras, subject: Subject) -> Route:
    """Return a level ellipse as long and wide as the cameras' positions, rising and sinking once, at an even speed.

    It looks at the target, and goes around it if the photos were taken from all around. Otherwise its centre is that of
    the cameras, and it comes no nearer to the target than they do. Cameras that do not see the target are ignored.
    """
    places = seers(cameras, subject).positions
    heights = places @ subject.up
    ground = places - heights[:, None] * subject.up
    target = subject.target - (subject.target @ subject.up) * subject.up
    middle = target if surrounds(cameras, subject) else ground.mean(0)
    away = middle - target
    before = float(away.norm()) > BESIDE * subject.depth  # otherwise around it, or above it
    wide = torch.nn.functional.normalize(away, dim=0) if before else torch.linalg.svd(ground - ground.mean(0)).Vh[1]
    long = torch.linalg.cross(subject.up, wide)
    reach_long, reach_wide = (
        float(torch.quantile(((ground - middle) @ axis).abs(), ELLIPSE_QUANTILE)) for axis in (long, wide)
    )
    if before:
        reach_wide = min(reach_wide, max(0.0, float(away.norm() - (places - subject.target).norm(dim=1).min())))
    low, high = torch.quantile(heights, torch.tensor(ELLIPSE_HEIGHTS).to(heights))

    def curve(angles: Float[Tensor, " frame"]) -> Float[Tensor, "frame 3"]:
        level = (reach_long * angles.cos())[:, None] * long + (reach_wide * angles.sin())[:, None] * wide
        height = low + (high - low) * (1 - angles.cos()) / 2
        return middle + level + height[:, None] * subject.up

    angles = torch.linspace(0, 2 * math.pi, ELLIPSE_SAMPLES, dtype=places.dtype)
    walked = torch.nn.functional.pad(curve(angles).diff(dim=0).norm(dim=1).cumsum(0), (1, 0)).cpu().numpy()
    up = upright_for(cameras, subject.target - curve(angles), subject.up)

    def at(phases: Float[Tensor, " frame"]) -> Cameras:
        even = np.interp(phases.cpu().numpy() * walked[-1], walked, angles.cpu().numpy())
        return with_poses(cameras, look_at(curve(torch.from_numpy(even).to(places)), subject.target, up))

    return Route(at, closed=True)


def spiral(cameras: Cameras, subject: Subject) -> Route:
    """Return two turns on an ellipse as wide as the cameras' spread, once forward and back, aimed at the scene's depth.

    Cameras that face elsewhere than most are ignored.
    """
    leading = facing_alike(cameras)
    center = leading.positions.mean(0)
    target = center + subject.depth * torch.nn.functional.normalize(leading.forward.mean(0), dim=0)
    up = upright_for(leading, (target - center)[None], subject.up)
    axes = look_at(center[None], target, up)[0, :3, :3]
    offsets = ((leading.positions - center) @ axes).abs()
    reach = subject.depth * torch.tensor(SPIRAL_REACH).to(offsets)
    radii = torch.minimum(torch.quantile(offsets, SPIRAL_QUANTILE, dim=0), reach)

    def at(phases: Float[Tensor, " frame"]) -> Cameras:
        angles = 2 * math.pi * SPIRAL_TURNS * phases.to(center)
        curve = torch.stack([angles.cos(), -angles.sin(), -(angles / SPIRAL_TURNS).sin()], dim=1)
        return with_poses(cameras, look_at(center + (curve * radii) @ axes.T, target, up))

    return Route(at, closed=True)


def wobble(camera: Cameras, depth: float) -> Route:
    """Return a small loop around one photo's camera, which keeps the point at `depth` (world units) ahead in place."""
    assert len(camera) == 1, "a wobble is around one camera"
    pose = camera.world_from_cam[0]
    target = pose[:3, 3] + depth * pose[:3, 2]

    def at(phases: Float[Tensor, " frame"]) -> Cameras:
        angles = 2 * math.pi * phases.to(pose)
        right, down = (depth * reach for reach in WOBBLE_REACH)
        shift = (right * angles.sin())[:, None] * pose[:3, 0] - (down * angles.cos())[:, None] * pose[:3, 1]
        return camera[[0] * len(phases)].moved(look_at(pose[:3, 3] + shift, target, -pose[:3, 1]))

    return Route(at, closed=True)


def default_cameras(gaussians: Gaussians, width: int, height: int, fov_deg: float) -> Cameras:
    """Return a ring of cameras for a scene without any, y down as in COLMAP's and Kerbl's scenes; float64.

    The ring fits the middle 80 % of the scene's opacity along each axis into the picture; `fov_deg` is vertical.
    """
    opacities = gaussians.opacities.double()
    low, middle, high = weighted_quantiles(gaussians.means.double(), opacities, BODY_SHARES)
    blur = weighted_quantiles(gaussians.scales.double(), opacities, (0.5,)).max()
    body = float((high - low).norm() / 2 + 2 * blur)  # Gaussians extend beyond their means
    half_fov = math.radians(fov_deg) / 2
    narrowest = min(half_fov, math.atan(math.tan(half_fov) * width / height))
    radius = body / math.sin(narrowest)
    up = torch.tensor([0.0, -1.0, 0.0]).to(middle)
    east, north = ground_axes(up)
    azimuths = 2 * math.pi * torch.arange(RING_CAMERAS).to(middle)[:, None] / RING_CAMERAS
    elevation = math.radians(RING_ELEVATION_DEG)
    level = azimuths.cos() * east + azimuths.sin() * north
    positions = middle + radius * (math.cos(elevation) * level + math.sin(elevation) * up)
    focal_px = height / 2 / math.tan(half_fov)
    return Cameras(
        world_from_cam=look_at(positions, middle, up),
        focal_px=torch.full((RING_CAMERAS, 2), focal_px).to(middle),
        center_px=torch.tensor([[width / 2, height / 2]] * RING_CAMERAS).to(middle),
        width=width,
        height=height,
    )
