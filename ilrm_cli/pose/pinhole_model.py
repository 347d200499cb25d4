"""Export of posed pinhole photos and sparse points as a COLMAP model and a transforms.json."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64, UInt8
from numpy import ndarray

from ilrm_cli.colmap_library import pycolmap
from ilrm_cli.geometry.cameras import Lens
from ilrm_cli.pose.lenses import colmap_camera
from ilrm_cli.pose.transforms import OPENCV_FROM_OPENGL


@dataclass(frozen=True)
class Seen:
    """The sparse points visible in one photo."""

    points: Float64[ndarray, "point 3"]  # world
    pixels: Float64[ndarray, "point 2"]  # (x, y) projected by the pinhole camera
    colors: UInt8[ndarray, "point 3"]


@dataclass(frozen=True)
class PinholePhoto:
    """A photo without distortion, with its pose."""

    name: str  # of the file below `images`
    lens: Lens  # "PINHOLE"
    world_from_cam: Float64[ndarray, "4 4"]  # OpenCV axes
    seen: Seen


def points_inside(
    points: Float64[ndarray, "point 3"],
    lens: Lens,
    world_from_cam: Float64[ndarray, "4 4"],
    image: UInt8[ndarray, "height width 3"],
) -> Seen:
    """Return the points that a pinhole camera sees, with their pixels and colours."""
    assert lens.model == "PINHOLE", lens.model
    local = (points - world_from_cam[:3, 3]) @ world_from_cam[:3, :3]
    with np.errstate(divide="ignore", invalid="ignore"):
        pixels = local[:, :2] / local[:, 2:] * lens.params[:2] + lens.params[2:]
    inside = (local[:, 2] > 0) & (pixels >= 0).all(1) & (pixels < (lens.width, lens.height)).all(1)
    column, row = pixels[inside].astype(int).T
    return Seen(points[inside], pixels[inside], image[row, column])


def reconstruction_of(photos: Sequence[PinholePhoto]) -> pycolmap.Reconstruction:
    """Return a COLMAP model: one camera per distinct lens, and the points seen by two photos or more.

    Observations are projections of the points, since not every source gives the detected positions; the points carry no
    error.
    """
    model = pycolmap.Reconstruction()
    camera_ids: dict[Lens, int] = {}
    for photo in photos:
        if photo.lens not in camera_ids:
            camera_ids[photo.lens] = len(camera_ids) + 1
            camera = colmap_camera(photo.lens)
            camera.camera_id = camera_ids[photo.lens]
            model.add_camera_with_trivial_rig(camera)
    for image_id, photo in enumerate(photos, 1):
        image = pycolmap.Image(name=photo.name, camera_id=camera_ids[photo.lens], image_id=image_id)
        image.points2D = pycolmap.Point2DList([pycolmap.Point2D(xy=pixel) for pixel in photo.seen.pixels])
        world_from_cam = pycolmap.Rigid3d(photo.world_from_cam[:3])
        model.add_image_with_trivial_frame(image, world_from_cam.inverse())
    _add_points(model, photos)
    return model


def _add_points(model: pycolmap.Reconstruction, photos: Sequence[PinholePhoto]) -> None:
    points = np.concatenate([np.zeros((0, 3)), *(photo.seen.points for photo in photos)])
    distinct, point = np.unique(points, axis=0, return_inverse=True)
    tracks: list[list[pycolmap.TrackElement]] = [[] for _ in distinct]
    colors = np.zeros((len(distinct), 3), dtype=np.uint8)
    position = 0
    for image_id, photo in enumerate(photos, 1):
        for index, color in enumerate(photo.seen.colors):
            tracks[point.flat[position]].append(pycolmap.TrackElement(image_id, index))
            colors[point.flat[position]] = color
            position += 1
    for xyz, elements, color in zip(distinct, tracks, colors, strict=True):
        if len({element.image_id for element in elements}) > 1:
            model.add_point3D(xyz, pycolmap.Track(elements), color)


def mask_name(photo: PinholePhoto) -> str:
    """Return the file name of a photo's mask, as COLMAP expects it."""
    return f"{photo.name}.png"


def transforms_of(photos: Sequence[PinholePhoto], folder: str, masks: str | None = None) -> dict[str, Any]:
    """Return the content of a transforms.json (nerfstudio) beside the image folder `folder`.

    If `masks` is given, it is the folder with a mask for each image.
    """
    frames = []
    for photo in photos:
        focal_x, focal_y, center_x, center_y = photo.lens.params
        frames.append(
            {
                "file_path": f"{folder}/{photo.name}",
                **({} if masks is None else {"mask_path": f"{masks}/{mask_name(photo)}"}),
                "w": photo.lens.width,
                "h": photo.lens.height,
                "fl_x": focal_x,
                "fl_y": focal_y,
                "cx": center_x,
                "cy": center_y,
                "transform_matrix": (photo.world_from_cam @ OPENCV_FROM_OPENGL).tolist(),
            }
        )
    return {"camera_model": "PINHOLE", "frames": frames}
