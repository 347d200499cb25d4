"""Estimation of the up direction from cameras: photos are level, or rotated by a quarter or half turn."""

import torch
from jaxtyping import Float
from torch import Tensor

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
