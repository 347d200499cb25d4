"""Many procedural scenes as folders that every other command reads, with a record and a contact sheet.

The record holds statistics that characterise each rendered scene for reconstruction.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ilrm_cli.data.checks import RECORD_NAME, check_folder, check_scene_folder
from ilrm_cli.data.synthetic.colmap_folder import fill_scene
from ilrm_cli.data.synthetic.dataset import Shooting, TrainingScene, training_scene
from ilrm_cli.data.synthetic.scenes.by_number import KINDS
from ilrm_cli.render.rasterize import to_uint8
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.files import check_output, replacing, replacing_folder

SHEET_NAME = "contact_sheet.jpg"
SHEET_VIEWS, SHEET_ROWS, SHEET_HEIGHT_PX = 6, 40, 90  # of the contact sheet: pictures per row, scenes at most

USUAL = Shooting(views=8, width=256, height=192, samples=8)

GRID = 24  # points along each side of a picture that represent it
QUANTILES = (0.05, 0.5, 0.95)  # of depth
SAME_SURFACE = 0.03  # relative difference of depths below which two views see the same point


@dataclass(frozen=True)
class Order:
    """The scenes to write, and their options."""

    scenes: int
    seed: int = 0
    first: int = 0  # index of the first scene
    shooting: Shooting = USUAL
    threads: int = 1


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


@dataclass(frozen=True)
class Written:
    """A scene on disk."""

    folder: Path
    statistics: SceneStatistics


def scene_folder(out: Path, index: int) -> Path:
    return out / f"{index:06}"


def check_order(out: Path, order: Order, overwrite: bool) -> None:
    """Raise InputError if the order cannot be carried out, before any work."""
    if (kind := order.shooting.kind) is not None and kind not in KINDS:
        raise InputError(f"--kind {kind} is unknown; use {', '.join(KINDS)}.")
    check_folder(out, overwrite)
    for index in range(order.first, order.first + order.scenes):
        check_scene_folder(scene_folder(out, index))
    if out.is_dir():
        check_output(out / SHEET_NAME, overwrite)


def write_collection(out: Path, order: Order) -> Iterator[Written]:
    """Write the scenes one by one, then the contact sheet; each scene's folder appears whole or not at all.

    Existing folders of these scenes are replaced, everything else in `out` stays. `check_order` lists what is refused.
    """
    rows: list[np.ndarray] = []
    for index in range(order.first, order.first + order.scenes):
        scene = training_scene(order.seed, index, order.shooting, threads=order.threads)
        statistics = statistics_of(scene)
        folder = scene_folder(out, index)
        with replacing_folder(folder) as part:
            _fill(part, scene, {"seed": order.seed, "index": index, **asdict(statistics)}, index)
        if len(rows) < SHEET_ROWS:
            rows.append(_sheet_row(scene))
        yield Written(folder, statistics)
    with replacing(out / SHEET_NAME) as part:
        Image.fromarray(np.concatenate(rows)).save(part, quality=88)


def _fill(folder: Path, scene: TrainingScene, record: dict, seed: int) -> None:
    """Write images/ and sparse/0, depth/ and perhaps normals/ as one .npy per photo, and scene.json."""
    names = fill_scene(folder, scene.views, scene.depth, seed=seed)
    planes = {"depth": scene.depth.numpy()}
    if scene.normals is not None:
        planes["normals"] = scene.normals.permute(0, 2, 3, 1).half().numpy()
    for name, arrays in planes.items():
        (folder / name).mkdir()
        for photo, array in zip(names, arrays, strict=True):
            np.save(folder / name / Path(photo).with_suffix(".npy"), array)
    (folder / RECORD_NAME).write_text(json.dumps(record, indent=2) + "\n")


def _sheet_row(scene: TrainingScene) -> np.ndarray:
    """Return a row of pictures of a scene, uint8 [h, w, 3]."""
    images = scene.views.images
    chosen = images[torch.linspace(0, len(images) - 1, SHEET_VIEWS).round().long()]
    width = round(SHEET_HEIGHT_PX * images.shape[3] / images.shape[2])
    small = torch.nn.functional.interpolate(chosen, (SHEET_HEIGHT_PX, width), mode="bilinear", antialias=True)
    return to_uint8(small.permute(2, 0, 3, 1).flatten(1, 2))


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
