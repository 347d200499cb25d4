"""From a cut-out photo of an object to what a network sees: cropped, padded, on one colour, resized."""

import math

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy import ndarray
from torch import Tensor
from torch.nn.functional import interpolate

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.views import Views
from ilrm_cli.runtime.errors import InputError

FOREGROUND_SHARE = 0.85  # of the side of the square that the object takes
GREY, WHITE = 0.5, 1.0  # behind the object
FOV_DEG, DISTANCE = 40.0, 1.9  # of the camera that TripoSR takes the photo to be from: at +x, looking to -x, z up
FOCAL, OPENLRM_DISTANCE = 0.75, 2.0  # of OpenLRM's, in units of the image: at -y, looking to +y, z up


def centred(cut_out: UInt8[ndarray, "height width 4"]) -> UInt8[ndarray, "side side 4"]:
    """Crop to the pixels that are not transparent, and pad to a square in which the object takes its share.

    The last row and column are lost, as in the original. Raises InputError if nothing is left.
    """
    rows, columns = (np.flatnonzero((cut_out[..., 3] > 0).any(axis)) for axis in (1, 0))
    if len(rows) < 2 or len(columns) < 2:
        raise InputError("the cut-out photo is transparent everywhere: no object is left in it.")
    found = cut_out[rows[0] : rows[-1], columns[0] : columns[-1]]
    side = max(found.shape[:2])
    return _padded(_padded(found, side), int(side / FOREGROUND_SHARE))


def _padded(picture: UInt8[ndarray, "height width 4"], side: int) -> UInt8[ndarray, "side side 4"]:
    """Put a picture into the middle of a transparent square."""
    height, width = picture.shape[:2]
    top, left = (side - height) // 2, (side - width) // 2
    square = np.zeros((side, side, 4), np.uint8)
    square[top : top + height, left : left + width] = picture
    return square


def composed(cut_out: UInt8[ndarray, "height width 4"], behind: float = GREY) -> UInt8[ndarray, "height width 3"]:
    """Blend over grey or white, rounded down to 8 bits as the original does."""
    values = cut_out.astype(np.float32) / 255
    color, alpha = values[..., :3], values[..., 3:]
    return ((color * alpha + (1 - alpha) * np.float32(behind)) * 255).astype(np.uint8)


def resized(picture: UInt8[ndarray, "height width 3"], side: int) -> Float[Tensor, "3 side side"]:
    """Resize to a square of this side, with antialiasing, in [0, 1]."""
    image = torch.from_numpy(picture.astype(np.float32) / 255).movedim(-1, 0)[None]
    return interpolate(image, size=(side, side), mode="bilinear", antialias=True)[0]


def triposr_camera(side: int) -> Cameras:
    """Return the camera that TripoSR takes the photo to be from."""
    pose = torch.eye(4)
    pose[:3, :3] = torch.tensor([[0.0, 0, -1], [1, 0, 0], [0, -1, 0]])  # right, down and forward as columns
    pose[0, 3] = DISTANCE
    focal = torch.full((1, 2), side / 2 / math.tan(math.radians(FOV_DEG) / 2))
    return Cameras(pose[None], focal, torch.full((1, 2), side / 2), side, side)


def openlrm_camera(side: int) -> Cameras:
    """Return the camera that OpenLRM takes the photo to be from, by default."""
    pose = torch.eye(4)
    pose[:3, :3] = torch.tensor([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
    pose[1, 3] = -OPENLRM_DISTANCE
    return Cameras(pose[None], torch.full((1, 2), FOCAL * side), torch.full((1, 2), side / 2), side, side)


def object_view(cut_out: UInt8[ndarray, "height width 4"], camera: Cameras, behind: float = GREY) -> Views:
    """Return the square view of an object that is cut out of its photo, from this camera, before grey or white."""
    square, side = centred(cut_out), camera.width
    alpha = resized(np.repeat(square[..., 3:], 3, -1), side)[:1]
    return Views(resized(composed(square, behind), side)[None], camera, empty=1 - alpha)
