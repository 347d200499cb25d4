"""The normalised frame of the model, from the poses of a scene's input views (iLRM, arXiv 2507.23277)."""

from typing import Literal

import torch
from jaxtyping import Float64
from torch import Tensor

from ilrm_cli.similarity import Similarity

FLAT = 1e-3  # a shorter mean of unit vectors has no reliable direction
POINT = 1e-9  # camera distances below this share of the coordinates are rounding errors


def normalized_from_world(
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


def _direction(mean: Float64[Tensor, "3"], otherwise: Float64[Tensor, "3"]) -> Float64[Tensor, "3"]:
    chosen = mean if mean.norm() > FLAT else otherwise
    return chosen / chosen.norm()


def _down(world_from_cam: Float64[Tensor, "camera 4 4"], forward: Float64[Tensor, "3"]) -> Float64[Tensor, "3"]:
    """Return mean y, else the first camera's y, else its x: the first not parallel to forward, made orthogonal."""
    for candidate in (world_from_cam[:, :3, 1].mean(0), world_from_cam[0, :3, 1], world_from_cam[0, :3, 0]):
        across = candidate - (candidate @ forward) * forward
        if across.norm() > FLAT:
            return across / across.norm()
    raise AssertionError("two orthogonal axes cannot both be parallel to forward")
