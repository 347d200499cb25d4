"""Procedural objects alone on white, seen from all around: what reconstructors of objects are trained on."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import avg_pool2d

from ilrm_cli.data.synthetic.materials.materials import Paints
from ilrm_cli.data.synthetic.materials.textures import tile_bank
from ilrm_cli.data.synthetic.objects.furniture import chair
from ilrm_cli.data.synthetic.objects.kit import Kit
from ilrm_cli.data.synthetic.objects.statuary import animal, figure, stone, toy
from ilrm_cli.data.synthetic.objects.still_life import sculpture, vessel
from ilrm_cli.data.synthetic.raycaster.raycast import CPU, depth_of, render_scene
from ilrm_cli.data.synthetic.raycaster.scene import Builder, Frame, Scene, Stage, blockers
from ilrm_cli.data.synthetic.raycaster.shading import VOID
from ilrm_cli.data.synthetic.scenes.surroundings import background, open_materials
from ilrm_cli.data.synthetic.trajectories import look_at
from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.frames import ORBIT_RADIUS
from ilrm_cli.geometry.views import Views

FOV_DEG = 50.0  # of the cameras (GRM's and FaceLift's): a unit sphere at their distance just fits
ELEVATION_DEG = (-10.0, 50.0)
BEHIND = ORBIT_RADIUS + 1.0  # z-depth that is told of pixels without an object
SPAN_JITTER = 0.25  # of the even spacing of cameras in azimuth
OVERSAMPLED = 2  # side of the cells of rays that become one pixel: outlines are blended with white
SCENES_PER_BANK = 8192  # as of other scenes


@dataclass(frozen=True)
class ObjectViews:
    """Views of one object around the origin, of about unit radius, z up."""

    views: Views  # on white; `empty` where nothing is seen
    depth: Float[Tensor, "view height width"]  # z-depth at pixel centres; BEHIND where nothing is seen


def object_views(seed: int, index: int, views: int, width: int, height: int, device: torch.device = CPU) -> ObjectViews:
    """Make object `index` of the endless series `seed`, seen from `views` cameras at one distance, in order."""
    rng = np.random.default_rng([seed, index, 7])
    scene, middle, radius = _object(rng, index)
    cameras = _around(rng, views, width, height)
    there = cameras.world_from_cam.clone()
    there[:, :3, 3] = radius * there[:, :3, 3] + torch.tensor(middle, dtype=torch.float32)
    fine = cameras.moved(there).resized(OVERSAMPLED * width, OVERSAMPLED * height)
    images, fine_depth = (part.cpu() for part in render_scene(scene, fine, samples=1, device=device))
    solid = (fine_depth < radius * BEHIND)[:, None].float()
    shown = avg_pool2d(images * solid + (1 - solid), OVERSAMPLED)
    depth = depth_of(scene, cameras.moved(there)) / radius
    empty = 1 - avg_pool2d(solid, OVERSAMPLED)[:, 0].ceil()
    seen = Views(shown.to(device), cameras, empty=empty.to(device))
    return ObjectViews(seen, torch.where(depth < BEHIND, depth, BEHIND).to(device))


def _object(rng: np.random.Generator, index: int) -> tuple[Scene, np.ndarray, float]:
    """Return an object in empty space with light from the sky, its middle, and the radius of the sphere around it."""
    kit = Kit(rng, Builder(), Paints(rng))
    frame = Frame(yaw=kit.between(0, 2 * math.pi))
    makers = (vessel, toy, chair, _statue, *(_sculpture,) * 4)  # the last look different from all sides
    makers[int(rng.integers(len(makers)))](kit, frame)
    shapes = kit.builder.finish(index // SCENES_PER_BANK)
    corners = shapes.corners.reshape(-1, 3)
    middle = (corners.min(0) + corners.max(0)) / 2
    radius = float(np.linalg.norm(corners.max(0) - corners.min(0)) / 2)
    low, high = (tuple(float(x) for x in middle + side * radius) for side in (-1, 1))
    around = background(kit, VOID, low, high, open_materials(kit, radius), BEHIND * radius)  # type: ignore[arg-type]
    lights = blockers(shapes, around.to_sun.astype(np.float64)), blockers(shapes, np.array([0.0, 0.0, 1.0]))
    stage = Stage(tuple(middle.tolist()), (radius, radius), low, high, (), 0.0)  # type: ignore[arg-type]
    scene = Scene("alone", shapes, kit.paints.finish(), around, *lights, tile_bank(index // SCENES_PER_BANK), stage)
    return scene, middle, radius


def _statue(kit: Kit, frame: Frame) -> None:
    (figure if kit.chance(0.5) else animal)(kit, frame, stone(kit))


def _sculpture(kit: Kit, frame: Frame) -> None:
    sculpture(kit, frame, int(kit.rng.integers(2, 7)))


def _around(rng: np.random.Generator, views: int, width: int, height: int) -> Cameras:
    """Return cameras evenly around the origin, each a little off its place."""
    step = 2 * math.pi / views
    azimuth = rng.uniform(0, 2 * math.pi) + step * (np.arange(views) + SPAN_JITTER * rng.uniform(-1, 1, views))
    elevation = np.radians(rng.uniform(*ELEVATION_DEG, views))
    flat = ORBIT_RADIUS * np.cos(elevation)
    positions = np.stack([flat * np.cos(azimuth), flat * np.sin(azimuth), ORBIT_RADIUS * np.sin(elevation)], axis=-1)
    poses = torch.from_numpy(look_at(positions, np.zeros((views, 3)), np.zeros(views))).float()
    focal = 0.5 * max(width, height) / math.tan(math.radians(FOV_DEG) / 2)
    center = torch.tensor([width / 2, height / 2]).repeat(views, 1)
    return Cameras(poses, torch.full((views, 2), focal), center, width, height)
