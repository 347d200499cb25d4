"""Camera paths: from the cameras of the photos to the cameras of a video's frames.

Every path but `interpolate` and `inputs` holds the horizon level and keeps the subject in the middle of the picture.
`orbit` and `spiral` are closed: the frame after the last one is the first.
"""

import math
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from ilrm_cli.cameras import Cameras
from ilrm_cli.gaussians import Gaussians
from ilrm_cli.render.subject import Subject, facing_alike, weighted_quantiles
from ilrm_cli.render.tour import inputs, interpolate

NAMES = ("auto", "orbit", "spiral", "interpolate", "inputs")

# Cameras whose azimuths leave no gap larger than this have seen the subject from all around.
RING_GAP_DEG = 60.0

# Cameras that look at their subject over less than this are a forward-facing capture.
MIN_ORBIT_DEG = 45.0

# Cameras that all face one way are a cluster where none is farther from their middle than this share of the scene's
# depth; others have walked through the scene.
MAX_CLUSTER = 0.5

# An orbit stays this far from the poles, where the level horizon would spin.
MAX_ELEVATION_DEG = 80.0

# A spiral that looks closer than this to straight up or down has no horizon; the photos' own upright takes its place.
POLE_DEG = 10.0

# Local Light Field Fusion (Mildenhall et al. 2019): two turns, radii at the 90th percentile of the cameras' offsets.
SPIRAL_TURNS = 2
SPIRAL_QUANTILE = 0.9

# No spiral reaches farther right, down and forward than these shares of the scene's depth: beyond them holes show.
SPIRAL_REACH = (0.25, 0.25, 0.1)

# Of a scene without cameras: the share of the opacity that counts as its body, and where the ring around it stands.
BODY_SHARES = (0.1, 0.5, 0.9)
RING_CAMERAS = 8
RING_ELEVATION_DEG = 15.0


def choose(cameras: Cameras, subject: Subject) -> str:
    """The path that suits a capture.

    `orbit` around a subject seen from several sides, `spiral` for a cluster that faces one way, else `interpolate`.
    """
    if subject.converging and _azimuths(cameras, subject)[1] >= math.radians(MIN_ORBIT_DEG):
        return "orbit"
    leading = facing_alike(cameras)
    spread = (leading.positions - leading.positions.mean(0)).norm(dim=1).max()
    if len(leading) == len(cameras) and spread <= MAX_CLUSTER * subject.depth:
        return "spiral"
    return "interpolate"


def path(name: str, cameras: Cameras, subject: Subject, frames: int, *, full: bool = False) -> tuple[Cameras, str]:
    """The cameras of `frames` frames along the named path (one of NAMES), and the name that `auto` stood for.

    `full` makes the orbit turn all the way round, wherever the photos were taken from.
    """
    assert name in NAMES, f"path {name!r}"
    assert frames > 0, f"{frames} frames"
    chosen = choose(cameras, subject) if name == "auto" else name
    if chosen == "orbit":
        return orbit(cameras, subject, frames, full=full), chosen
    if chosen == "spiral":
        return spiral(cameras, subject, frames), chosen
    if chosen == "interpolate":
        return interpolate(cameras, subject.depth, frames), chosen
    return inputs(cameras, frames), chosen


def orbit(cameras: Cameras, subject: Subject, frames: int, *, full: bool = False) -> Cameras:
    """On a circle around the target at the cameras' median distance and elevation.

    Swings with ease from end to end of the arc that the cameras cover, starting in its middle; turns all the way round
    if they stand all around, or if `full` is set.
    """
    seers = _seers(cameras, subject)
    offsets = seers.positions - subject.target
    radius = float(offsets.norm(dim=1).median())
    limit = math.radians(MAX_ELEVATION_DEG)
    elevation = float(((offsets @ subject.up) / offsets.norm(dim=1)).clamp(-1, 1).asin().median().clamp(-limit, limit))
    middle, span = _azimuths(cameras, subject)
    turns = torch.arange(frames).to(offsets) / frames
    if full or 2 * math.pi - span <= math.radians(RING_GAP_DEG):
        azimuths = middle + 2 * math.pi * turns
    else:
        azimuths = middle + span / 2 * torch.sin(2 * math.pi * turns)
    east, north = _ground_axes(subject.up)
    level = azimuths.cos()[:, None] * east + azimuths.sin()[:, None] * north
    positions = subject.target + radius * (math.cos(elevation) * level + math.sin(elevation) * subject.up)
    return _with_poses(cameras, look_at(positions, subject.target, subject.up))


def spiral(cameras: Cameras, subject: Subject, frames: int) -> Cameras:
    """Two turns on an ellipse as wide as the cameras' spread, once forward and back, looking at the scene's depth.

    Cameras that face elsewhere than most do not count.
    """
    leading = facing_alike(cameras)
    center = leading.positions.mean(0)
    target = center + subject.depth * torch.nn.functional.normalize(leading.forward.mean(0), dim=0)
    up = _upright(leading, target - center, subject.up)
    axes = look_at(center[None], target, up)[0, :3, :3]
    offsets = ((leading.positions - center) @ axes).abs()
    reach = subject.depth * torch.tensor(SPIRAL_REACH).to(offsets)
    radii = torch.minimum(torch.quantile(offsets, SPIRAL_QUANTILE, dim=0), reach)
    angles = 2 * math.pi * SPIRAL_TURNS * torch.arange(frames).to(center) / frames
    curve = torch.stack([angles.cos(), -angles.sin(), -(angles / SPIRAL_TURNS).sin()], dim=1)
    return _with_poses(cameras, look_at(center + (curve * radii) @ axes.T, target, up))


def default_cameras(gaussians: Gaussians, width: int, height: int, fov_deg: float) -> Cameras:
    """A ring of cameras around a scene that came without any, y down as in COLMAP's and Kerbl's scenes; float64.

    The ring fits the middle 80 % of the scene's opacity along each axis into the picture; `fov_deg` is vertical.
    """
    opacities = gaussians.opacities.double()
    low, middle, high = weighted_quantiles(gaussians.means.double(), opacities, BODY_SHARES)
    blur = weighted_quantiles(gaussians.scales.double(), opacities, (0.5,)).max()
    body = float((high - low).norm() / 2 + 2 * blur)  # Gaussians reach beyond their means
    half_fov = math.radians(fov_deg) / 2
    narrowest = min(half_fov, math.atan(math.tan(half_fov) * width / height))
    radius = body / math.sin(narrowest)
    up = torch.tensor([0.0, -1.0, 0.0]).to(middle)
    east, north = _ground_axes(up)
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


def look_at(
    positions: Float[Tensor, "camera 3"], target: Float[Tensor, "3"], up: Float[Tensor, "3"]
) -> Float[Tensor, "camera 4 4"]:
    """Poses of level cameras at the positions, with the target in the middle of the picture."""
    forward = torch.nn.functional.normalize(target - positions, dim=1)
    right = torch.nn.functional.normalize(torch.linalg.cross(forward, up.expand_as(forward)), dim=1)
    down = torch.linalg.cross(forward, right)
    poses = torch.eye(4).to(positions).repeat(len(positions), 1, 1)
    poses[:, :3, :] = torch.stack([right, down, forward, positions], dim=2)
    return poses


def _with_poses(cameras: Cameras, poses: Float[Tensor, "frame 4 4"]) -> Cameras:
    """Cameras with the median focal length of the photos' and the principal point in the middle."""
    focal = cameras.focal_px.median(0).values
    center = torch.tensor([cameras.width / 2, cameras.height / 2]).to(focal)
    return replace(
        cameras, world_from_cam=poses, focal_px=focal.repeat(len(poses), 1), center_px=center.repeat(len(poses), 1)
    )


def _seers(cameras: Cameras, subject: Subject) -> Cameras:
    """The cameras that have the target within 60 degrees of their axis (all of them where none has)."""
    toward = torch.nn.functional.normalize(subject.target - cameras.positions, dim=1)
    seeing = ((toward * cameras.forward).sum(1) > 0.5).nonzero()[:, 0]
    return cameras[seeing] if len(seeing) else cameras


def _azimuths(cameras: Cameras, subject: Subject) -> tuple[float, float]:
    """Middle and length (radians) of the arc around the target that the cameras cover: all but the largest gap."""
    east, north = _ground_axes(subject.up)
    offsets = _seers(cameras, subject).positions - subject.target
    azimuths = torch.atan2(offsets @ north, offsets @ east).sort().values
    gaps = torch.cat([azimuths[1:], azimuths[:1] + 2 * math.pi]) - azimuths
    largest = int(gaps.argmax())
    span = 2 * math.pi - float(gaps[largest])
    start = float(azimuths[(largest + 1) % len(azimuths)])
    return start + span / 2, span


def _upright(cameras: Cameras, forward: Float[Tensor, "3"], up: Float[Tensor, "3"]) -> Float[Tensor, "3"]:
    """`up`, or the top of the first camera's picture where `forward` is nearly along it (drones look straight down)."""
    along = float(torch.nn.functional.normalize(forward, dim=0) @ up)
    return up if abs(along) < math.cos(math.radians(POLE_DEG)) else -cameras.world_from_cam[0, :3, 1]


def _ground_axes(up: Float[Tensor, "3"]) -> tuple[Tensor, Tensor]:
    """Two unit axes that make a right-handed frame with `up`."""
    seed = torch.zeros_like(up)
    seed[int(up.abs().argmin())] = 1
    east = torch.nn.functional.normalize(torch.linalg.cross(seed, up), dim=0)
    return east, torch.linalg.cross(up, east)
