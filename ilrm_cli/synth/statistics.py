"""Statistics that characterise a rendered scene for reconstruction."""

import math
from dataclasses import dataclass

import torch

from ilrm_cli.synth.dataset import TrainingScene

GRID = 24  # points along each side of a picture that represent it
QUANTILES = (0.05, 0.5, 0.95)  # of depth
SAME_SURFACE = 0.03  # relative difference of depths below which two views see the same point


@dataclass(frozen=True)
class SceneStatistics:
    """The statistics of one scene."""

    kind: str
    views: int
    field_of_view_deg: float  # of the longer side
    depth_near: float  # 5 % of the pixels are nearer, world units
    depth_median: float
    depth_far: float  # 95 % of the pixels are nearer
    baseline_to_depth: float  # mean distance of each camera to its nearest other, over the median depth
    overlap: float  # mean share of a picture that another picture of the scene also sees
    brightness: float  # mean of the pictures, 0 to 1


def statistics_of(scene: TrainingScene) -> SceneStatistics:
    """Compute the statistics of a scene with at least two views."""
    cameras = scene.true_cameras
    some = scene.depth.flatten()[:: max(1, scene.depth.numel() // 100_000)]
    near, median, far = torch.quantile(some, torch.tensor(QUANTILES))
    apart = torch.cdist(cameras.positions, cameras.positions)
    apart.fill_diagonal_(float("inf"))
    longer, focal = max(cameras.width, cameras.height), float(cameras.focal_px[0, 0])
    return SceneStatistics(
        scene.kind,
        len(cameras),
        math.degrees(2 * math.atan(longer / 2 / focal)),
        float(near),
        float(median),
        float(far),
        float(apart.min(1).values.mean() / median),
        _overlap(scene),
        float(scene.views.images.mean()),
    )


def _overlap(scene: TrainingScene) -> float:
    """Return the mean share of grid points of each picture that every other picture sees."""
    cameras, depth = scene.true_cameras, scene.depth
    views, height, width = depth.shape
    rows = ((torch.arange(GRID) + 0.5) * height / GRID).long()
    columns = ((torch.arange(GRID) + 0.5) * width / GRID).long()
    row, column = torch.meshgrid(rows, columns, indexing="ij")
    pixel = torch.stack([column, row], -1).flatten(0, 1) + 0.5  # [P, 2]
    ray = (pixel - cameras.center_px[:, None]) / cameras.focal_px[:, None]  # [V, P, 2]
    distance = depth[:, row.flatten(), column.flatten()]  # [V, P]
    local = torch.cat([ray, torch.ones(views, len(pixel), 1)], -1) * distance[..., None]
    pose = cameras.world_from_cam
    world = torch.einsum("vij,vpj->vpi", pose[:, :3, :3], local) + pose[:, None, :3, 3]
    there = cameras.project(world.flatten(0, 1))  # [to, from * P]
    y, x = there.cells()
    found = depth[torch.arange(views)[:, None], y, x]
    same = there.inside & ((found - there.depth).abs() < SAME_SURFACE * there.depth)
    seen = same.float().unflatten(1, (views, -1)).mean(-1)  # [to, from]
    return float((seen.sum() - seen.diagonal().sum()) / (views * (views - 1)))
