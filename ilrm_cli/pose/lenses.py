"""Lenses under scaling and rotation of the image. The parameter layouts are COLMAP's (colmap/sensor/models.h)."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from ilrm_cli.colmap_library import pycolmap
from ilrm_cli.geometry.cameras import Lens
from ilrm_cli.runtime.errors import InputError

# Indices of distortion parameters that form vectors in the image plane (tangential, thin prism) and rotate with it.
IN_PLANE = {
    "OPENCV": ((7, 6),),  # p2 belongs to x, p1 to y
    "FULL_OPENCV": ((7, 6),),
    "THIN_PRISM_FISHEYE": ((7, 6), (10, 11)),
    "RAD_TAN_THIN_PRISM_FISHEYE": ((10, 11), (12, 14), (13, 15)),
}
PINHOLES = ("SIMPLE_PINHOLE", "PINHOLE")
SAME_ASPECT = 0.01  # relative difference of width / height explained by rounding of small images


def pinhole(focal_px: tuple[float, float], center_px: tuple[float, float], width: int, height: int) -> Lens:
    """Return a lens without distortion."""
    return Lens("PINHOLE", (*focal_px, *center_px), width, height)


def checked_lens(lens: Lens, where: str) -> Lens:
    """Return the lens if a camera can have it; raise InputError otherwise. `where` names the file for the message."""
    no_camera = InputError(f"{where}: a camera has no positive size and focal length; the file is damaged.")
    if lens.width < 1 or lens.height < 1 or not np.isfinite(lens.params).all():
        raise no_camera
    try:
        camera = colmap_camera(lens)
    except ValueError as error:
        raise InputError(f"{where}: {error}.") from error
    if lens.model == "EQUIRECTANGULAR":
        raise InputError(f"{where}: 360 degree panoramas are not supported; cut them into perspective photos first.")
    if min(camera.params[i] for i in camera.focal_length_idxs()) <= 0:
        raise no_camera
    return lens


def colmap_camera(lens: Lens) -> pycolmap.Camera:
    """Convert to a pycolmap.Camera. Raises ValueError for an unknown model or a wrong number of parameters."""
    if lens.model not in pycolmap.CameraModelId.__members__ or lens.model == "INVALID":
        raise ValueError(f"{lens.model} is not a camera model of COLMAP")
    camera = pycolmap.Camera(model=lens.model, width=lens.width, height=lens.height, params=lens.params)
    if not camera.verify_params():
        names = pycolmap.Camera.create_from_model_name(0, lens.model, 1.0, 1, 1).params_info
        count = len(names.split(","))
        raise ValueError(f"{lens.model} takes {count} parameters ({names}), not {len(lens.params)}")
    return camera


def lens_of(camera: pycolmap.Camera) -> Lens:
    """Convert a pycolmap.Camera to a Lens."""
    return Lens(camera.model_name, tuple(float(p) for p in camera.params), camera.width, camera.height)


def fits(lens: Lens, width: int, height: int) -> bool:
    """Return whether an image of this size can be a uniformly scaled copy of the lens's image."""
    # a rounded side may be off by a pixel; on a thumbnail that exceeds the tolerance
    slack = max(SAME_ASPECT, 1 / min(width, height))
    return abs(lens.width / lens.height * height / width - 1) <= slack


def scaled_lens(lens: Lens, width: int, height: int) -> Lens:
    """Return the lens of the image resampled to another size."""
    if (lens.width, lens.height) == (width, height):
        return lens
    camera = colmap_camera(lens)
    camera.rescale(width, height)
    return lens_of(camera)


def turned_lens(lens: Lens, quarter_turns: int) -> Lens:
    """Return the lens of the image rotated counterclockwise, as by `numpy.rot90(image, quarter_turns)`.

    One turn maps pixel (x, y) to (y, width - x), and the vectors among the distortion parameters with it.
    """
    for _ in range(quarter_turns % 4):
        camera = colmap_camera(lens)
        params = list(lens.params)
        focal, center = camera.focal_length_idxs(), camera.principal_point_idxs()
        for index, source in zip(focal, reversed(focal), strict=True):
            params[index] = lens.params[source]
        params[center[0]], params[center[1]] = lens.params[center[1]], lens.width - lens.params[center[0]]
        for x, y in IN_PLANE.get(lens.model, ()):
            params[x], params[y] = lens.params[y], -lens.params[x]
        lens = replace(lens, params=tuple(params), width=lens.height, height=lens.width)
    return lens


def turned_pose(world_from_cam: Float64[ndarray, "4 4"], quarter_turns: int) -> Float64[ndarray, "4 4"]:
    """Return the pose that belongs to `turned_lens`: the camera rolled about its z axis."""
    upright_from_turned = np.eye(4)
    upright_from_turned[:2, :2] = np.linalg.matrix_power(np.array([[0.0, -1.0], [1.0, 0.0]]), quarter_turns % 4)
    return world_from_cam @ upright_from_turned
