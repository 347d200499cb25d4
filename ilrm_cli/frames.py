"""World frames in which a scene can be written. Cameras keep OpenCV's axes in each; only the world is turned.

input:  the frame of the poses: the COLMAP model's, the transforms.json's or, after structure from motion, an arbitrary
        one, most often with y down.
up:     z up, y ahead, x right (Blender, nerfstudio, most simulators).
opengl: y up, z backwards, x right (three.js, glTF, game engines).
opencv: y down, z ahead, x right (splat viewers, which stand a .ply upright so).

Ahead is where the cameras look on average, made level. Origin and scale stay those of the input.
"""

from typing import Literal

import torch
from jaxtyping import Float64
from torch import Tensor

from ilrm_cli.similarity import Similarity
from ilrm_cli.up import up_direction, upright

Frame = Literal["input", "up", "opengl", "opencv"]
AXES: dict[Frame, str] = {
    "input": "frame of the input poses, OpenCV axes",
    "up": "z up, y ahead, x right",
    "opengl": "y up, z backwards, x right",
    "opencv": "y down, z ahead, x right",
}

FLAT = 1e-3  # a shorter level part of a unit vector has no reliable direction


def frame_from_input(frame: Frame, world_from_cam: Float64[Tensor, "camera 4 4"]) -> Similarity:
    """Return the rotation from the frame of the given camera poses to the named one; up is estimated from the poses."""
    if frame == "input":
        rotation = torch.eye(3, dtype=torch.float64)
    else:
        up = up_direction(world_from_cam)
        ahead = _ahead(upright(world_from_cam, up), up)
        right = torch.linalg.cross(ahead, up)
        axes = {"up": (right, ahead, up), "opengl": (right, up, -ahead), "opencv": (right, -up, ahead)}
        rotation = torch.stack(axes[frame])
    return Similarity(1.0, rotation, torch.zeros(3, dtype=torch.float64))


def _ahead(world_from_cam: Float64[Tensor, "camera 4 4"], up: Float64[Tensor, "3"]) -> Float64[Tensor, "3"]:
    """Return the levelled mean viewing direction, or else the first camera's, or its -y if that looks straight down."""
    forward, first = world_from_cam[:, :3, 2].mean(0), world_from_cam[0, :3]
    for candidate in (forward, first[:, 2], -first[:, 1]):
        level = candidate - (candidate @ up) * up
        if level.norm() > FLAT:
            return level / level.norm()
    raise AssertionError("two orthogonal axes cannot both be parallel to up")
