"""Where the cameras stand in the scene: level, in three dimensions, drawn in parallel projection from any side."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float64, UInt8
from numpy import ndarray

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.frames import turn_to
from ilrm_cli.geometry.harmonics import to_color
from ilrm_cli.geometry.views import PosedPhoto
from ilrm_cli.pipeline.reconstruct import Reconstruction
from ilrm_cli.render.rasterize import to_uint8
from ilrm_cli.visualize.report.photo_list import PhotoEntry, Role

SOLID = 0.3  # opacity from which a Gaussian is drawn as a point
MAX_POINTS = 40_000  # evenly chosen; more would only fill the picture
FAR = 2.5  # times the scene's distance from the nearest camera; points beyond are the backdrop and not drawn

CLOUD_DENSITY = 2  # pixels of the cloud per px of the drawing, for dense screens
COVERED = 0.3  # share of the drawing that points would cover if none hid another: few points get larger dots
DOT = (2, 8)  # minimum and maximum side of a dot, in pixels of the cloud
MARGIN_PX = 26  # room for the labels
FRUSTUM = (0.03, 0.085)  # depth of a frustum over the drawing's diagonal: if cameras are crowded, and if not
CROWDED = 0.8  # depth of a frustum over the median distance to the nearest camera, within those limits
BOX_SHARE = 0.96  # of the points that the drawing must fit, in each direction


@dataclass(frozen=True)
class Standing:
    """A photo's camera in the frame of the drawing."""

    name: str
    role: Role
    number: int | None  # of an input
    position: Float64[ndarray, "3"]
    corners: Float64[ndarray, "4 3"]  # unit depth: directions of the image's corners, from the top left clockwise


@dataclass(frozen=True)
class Layout:
    """Cameras and points in a level frame: x right, y ahead, z up, in the units of the normalised scene."""

    cameras: tuple[Standing, ...]  # inputs, fitted and scored photos
    points: Float64[ndarray, "point 3"]  # means of Gaussians
    colors: UInt8[ndarray, "point 3"]


def layout_of(result: Reconstruction, photos: Sequence[PhotoEntry]) -> Layout:
    """Return the cameras of inputs, fitted and scored photos, and the means of solid Gaussians near them."""
    scene, chosen, from_world = result.prepared, result.selection, result.prepared.normalized_from_world
    level = turn_to("up", from_world.poses(result.poses), from_world.rotation @ result.up)
    numbers = {photo.name: photo.number for photo in photos}

    def standing(photos: Sequence[PosedPhoto], cameras: Cameras, role: Role) -> list[Standing]:
        return _standing(cameras, [photo.name for photo in photos], role, numbers, level.rotation)

    cameras = standing(chosen.used, scene.inputs.cameras, "input")
    if result.fit:
        cameras += standing(chosen.only_fitted, result.fit.cameras, "fitted")
    if scene.targets:
        cameras += standing(chosen.scored, scene.targets.cameras, "held_out")
    gaussians = result.gaussians[result.gaussians.opacities > SOLID].to("cpu")
    near = torch.cdist(gaussians.means.double(), scene.inputs.cameras.positions.double().cpu()).min(1).values
    gaussians = gaussians[near < FAR * scene.distance]
    gaussians = gaussians[:: -(-max(len(gaussians), 1) // MAX_POINTS)]
    return Layout(
        cameras=tuple(cameras),
        points=level.points(gaussians.means.double()).numpy(),
        colors=to_uint8(to_color(gaussians.harmonics)),
    )


def _standing(
    cameras: Cameras,
    names: Sequence[str],
    role: Role,
    numbers: dict[str, int | None],
    level: Float[torch.Tensor, "3 3"],
) -> list[Standing]:
    cameras = cameras.to("cpu").to(torch.float64)
    pixels = torch.tensor([[0, 0], [1, 0], [1, 1], [0, 1]]) * torch.tensor([cameras.width, cameras.height])
    flat = (pixels - cameras.center_px[:, None]) / cameras.focal_px[:, None]  # [camera, 4, 2] at unit depth
    rays = torch.cat([flat, torch.ones_like(flat[..., :1])], dim=-1)
    rays = rays @ (level @ cameras.world_from_cam[:, :3, :3]).mT
    positions = cameras.positions @ level.T
    return [
        Standing(name, role, numbers.get(name), position.numpy(), corners.numpy())
        for name, position, corners in zip(names, positions, rays, strict=True)
    ]


@dataclass(frozen=True)
class DrawnCamera:
    """A camera frustum in px of the drawing."""

    name: str
    role: Role
    number: int | None
    eye: tuple[float, float]
    corners: tuple[tuple[float, float], ...]  # from the image's top left, clockwise


@dataclass(frozen=True)
class Drawing:
    """A view of the layout, with the nearest camera last."""

    width: int  # px
    height: int  # px
    cameras: tuple[DrawnCamera, ...]
    cloud: UInt8[ndarray, "rows columns 4"]  # the points, CLOUD_DENSITY times as dense; transparent background


def draw(layout: Layout, width: int, height: int, azimuth_deg: float, elevation_deg: float) -> Drawing:
    """Draw the layout from behind the cameras, `azimuth_deg` to their right and `elevation_deg` above."""
    axes = _axes(azimuth_deg, elevation_deg)
    eyes = np.stack([camera.position for camera in layout.cameras])
    points = layout.points @ axes.T
    rough = np.concatenate([eyes @ axes.T, _boxed(points)])
    depth = _frustum_depth(eyes, float(np.linalg.norm(np.ptp(rough[:, :2], axis=0))))
    corners = np.stack([camera.position + depth * camera.corners for camera in layout.cameras])
    shown = np.concatenate([rough, (corners @ axes.T).reshape(-1, 3)])
    low, size = shown[:, :2].min(0), np.maximum(np.ptp(shown[:, :2], axis=0), 1e-9)
    room = np.array([width, height]) - 2 * MARGIN_PX
    scale = float((room / size).min())
    shift = (np.array([width, height]) - scale * size) / 2 - scale * low

    def paper(seen: Float64[ndarray, "*batch 3"]) -> Float64[ndarray, "*batch 2"]:
        return seen[..., :2] * scale + shift

    eyes_px, corners_px = paper(eyes @ axes.T), paper(corners @ axes.T)
    order = np.argsort(-(eyes @ axes[2]))
    drawn = tuple(
        DrawnCamera(c.name, c.role, c.number, tuple(eyes_px[i].tolist()), tuple(map(tuple, corners_px[i].tolist())))
        for i, c in ((i, layout.cameras[i]) for i in order)
    )
    return Drawing(width, height, drawn, _cloud(paper(points), points[:, 2], layout.colors, width, height))


def _axes(azimuth_deg: float, elevation_deg: float) -> Float64[ndarray, "3 3"]:
    """Return rows: right and down in the drawing, and away from the viewer."""
    azimuth, elevation = np.radians(azimuth_deg), np.radians(elevation_deg)
    level = np.array([-np.sin(azimuth), np.cos(azimuth), 0.0])
    right = np.array([np.cos(azimuth), np.sin(azimuth), 0.0])
    away = np.cos(elevation) * level - np.sin(elevation) * np.array([0.0, 0.0, 1.0])
    return np.stack([right, np.cross(away, right), away])


def _boxed(points: Float64[ndarray, "point 3"]) -> Float64[ndarray, "_ 3"]:
    """Return two corners of the box with BOX_SHARE of the points in each direction; nothing if there are no points."""
    if not len(points):
        return points
    return np.quantile(points, [(1 - BOX_SHARE) / 2, (1 + BOX_SHARE) / 2], axis=0)


def _frustum_depth(eyes: Float64[ndarray, "camera 3"], diagonal: float) -> float:
    apart = np.linalg.norm(eyes[:, None] - eyes, axis=-1) + np.diag(np.full(len(eyes), np.inf))
    crowd = CROWDED * float(np.median(apart.min(1))) if len(eyes) > 1 else np.inf
    return float(np.clip(crowd, FRUSTUM[0] * diagonal, FRUSTUM[1] * diagonal))


def _cloud(
    places: Float64[ndarray, "point 2"],
    away: Float64[ndarray, " point"],
    colors: UInt8[ndarray, "point 3"],
    width: int,
    height: int,
) -> UInt8[ndarray, "rows columns 4"]:
    """Draw each point as a square dot, nearer ones over farther ones."""
    picture = np.zeros((height * CLOUD_DENSITY, width * CLOUD_DENSITY, 4), dtype=np.uint8)
    order = np.argsort(-away)
    columns, rows = np.floor(places[order] * CLOUD_DENSITY).astype(int).T
    paint = np.concatenate([colors[order], np.full((len(order), 1), 255, dtype=np.uint8)], axis=1)
    side = math.sqrt(COVERED * picture.shape[0] * picture.shape[1] / max(len(order), 1))
    for down, right in np.ndindex(2 * (round(min(max(side, DOT[0]), DOT[1])),)):
        row, column = rows + down, columns + right
        inside = (row >= 0) & (row < picture.shape[0]) & (column >= 0) & (column < picture.shape[1])
        picture[row[inside], column[inside]] = paint[inside]
    return picture
