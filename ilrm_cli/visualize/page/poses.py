"""Cameras in the format of the vendored viewer.

The viewer is y up and rotates what it loads by 180 degrees about z: y-down content appears upright. A pose is a
position, a target to look at and a field of view in degrees, which is that of the longer side of the window; there is
no roll and no principal point.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.transforms import Similarity

# A camera that rolls by more than 45 degrees was held on its side: levelled, its picture is as high as it was wide.
ON_SIDE_SIN = math.sqrt(0.5)

# Up directions closer than this to each other or to opposites (as sine) leave the rotation axis undetermined.
PARALLEL_SIN = 1e-9


@dataclass(frozen=True)
class Pose:
    """A view of the viewer, in its own axes (x right, y up, of the content rotated by 180 degrees about z)."""

    position: tuple[float, ...]  # 3 world units
    target: tuple[float, ...]  # 3 world units; the orbit centre
    extent: tuple[float, float]  # (right, up) tangents of half the photo's angles of view

    @property
    def fov_deg(self) -> float:
        """Field of view of the longer side, in a window of the photo's aspect ratio."""
        return 2 * math.degrees(math.atan(max(self.extent)))


def level(up: Float[Tensor, "3"]) -> Similarity:
    """Return the smallest rotation that maps `up` (unit, float64) to -y, as the viewer's horizon requires."""
    goal = torch.tensor([0.0, -1.0, 0.0], dtype=torch.float64)
    axis, cosine = torch.linalg.cross(up.double(), goal), float(up.double() @ goal)
    sine = float(axis.norm())
    if sine < PARALLEL_SIN:
        rotation = torch.eye(3, dtype=torch.float64) if cosine > 0 else torch.diag(torch.tensor([1.0, -1, -1]).double())
    else:
        x, y, z = (axis / sine).tolist()
        across = torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]], dtype=torch.float64)
        rotation = torch.eye(3, dtype=torch.float64) + sine * across + (1 - cosine) * across @ across  # Rodrigues
    return Similarity.turning(rotation)


def poses_of(cameras: Cameras, depths: Float[Tensor, " camera"]) -> list[Pose]:
    """Return the viewer's poses of cameras in a y-down world, each looking at a point `depths` world units ahead."""
    turned = torch.tensor([-1.0, -1.0, 1.0], dtype=torch.float64)
    positions = cameras.positions.double()
    targets = positions + depths.double()[:, None] * cameras.forward.double()
    half = torch.tensor([cameras.width / 2, cameras.height / 2]).double() / cameras.focal_px.double()
    on_side = cameras.world_from_cam[:, 1, 0].abs() > ON_SIDE_SIN * cameras.world_from_cam[:, 1, :2].norm(dim=1)
    extents = torch.where(on_side[:, None], half.flip(1), half)
    return [
        Pose(tuple(position), tuple(target), (extent[0], extent[1]))
        for position, target, extent in zip(
            (positions * turned).tolist(), (targets * turned).tolist(), extents.tolist(), strict=True
        )
    ]
