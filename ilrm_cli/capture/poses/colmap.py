"""COLMAP models: binary and text read, with every camera model COLMAP has; posed pinhole photos written."""

import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64, UInt8
from numpy import ndarray

from ilrm_cli.capture.poses.colmap_files import check_files, image_names, readable_model
from ilrm_cli.capture.poses.colmap_library import pycolmap
from ilrm_cli.capture.poses.lenses import checked_lens, colmap_camera, lens_of
from ilrm_cli.capture.poses.pose_set import LEAST_QUATERNION, Pose, PoseSet
from ilrm_cli.geometry.cameras import Lens
from ilrm_cli.runtime.errors import InputError

UNIT_TOLERANCE = 1e-3  # by which the length of a quaternion may be off 1: text files are rounded
ROUNDED_UNIT = 1e-12  # within which it is 1 in float64, and what is read stays as it is to the last bit


def read_model(folder: Path, panoramas: bool = False) -> PoseSet:
    """Read poses, lenses and points of a COLMAP model, also of 360 degree photos if `panoramas` are asked for.

    Raises InputError if it is damaged or has no pose.
    """
    with _damage_named(folder):
        return poses_of(load_reconstruction(folder), str(folder), image_names(folder), panoramas)


def load_reconstruction(folder: Path) -> pycolmap.Reconstruction:
    """Load a pycolmap.Reconstruction. Raises InputError if the files are damaged."""
    with _damage_named(folder):
        check_files(folder)
        with readable_model(folder) as readable:
            return pycolmap.Reconstruction(str(readable))


@contextmanager
def _damage_named(folder: Path) -> Iterator[None]:
    """Turn the exceptions of damaged models into InputError."""
    try:
        yield
    except (ValueError, LookupError, TypeError, RuntimeError, ArithmeticError, MemoryError, struct.error) as error:
        raise InputError(f"The COLMAP model in {folder} is damaged; export it again.") from error
    except OSError as error:
        raise InputError(f"The COLMAP model in {folder} cannot be read ({error.strerror}).") from error


def poses_of(
    model: pycolmap.Reconstruction, where: str, names: Mapping[int, str] | None = None, panoramas: bool = False
) -> PoseSet:
    """Return poses, lenses and points of a reconstruction; `where` names it in messages.

    `names` are those of images by their ids, by default the model's own.
    """
    used = {image.camera_id for image in model.images.values() if image.has_pose}
    lenses = {key: checked_lens(lens_of(model.cameras[key]), where, panoramas) for key in used}
    poses, stretched = [], 0
    for key, image in model.images.items():
        if not image.has_pose:
            continue
        name = image.name if names is None else names[key]
        pose = image.cam_from_world()
        length = float(np.linalg.norm(pose.rotation.quat))
        world_from_cam = np.eye(4)
        if np.isfinite(length) and length > LEAST_QUATERNION:
            stretched += abs(length - 1) > UNIT_TOLERANCE
            if abs(length - 1) > ROUNDED_UNIT:
                pose = pycolmap.Rigid3d(pycolmap.Rotation3d(pose.rotation.quat / length), pose.translation)
            world_from_cam[:3] = pose.inverse().matrix()
        if not (np.isfinite(world_from_cam).all() and length > LEAST_QUATERNION):
            raise InputError(f"{where}: the pose of {name} is not finite; the file is damaged.")
        known_points = model.points3D
        observed = [p.point3D_id for p in image.points2D if p.has_point3D()]
        seen = [known_points[key].xyz for key in observed if key in known_points]
        visible = np.array(seen, dtype=np.float64).reshape(-1, 3)
        poses.append(Pose(name.replace("\\", "/"), lenses[image.camera_id], world_from_cam, visible))
    if not poses:
        raise InputError(f"The COLMAP model in {where} holds no posed photo; make the model again.")
    points = np.array([point.xyz for point in model.points3D.values()], dtype=np.float64).reshape(-1, 3)
    known = any(point.has_error() for point in model.points3D.values())
    error_px = model.compute_mean_reprojection_error() if known else None
    warnings = (f"{stretched} rotations in {where} were quaternions of another length than 1.",) if stretched else ()
    return PoseSet(tuple(sorted(poses, key=lambda pose: pose.name)), points, warnings, error_px)


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
