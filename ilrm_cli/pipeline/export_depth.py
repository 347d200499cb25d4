"""What every camera of a scene sees, as depth maps, normals and one cloud of points, for other programs.

DIR/depth.json          cameras, the unit of the .png files, and which files belong to which photo
DIR/NAME.depth.png      16 bits: depth along the camera's axis in `depth_unit`s, 0 where it is unknown
DIR/NAME.depth.npy      the same in scene units, float32; NaN where it is unknown
DIR/NAME.normal.png     which way the surface faces, in world axes: 0 to 255 for -1 to 1, black where it is unknown
DIR/NAME.trust.png      cosine between ray and surface, 0 to 255 for 0 to 1: how far the depth can be trusted
DIR/points.ply          places on surfaces with normals and colours, one per cell of a grid as fine as the pixels

With the extra `depth`, DIR/NAME.depth.exr (channel Z) and DIR/points.laz (at their place in the world) as well.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from ilrm_cli.geometry.meshes import PointCloud
from ilrm_cli.render.depth_maps import DepthMap, depth_map, far_of, normals_from_depth
from ilrm_cli.render.rasterize import pixels_of, to_uint8
from ilrm_cli.runtime.files import replacing_folder
from ilrm_cli.runtime.output_names import output_names, place_below
from ilrm_cli.runtime.progress import Report, Step, ignore
from ilrm_cli.scene.checks import DEPTH_INDEX, DEPTH_POINTS, DEPTH_SCAN
from ilrm_cli.scene.files import decode_scene
from ilrm_cli.scene.formats.mesh import encode_points
from ilrm_cli.scene.formats.scans import encode_laz, write_exr, writes_exr, writes_laz
from ilrm_cli.scene.opened import near_of, remarks_on, require_cameras
from ilrm_cli.scene.record import camera_of

DEEPEST = 65_535  # of a 16-bit picture
TRUSTED = 0.3  # cosine from which a pixel gives a point of the cloud


@dataclass(frozen=True)
class WrittenDepth:
    """What was written."""

    views: int
    depth_unit: float  # scene units of one step of the 16-bit pictures
    known: float  # share of all pixels whose depth is known
    points: int
    warnings: tuple[str, ...] = ()


def write_depth(scene: Path, folder: Path, report: Report = ignore) -> WrittenDepth:
    """Write the files listed in the module's docstring for all cameras of a scene file, at their recorded sizes.

    The folder appears whole or not at all. Raises InputError for a scene without cameras.
    """
    file, record = decode_scene(scene), require_cameras(scene, "whose depth could be written")
    near, background = near_of(record), torch.tensor(record.background)
    photos = [view.name for view in record.views]
    names = output_names(photos, flat=True)
    gaussians, views, cloud = file.gaussians.to("cpu"), list[Written](), PointCloud.empty()
    cameras = [camera_of(view).to(torch.float32) for view in record.views]
    far = far_of(gaussians, cameras, near)
    with replacing_folder(folder) as part:
        for index, (photo, name) in enumerate(zip(photos, names, strict=True)):
            report(Step("depth maps", index, len(photos)))
            seen = depth_map(gaussians, cameras[index], near, far, background)
            view, points = _write_view(part, photo, name, seen)
            views.append(view)
            pixel = float(np.median([view.pixel for view in views if view.pixel] or [0.0]))
            cloud = PointCloud.together([cloud, points]).thinned(pixel)  # each time: all views would take much memory
        unit = max(view.deepest for view in views) / DEEPEST or 1.0
        for view in views:
            _write_steps(part, view.name, unit)
        (part / DEPTH_POINTS).write_bytes(encode_points(cloud))
        if writes_laz():
            (part / DEPTH_SCAN).write_bytes(encode_laz(cloud, record.origin or (0.0, 0.0, 0.0)))
        told = {"depth_unit": unit, "axes": "OpenCV", "points": DEPTH_POINTS, "frames": [view.frame for view in views]}
        (part / DEPTH_INDEX).write_text(json.dumps(told, indent=1))
    report(Step("depth maps", len(photos), len(photos)))
    known = float(np.mean([view.known for view in views]))
    return WrittenDepth(len(views), unit, known, len(cloud), remarks_on(file, scene))


@dataclass(frozen=True)
class Written:
    """What is kept of one view until all are written."""

    name: str  # of its files, without suffixes
    frame: dict[str, Any]  # its entry in the index
    pixel: float  # size of a pixel at the median depth, scene units; 0 if nothing is known
    deepest: float  # scene units
    known: float  # share of its pixels


def _write_view(folder: Path, photo: str, name: str, seen: DepthMap) -> tuple[Written, PointCloud]:
    surface = seen.trust > 0
    depth = torch.where(surface, seen.depth, torch.nan)
    kinds = ["depth.png", "depth.npy", "normal.png", "trust.png"]
    np.save(place_below(folder, f"{name}.depth.npy"), depth.numpy())
    if writes_exr():
        write_exr(place_below(folder, f"{name}.depth.exr"), depth.numpy())
        kinds.append("depth.exr")
    normals = torch.where(surface[..., None], normals_from_depth(seen.depth, seen.camera), -1.0)
    pictures = {"normal": pixels_of((normals.permute(2, 0, 1) + 1) / 2), "trust": to_uint8(seen.trust)}
    for kind, pixels in pictures.items():
        Image.fromarray(pixels).save(place_below(folder, f"{name}.{kind}.png"))
    camera = seen.camera
    frame = {
        "photo": photo,
        "files": [f"{name}.{kind}" for kind in kinds],
        "world_from_cam": camera.world_from_cam[0].tolist(),
        "focal_px": camera.focal_px[0].tolist(),
        "center_px": camera.center_px[0].tolist(),
        "width": camera.width,
        "height": camera.height,
    }
    known = depth[surface]
    if not len(known):
        return Written(name, frame, 0.0, 0.0, 0.0), PointCloud.empty()
    median = float(known.median())
    pixel = median / float(camera.focal_px.max())
    good = seen.trust >= TRUSTED
    points = PointCloud(seen.points(good), normals[good], seen.color.permute(1, 2, 0)[good]).thinned(pixel)
    return Written(name, frame, pixel, float(known.max()), float(surface.double().mean())), points


def _write_steps(folder: Path, name: str, unit: float) -> None:
    """Write the 16-bit picture of a depth map that is there as numbers."""
    steps = np.load(folder / f"{name}.depth.npy") / unit
    whole = np.where(np.isnan(steps), 0, steps.round().clip(1, DEEPEST)).astype(np.uint16)
    Image.fromarray(whole).save(place_below(folder, f"{name}.depth.png"))
