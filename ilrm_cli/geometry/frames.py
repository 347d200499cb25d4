"""World frames: which way is up, the frames a scene can be written in, and the one the model sees.

Cameras keep OpenCV's axes in each frame; only the world is turned. Origin and scale stay those of the input:

input:  the frame of the poses: the COLMAP model's, the transforms.json's or, after structure from motion, an arbitrary
        one, most often with y down.
up:     z up, y ahead, x right (Blender, nerfstudio, most simulators).
opengl: y up, z backwards, x right (three.js, glTF, game engines).
opencv: y down, z ahead, x right (splat viewers, which stand a .ply upright so).

Ahead is where the cameras look on average, made level. Up is estimated from the cameras alone, since photos are taken
level or turned by a quarter or a half. The normalised frame of the model comes from the poses of its input views
(iLRM, arXiv 2507.23277).
"""

import math
from typing import Literal

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from ilrm_cli.geometry.transforms import Similarity

Normalisation = Literal["recentred", "raw", "centred"]  # of what a model sees, see `frame_of_model`
Frame = Literal["input", "up", "opengl", "opencv"]
AXES: dict[Frame, str] = {
    "input": "frame of the input poses, OpenCV axes",
    "up": "z up, y ahead, x right",
    "opengl": "y up, z backwards, x right",
    "opencv": "y down, z ahead, x right",
}

FLAT = 1e-3  # a shorter level part of a unit vector has no reliable direction

# Weight of the cameras' mean y axis against their x axes in the up direction: small, so that it decides only if the x
# axes leave a choice (cameras that all face one way).
MEAN_Y_WEIGHT = 0.01

# Penalties of an up direction, per camera, to be compared with the squared sine of a roll:
MAX_ROLL_SIN2 = 0.05  # a strongly tilted camera counts no more than one tilted by 13 degrees
PITCH_WEIGHT = 0.1  # of the squared sine of the angle above or below the horizon: people turn more than they tilt
MAX_PITCH_SIN2 = 0.25  # steeper views count as 30 degrees
LOOK_UP_WEIGHT = 0.02  # of the median sine of that angle: people look down at things more than up
MAX_LOOK_UP_SIN = 0.2  # but steeper downward views get no further advantage
TURN_COST = 0.01  # of a photo on its side
UPSIDE_DOWN_COST = 0.02  # of an upside-down photo
MAX_TRIED = 64  # cameras whose axes are tried; more add nothing new
ROUNDS = 3  # of rotating the cameras upright and estimating again; two converge

ORBIT_RADIUS = 2.7  # mean distance of the cameras from the origin in an object's frame (GRM, FaceLift)
AXES_PULL = 1e-3  # of the place ahead of the cameras, against their axes: decides only where these are parallel
FLAT_MEAN = 1e-3  # a shorter mean of unit vectors has no reliable direction
# Sizes of a scene between it and the origin, beyond which positions in float32 are off by 1e-5 of that size and more: a
# hundredth of what a pixel shows.
FAR = 150.0
MOST_PLACES = 100_000  # that are looked at for the middle of a scene
POINT = 1e-9  # camera distances below this share of the coordinates are rounding errors


def turn_to(
    frame: Frame, world_from_cam: Float64[Tensor, "camera 4 4"], up: Float64[Tensor, "3"] | None = None
) -> Similarity:
    """Return the rotation from the frame of the given camera poses to the named one.

    `up` is that of the poses; if it is None it is estimated by `up_direction`.
    """
    if frame == "input":
        rotation = torch.eye(3, dtype=torch.float64)
    else:
        up = up_direction(world_from_cam) if up is None else up
        ahead = _ahead(upright(world_from_cam, up), up)
        right = torch.linalg.cross(ahead, up)
        axes = {"up": (right, ahead, up), "opengl": (right, up, -ahead), "opencv": (right, -up, ahead)}
        rotation = torch.stack(axes[frame])
    return Similarity.turning(rotation)


def _ahead(world_from_cam: Float64[Tensor, "camera 4 4"], up: Float64[Tensor, "3"]) -> Float64[Tensor, "3"]:
    """Return the levelled mean viewing direction, or else the first camera's, or its -y if that looks straight down."""
    forward, first = world_from_cam[:, :3, 2].mean(0), world_from_cam[0, :3]
    for candidate in (forward, first[:, 2], -first[:, 1]):
        level = candidate - (candidate @ up) * up
        if level.norm() > FLAT:
            return level / level.norm()
    raise AssertionError("two orthogonal axes cannot both be parallel to up")


def up_direction(world_from_cam: Float[Tensor, "camera 4 4"]) -> Float[Tensor, "3"]:
    """Return the unit direction that is up for most cameras, in world axes, even if photos are on their sides.

    Every image axis of every camera is tried: the cameras are rotated by quarter turns until it is up in all of them,
    and the resulting level direction is rated by how little the cameras roll, how rarely they had to be rotated and how
    near to the horizon they look. If the cameras all face one way, only the rotations distinguish the choices, and up
    is that of the images.
    """
    tried = world_from_cam[:: -(-len(world_from_cam) // MAX_TRIED)]
    x, y = tried[:, :3, 0], tried[:, :3, 1]
    starts = torch.cat([level_up(world_from_cam)[None], -y, -x, x, y])  # the first of equals: up in the images
    found = [_settled(world_from_cam, start) for start in starts]
    costs = torch.stack([_cost(world_from_cam, up) for up in found])
    return found[int(costs.argmin())]


def level_up(world_from_cam: Float[Tensor, "camera 4 4"]) -> Float[Tensor, "3"]:
    """Return the direction most perpendicular to all x axes (photos without roll), nearest to the mean -y axis.

    Smallest eigenvector of mean(x xᵀ) - w y yᵀ with y the mean y axis.
    """
    x, down = world_from_cam[:, :3, 0], world_from_cam[:, :3, 1].mean(0)
    scatter = x.T @ x / len(x) - MEAN_Y_WEIGHT * torch.outer(down, down)
    up = torch.linalg.eigh(scatter).eigenvectors[:, 0]
    return -up if up @ down > 0 else up


def upright(world_from_cam: Float[Tensor, "camera 4 4"], up: Float[Tensor, "3"]) -> Float[Tensor, "camera 4 4"]:
    """Rotate the poses about their viewing axes by quarter turns until `up` is up in each image."""
    x, y = world_from_cam[:, :3, 0], world_from_cam[:, :3, 1]
    turned_x, turned_y = torch.stack([x, y, -x, -y]), torch.stack([y, -x, -y, x])  # [4 turns, camera, 3]
    best = (turned_y @ up).argmin(0)  # y points down
    pick = torch.arange(len(x), device=x.device)
    pose = world_from_cam.clone()
    pose[:, :3, 0], pose[:, :3, 1] = turned_x[best, pick], turned_y[best, pick]
    return pose


def _settled(world_from_cam: Float[Tensor, "camera 4 4"], up: Float[Tensor, "3"]) -> Float[Tensor, "3"]:
    """Return the level direction of the cameras rotated so that `up` is up, iterated to a fixed point."""
    for _ in range(ROUNDS):
        up = level_up(upright(world_from_cam, up))
    return up


def _cost(world_from_cam: Float[Tensor, "camera 4 4"], up: Float[Tensor, "3"]) -> Float[Tensor, ""]:
    """Return the cost of an up direction for the cameras."""
    across, down, pitch = (world_from_cam[:, :3, :3].transpose(1, 2) @ up).unbind(-1)
    roll = torch.minimum(across.abs(), down.abs()).square().clamp_max(MAX_ROLL_SIN2)
    sideways = across.abs() > down.abs()
    turned = torch.where(sideways, TURN_COST, torch.where(down > 0, UPSIDE_DOWN_COST, 0.0))
    bow = PITCH_WEIGHT * pitch.square().clamp_max(MAX_PITCH_SIN2)
    look_up = LOOK_UP_WEIGHT * pitch.median().clamp(-MAX_LOOK_UP_SIN, MAX_LOOK_UP_SIN)
    return (roll + turned + bow).mean() + look_up


def normalisation_of(
    world_from_cam: Float64[Tensor, "camera 4 4"], scale_from: Literal["recentred", "raw"] = "recentred"
) -> Similarity:
    """Return the transform with origin at the mean position, axes of the mean camera, largest translation component 1.

    Forward is the mean of the z axes, down the mean of the y axes made orthogonal to it, right = down x forward.
    `scale_from="recentred"` divides by the largest absolute translation component in the new frame (the `dl3dv`
    models); `"raw"` by that of the translations as given (the evaluation of the `re10k` model). Give the poses of the
    input views only, upright as photographed.

    If the means vanish there is no such frame: cameras all around an object have no mean forward direction, and the
    first camera's is used instead; likewise its y axis if there is no mean one. Cameras all at one place keep their
    scale.
    """
    position = world_from_cam[:, :3, 3]
    origin = position.mean(0)
    forward = _direction(world_from_cam[:, :3, 2].mean(0), world_from_cam[0, :3, 2])
    down = _down(world_from_cam, forward)
    right = torch.linalg.cross(down, forward)
    rotation = torch.stack([right, down, forward])  # rows: the new axes in world coordinates

    recentred = (position - origin) @ rotation.T
    extent = (recentred if scale_from == "recentred" else position).abs().max().item()
    scale = 1 / extent if extent > POINT * position.abs().max().item() else 1.0
    return Similarity(scale, rotation, -scale * (rotation @ origin))


def centred_from_world(world_from_cam: Float64[Tensor, "camera 4 4"]) -> Similarity:
    """Return the transform into an object's frame: what all cameras look at is the origin, z is up.

    The origin is the point nearest to all optical axes; the mean distance of the cameras becomes ORBIT_RADIUS.
    """
    position, axis = world_from_cam[:, :3, 3], world_from_cam[:, :3, 2]
    across = torch.eye(3).to(axis) - axis[:, :, None] * axis[:, None, :]  # off each axis
    extent = (position - position.mean(0)).norm(dim=-1).mean()
    ahead = position.mean(0) + extent * axis.mean(0)
    pull = AXES_PULL * torch.eye(3).to(axis)
    middle = torch.linalg.solve(across.mean(0) + pull, (across @ position[:, :, None]).mean(0)[:, 0] + pull @ ahead)
    distance = (position - middle).norm(dim=-1).mean().item()
    scale = ORBIT_RADIUS / distance if distance > POINT * position.abs().max().item() else 1.0
    rotation = turn_to("up", world_from_cam).rotation
    return Similarity(scale, rotation, -scale * (rotation @ middle))


def frame_of_model(
    world_from_cam: Float64[Tensor, "camera 4 4"], normalisation: Normalisation = "recentred"
) -> Similarity:
    """Return the transform into the frame that a model of this normalisation sees."""
    if normalisation == "centred":
        return centred_from_world(world_from_cam)
    return normalisation_of(world_from_cam, normalisation)


def _direction(mean: Float64[Tensor, "3"], otherwise: Float64[Tensor, "3"]) -> Float64[Tensor, "3"]:
    chosen = mean if mean.norm() > FLAT_MEAN else otherwise
    return chosen / chosen.norm()


def _down(world_from_cam: Float64[Tensor, "camera 4 4"], forward: Float64[Tensor, "3"]) -> Float64[Tensor, "3"]:
    """Return mean y, else the first camera's y, else its x: the first not parallel to forward, made orthogonal."""
    for candidate in (world_from_cam[:, :3, 1].mean(0), world_from_cam[0, :3, 1], world_from_cam[0, :3, 0]):
        across = candidate - (candidate @ forward) * forward
        if across.norm() > FLAT_MEAN:
            return across / across.norm()
    raise AssertionError("two orthogonal axes cannot both be parallel to forward")


def origin_nearby(positions: Float[Tensor, "place 3"], size: float | None = None) -> tuple[float, float, float] | None:
    """Return a round point amid positions that are too far from the origin for float32; None if they are not.

    `size` is that of the scene, by default of the middle half of the positions. Files of scenes hold float32, whose
    steps are half a metre at the distance of a UTM northing.
    """
    low, middle, high = torch.quantile(_some(positions).double(), torch.tensor([0.25, 0.5, 0.75]).double(), dim=0)
    size = max(float((high - low).max()) if size is None else size, 1e-9)
    if not FAR * size < float(middle.abs().max()) < torch.inf:
        return None
    unit = 10.0 ** max(math.floor(math.log10(size)), 0)
    x, y, z = (round(value / unit) * unit for value in middle.tolist())
    return x, y, z


def _some(positions: Float[Tensor, "place 3"]) -> Float[Tensor, "some 3"]:
    """Return evenly chosen ones: quantiles take no more than some million numbers."""
    return positions[:: -(-len(positions) // MOST_PLACES)]
