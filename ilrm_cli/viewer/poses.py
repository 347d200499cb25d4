"""Cameras as the vendored viewer takes them.

The viewer is y up and turns what it loads by 180 degrees about z: what was y down comes to stand upright. A pose is a
position, a target to look at and a field of view in degrees, which is that of the longer side of the window; there is
no roll and no principal point.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ilrm_cli.cameras import Cameras
from ilrm_cli.similarity import Similarity

# A camera that rolls by more than 45 degrees was held on its side: seen level, its picture is as high as it was wide.
ON_SIDE_SIN = math.sqrt(0.5)

# Up directions nearer than this to each other or to opposites (as sine) leave the turning axis to chance.
PARALLEL_SIN = 1e-9


@dataclass(frozen=True)
class Pose:
    """One view of the viewer's, in its own axes (x right, y up, of the content turned by 180 degrees about z)."""

    position: tuple[float, ...]  # 3 world units
    target: tuple[float, ...]  # 3 world units; the point that is orbited
    extent: tuple[float, float]  # (right, up) tangents of half the angles that the photo saw

    @property
    def fov_deg(self) -> float:
        """Of the longer side, in a window of the photo's shape."""
        return 2 * math.degrees(math.atan(max(self.extent)))


def level(up: Float[Tensor, "3"]) -> Similarity:
    """The smallest rotation after which `up` (unit, float64) is -y, as the viewer's horizon wants it."""
    goal = torch.tensor([0.0, -1.0, 0.0], dtype=torch.float64)
    axis, cosine = torch.linalg.cross(up.double(), goal), float(up.double() @ goal)
    sine = float(axis.norm())
    if sine < PARALLEL_SIN:
        rotation = torch.eye(3, dtype=torch.float64) if cosine > 0 else torch.diag(torch.tensor([1.0, -1, -1]).double())
    else:
        x, y, z = (axis / sine).tolist()
        across = torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]], dtype=torch.float64)
        rotation = torch.eye(3, dtype=torch.float64) + sine * across + (1 - cosine) * across @ across  # Rodrigues
    return Similarity(1.0, rotation, torch.zeros(3, dtype=torch.float64))


def poses_of(cameras: Cameras, depths: Float[Tensor, " camera"]) -> list[Pose]:
    """The viewer's poses of cameras in a world with y down, each looking at what is `depths` world units ahead."""
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
