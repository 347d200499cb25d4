"""Lenses: what the user knows of one, and a lens after its image was scaled or turned.

Given is "PINHOLE 1200,1200,960,540", or a file cameras.txt of COLMAP. The parameter layouts are COLMAP's
(colmap/sensor/models.h).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from ilrm_cli.capture.poses.colmap_library import pycolmap
from ilrm_cli.geometry.cameras import LONGEST_SIDE_PX, Lens, plausible
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.files import read_text

# Indices of distortion parameters that form vectors in the image plane (tangential, thin prism) and rotate with it.
IN_PLANE = {
    "OPENCV": ((7, 6),),  # p2 belongs to x, p1 to y
    "FULL_OPENCV": ((7, 6),),
    "THIN_PRISM_FISHEYE": ((7, 6), (10, 11)),
    "RAD_TAN_THIN_PRISM_FISHEYE": ((10, 11), (12, 14), (13, 15)),
}
PINHOLES = ("SIMPLE_PINHOLE", "PINHOLE")
PANORAMA = "EQUIRECTANGULAR"  # of a whole sphere, whose parameters are width and height
FRAME_MM = 36.0  # width of the frame that focal lengths "in 35 mm film" are for
SAME_ASPECT = 0.01  # relative difference of width / height explained by rounding of small images
LOOK_PX = 128  # longer side of the photo at which distortion is examined, which no scale changes
EDGE_POINTS = 64  # of each side of such a photo
HALVINGS = 12  # of the interval in which the size of an undistorted photo is sought
SAME_RAY = 1e-3  # difference of a direction and what distortion and undistortion make of it, with z = 1

FORM = '--camera "MODEL PARAMETERS" with COLMAP\'s models, such as "PINHOLE 1200,1200,960,540", or a cameras.txt'


def pinhole(focal_px: tuple[float, float], center_px: tuple[float, float], width: int, height: int) -> Lens:
    """Return a lens without distortion."""
    return Lens("PINHOLE", (*focal_px, *center_px), width, height)


def panorama_lens(width: int, height: int) -> Lens:
    """Return the lens of a 360 degree photo, the middle of which is straight ahead."""
    return Lens(PANORAMA, (float(width), float(height)), width, height)


def checked_lens(lens: Lens, where: str, panoramas: bool = False) -> Lens:
    """Return the lens if a camera can have it; raise InputError otherwise. `where` names the file for the message.

    `panoramas` tells whether it may be that of a 360 degree photo, which has no focal length.
    """
    no_camera = InputError(f"{where}: a camera has no positive size and focal length; the file is damaged.")
    if (
        not 1 <= lens.width <= LONGEST_SIDE_PX
        or not 1 <= lens.height <= LONGEST_SIDE_PX
        or not np.isfinite(lens.params).all()
    ):
        raise no_camera
    try:
        camera = colmap_camera(lens)
    except ValueError as error:
        raise InputError(f"{where}: {error}.") from error
    if lens.model == PANORAMA:
        if not panoramas:
            raise InputError(f"{where}: 360 degree panoramas do not fit here; cut them into perspective photos first.")
        if not fits(lens, 2 * lens.height, lens.height):
            raise InputError(
                f"{where}: a 360 degree panorama is twice as wide as high, not {lens.width}x{lens.height}."
            )
        return lens
    focal = [camera.params[i] for i in camera.focal_length_idxs()]
    center = [camera.params[i] for i in camera.principal_point_idxs()]
    if min(focal) <= 0:
        raise no_camera
    if not plausible(focal, center, lens.width, lens.height):
        raise InputError(f"{where}: a camera has a size, focal length or centre that none has; the file is damaged.")
    if lens.model not in PINHOLES and _hardly_kept(lens):
        raise InputError(f"{where}: a camera has a distortion that leaves hardly anything of its photos; calibrate it.")
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


def undistortion_of(lens: Lens) -> pycolmap.UndistortCameraOptions:
    """Return how to undistort the photos of a lens: all that COLMAP keeps, up to where the distortion folds back.

    No lens folds. Polynomials do, beyond what they were fitted to, and there would show parts of a photo twice.
    """
    options = pycolmap.UndistortCameraOptions()
    options.max_scale = _largest_scale(lens)
    return options


def undistorted_lens(lens: Lens) -> Lens:
    """Return the "PINHOLE" lens of the undistorted photos."""
    return lens_of(pycolmap.undistort_camera(undistortion_of(lens), colmap_camera(lens)))


@lru_cache
def _largest_scale(lens: Lens) -> float:
    """Return the largest side of an undistorted photo that does not fold back, over that of the photo."""
    camera, options = _small_camera(lens), pycolmap.UndistortCameraOptions()
    low, high = float(options.min_scale), float(options.max_scale)
    if np.isfinite(camera.cam_from_img(_edge(camera))).all() or _comes_back(camera, options):
        return high
    for _ in range(HALVINGS):
        options.max_scale = (low + high) / 2
        if _comes_back(camera, options):
            low = options.max_scale
        else:
            high = options.max_scale
    return low


def _comes_back(camera: pycolmap.Camera, options: pycolmap.UndistortCameraOptions) -> bool:
    """Return whether rays through the edge of an undistorted photo are the same after distortion and undistortion."""
    flat = pycolmap.undistort_camera(options, camera)
    rays = flat.cam_from_img(_edge(flat))
    again = camera.cam_from_img(camera.img_from_cam(np.column_stack([rays, np.ones(len(rays))])))
    return bool((np.abs(again - rays) < SAME_RAY).all())


def _hardly_kept(lens: Lens) -> bool:
    """Return whether what remains of a photo has sides of the least size to which COLMAP enlarges anything smaller."""
    camera, options = _small_camera(lens), undistortion_of(lens)
    flat = pycolmap.undistort_camera(options, camera)
    return bool(flat.width <= options.min_scale * camera.width or flat.height <= options.min_scale * camera.height)


def _small_camera(lens: Lens) -> pycolmap.Camera:
    factor = LOOK_PX / max(lens.width, lens.height)
    return colmap_camera(scaled_lens(lens, max(1, round(lens.width * factor)), max(1, round(lens.height * factor))))


def _edge(camera: pycolmap.Camera) -> Float64[ndarray, "point 2"]:
    """Return points (x, y) all around the edge of a camera's photos, px."""
    along = np.linspace(0, 1, EDGE_POINTS)
    sides = [(along, 0 * along), (along, 0 * along + 1), (0 * along, along), (0 * along + 1, along)]
    return np.concatenate([np.stack(side, axis=1) for side in sides]) * (camera.width, camera.height)


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


@dataclass(frozen=True)
class Given:
    """Lenses as given; those without a size (0 x 0) apply to photos of any size."""

    lenses: tuple[Lens, ...]


def parse_given(text: str) -> Given:
    """Parse the option's value. Raises InputError if it is neither a model with numbers nor a file with cameras."""
    path = Path(text)
    if path.suffix == ".txt":
        return Given(_read_cameras(path))
    model, _, numbers = text.strip().partition(" ")
    if not numbers:
        raise InputError(f"--camera {text} is no model with parameters; give {FORM}.")
    return Given((Lens(model.upper(), _numbers(numbers.replace(",", " ").split(), text), 0, 0),))


def _read_cameras(path: Path) -> tuple[Lens, ...]:
    try:
        lines = [line.split() for line in read_text(path).splitlines()]
    except OSError as error:
        raise InputError(f"--camera {path} cannot be read; give {FORM}.") from error
    lenses = []
    for fields in lines:
        if not fields or fields[0].startswith("#"):
            continue
        if len(fields) < 5 or not (fields[2].isdecimal() and fields[3].isdecimal()):
            raise InputError(f"{path}: a line is not of the form CAMERA_ID MODEL WIDTH HEIGHT PARAMETERS.")
        lens = Lens(fields[1], _numbers(fields[4:], str(path)), int(fields[2]), int(fields[3]))
        lenses.append(checked_lens(lens, str(path)))
    if not lenses:
        raise InputError(f"{path} holds no camera; give {FORM}.")
    return tuple(lenses)


def _numbers(fields: list[str], where: str) -> tuple[float, ...]:
    try:
        return tuple(float(field) for field in fields)
    except ValueError as error:
        raise InputError(f"--camera {where}: the parameters are not all numbers; give {FORM}.") from error


def lenses_for(given: Given, sizes: Mapping[str, tuple[int, int]]) -> dict[str, Lens]:
    """Return the lens of each photo, given its (width, height) in px.

    Parameters without a size apply to the photos as they are, which must then all have one size; with a size they are
    scaled to each photo of the same aspect ratio. Raises InputError if a photo has none or several.
    """
    stated = [lens for lens in given.lenses if lens.width]
    if not stated:
        return _of_one_size(given.lenses[0], sizes)
    lenses = {}
    for name, size in sizes.items():
        exact = [lens for lens in stated if (lens.width, lens.height) == size]
        fitting = exact or [lens for lens in stated if fits(lens, *size)]
        if len(set(fitting)) != 1:
            raise InputError(
                f"--camera gives {len(set(fitting))} cameras for {name}, which is {size[0]}x{size[1]}; "
                "give one for each size of photo."
            )
        lenses[name] = scaled_lens(fitting[0], *size)
    return lenses


def _of_one_size(lens: Lens, sizes: Mapping[str, tuple[int, int]]) -> dict[str, Lens]:
    example: dict[tuple[int, int], str] = {}
    for name, size in sizes.items():
        example.setdefault(size, name)
    if len(example) > 1:
        (first, a), (second, b) = list(example.items())[:2]
        raise InputError(
            f"--camera gives one camera, but the photos differ in size ({a} is {first[0]}x{first[1]}, {b} is "
            f"{second[0]}x{second[1]}); give a cameras.txt with one for each size."
        )
    return {name: checked_lens(Lens(lens.model, lens.params, *size), "--camera") for name, size in sizes.items()}
