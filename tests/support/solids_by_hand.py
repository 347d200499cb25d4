"""Scenes of a few solids whose pictures are known."""

import math

import numpy as np
import torch

from ilrm_cli.data.synthetic.materials.materials import Paints
from ilrm_cli.data.synthetic.materials.textures import tile_bank
from ilrm_cli.data.synthetic.objects.kit import Kit
from ilrm_cli.data.synthetic.raycaster.scene import Builder, Frame, Scene, Stage, blockers
from ilrm_cli.data.synthetic.raycaster.shading import VOID
from ilrm_cli.data.synthetic.scenes.surroundings import background, open_materials
from ilrm_cli.data.synthetic.trajectories import look_at
from ilrm_cli.geometry.cameras import Cameras

STAGE = Stage((0, 0, 0), (1, 2), (-9, -9, -9), (9, 9, 9), ("orbit",), 0.0)


def scene_of(*solids: tuple, background_kind: int = VOID, low=(-4, -4, 0), high=(4, 4, 4)) -> Scene:
    """Return a scene of solids given as (kind, at, half, param, more), with one material each."""
    rng = np.random.default_rng(0)
    kit = Kit(rng, Builder(), Paints(rng))
    for kind, at, half, param, more in solids:
        kit.builder.add(kind, Frame(), at, half, kit.paint(gloss=0.0), param, **more)
    surround = background(kit, background_kind, low, high, open_materials(kit, 1.0), 5.0)
    shapes = kit.builder.finish()
    lights = (blockers(shapes, surround.to_sun.astype(float)), blockers(shapes, np.array([0.0, 0.0, 1.0])))
    return Scene("by hand", shapes, kit.paints.finish(), surround, *lights, tile_bank(0), STAGE)


def camera(position, target=(0.0, 0.0, 0.0), side: int = 33, fov_deg: float = 50.0) -> Cameras:
    pose = look_at(np.array([position], float), np.array([target], float), np.zeros(1))
    focal = side / 2 / math.tan(math.radians(fov_deg) / 2)
    center = torch.full((1, 2), side / 2)
    return Cameras(torch.from_numpy(pose).float(), torch.full((1, 2), focal), center, side, side)


def rays(cameras: Cameras) -> tuple[np.ndarray, np.ndarray]:
    """Return origin [3] and directions [h, w, 3] with z-depth 1, in world axes, of a single camera in float64."""
    column, row = np.meshgrid(np.arange(cameras.width) + 0.5, np.arange(cameras.height) + 0.5)
    center, focal = cameras.center_px[0].numpy(), cameras.focal_px[0].numpy()
    local = np.stack([(column - center[0]) / focal[0], (row - center[1]) / focal[1], np.ones_like(row)], -1)
    pose = cameras.world_from_cam[0].double().numpy()
    return pose[:3, 3], local @ pose[:3, :3].T
