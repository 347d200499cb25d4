"""Rendered scenes as folders that every other command reads: JPEG photos with or without a COLMAP model."""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float64
from numpy import ndarray
from PIL import Image
from torch import Tensor

from ilrm_cli.capture.poses.colmap_library import pycolmap
from ilrm_cli.geometry.views import Views
from ilrm_cli.render.rasterize import pixels_of, to_uint8
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.files import replacing_folder

JPEG_QUALITY = 92
POINTS = 400  # of a model, at most
SAME_SURFACE = 0.01  # relative difference of depths below which two views see the same point
FAR_TIMES_MEDIAN = 8.0  # points beyond this many median depths are sky, which SfM would not triangulate


def surface_points(
    views: Views, depth: Float[Tensor, "view height width"], count: int, seed: int = 0
) -> tuple[Float64[ndarray, "point 3"], Float64[ndarray, "point view 2"], ndarray, ndarray]:
    """Sample true surface points at random pixels, keeping those that at least two views see.

    Returns their world positions, their pixels in every view, a mask of the views that see them [point, view] and their
    colours [point, 3] (uint8). There may be fewer than `count`.
    """
    cameras, rng = views.cameras, np.random.default_rng(seed)
    total, height, width = depth.shape
    view = torch.from_numpy(rng.integers(0, total, 4 * count))
    row, column = (torch.from_numpy(rng.integers(0, side, 4 * count)) for side in (height, width))
    z = depth[view, row, column]
    pixel = torch.stack([column + 0.5, row + 0.5], -1)
    ray = torch.cat([(pixel - cameras.center_px[view]) / cameras.focal_px[view], torch.ones(len(z), 1)], -1)
    pose = cameras.world_from_cam[view]
    world = (pose[:, :3, :3] @ (ray * z[:, None])[:, :, None]).squeeze(-1) + pose[:, :3, 3]
    there = cameras.project(world)
    pixels, depth_there = there.pixels.transpose(0, 1), there.depth.T  # [point, view, 2], [point, view]
    inside = ((pixels > 1) & (pixels < torch.tensor([width - 1, height - 1]))).all(-1) & (depth_there > 0)
    rows, columns = (cell.T for cell in there.cells())
    stored = depth[torch.arange(total), rows, columns]
    seen = inside & ((stored - depth_there).abs() < SAME_SURFACE * depth_there)
    keep = (seen.sum(1) >= 2) & (z < FAR_TIMES_MEDIAN * depth.median())
    chosen = torch.nonzero(keep).squeeze(1)[:count]
    colours = to_uint8(views.images[view, :, row, column][chosen])
    return world[chosen].double().numpy(), pixels[chosen].double().numpy(), seen[chosen].numpy(), colours


def colmap_model(
    views: Views, depth: Float[Tensor, "view height width"], names: list[str], seed: int = 0
) -> pycolmap.Reconstruction:
    """Return the true cameras and some true points with tracks as a COLMAP model, with one PINHOLE camera per view."""
    model, cameras = pycolmap.Reconstruction(), views.cameras
    world, pixels, seen, colours = surface_points(views, depth, POINTS, seed)
    slots = np.cumsum(seen, axis=0) - 1  # index of each point among a view's observations
    for index, name in enumerate(names):
        params = [*cameras.focal_px[index].tolist(), *cameras.center_px[index].tolist()]
        camera = pycolmap.Camera(
            model="PINHOLE", width=cameras.width, height=cameras.height, params=params, camera_id=index + 1
        )
        model.add_camera_with_trivial_rig(camera)
        image = pycolmap.Image(
            name=name, keypoints=pixels[seen[:, index], index], camera_id=index + 1, image_id=index + 1
        )
        pose = pycolmap.Rigid3d(cameras.cam_from_world[index, :3].double().numpy())
        model.add_image_with_trivial_frame(image, pose)
    for point in range(len(world)):
        track = pycolmap.Track()
        for seeing in np.flatnonzero(seen[point]):
            track.add_element(int(seeing) + 1, int(slots[point, seeing]))
        model.add_point3D(world[point], track, colours[point])
    return model


def write_photos(folder: Path, images: Float[Tensor, "view 3 height width"]) -> list[str]:
    """Write JPEG files 001.jpg, 002.jpg, ... into an existing folder; return their names."""
    names = [f"{index + 1:03}.jpg" for index in range(len(images))]
    for name, image in zip(names, images, strict=True):
        Image.fromarray(pixels_of(image)).save(folder / name, quality=JPEG_QUALITY, subsampling=0)
    return names


def fill_scene(folder: Path, views: Views, depth: Float[Tensor, "view height width"], seed: int = 0) -> list[str]:
    """Write images/ and sparse/0 (binary COLMAP model) into an existing folder; return the photos' names."""
    for part in ("images", "sparse/0"):
        (folder / part).mkdir(parents=True)
    names = write_photos(folder / "images", views.images)
    colmap_model(views, depth, names, seed).write_binary(folder / "sparse" / "0")
    return names


def write_scene(folder: Path, views: Views, depth: Float[Tensor, "view height width"] | None = None) -> None:
    """Write a new folder with images/ and, if depth is given, sparse/0 (binary COLMAP model); otherwise photos alone.

    The folder appears whole or not at all. Raises InputError if it already exists.
    """
    if folder.exists():
        raise InputError(f"The folder {folder} exists already; name a new one.")
    with replacing_folder(folder) as target:
        if depth is None:
            write_photos(target, views.images)
        else:
            fill_scene(target, views, depth)
