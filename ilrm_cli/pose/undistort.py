"""From any lens to a pinhole: what the model and the rasteriser understand."""

import numpy as np
from jaxtyping import Bool, UInt8
from numpy import ndarray

from ilrm_cli.cameras import Lens
from ilrm_cli.colmap_library import pycolmap
from ilrm_cli.pose.lenses import PINHOLES, colmap_camera, lens_of, pinhole, scaled_lens

ALL_COUNTS = 253  # grey level of a resampled mask from which no part of a pixel is masked, rounding apart


def undistort(
    image: UInt8[ndarray, "height width 3"], lens: Lens
) -> tuple[UInt8[ndarray, "new_height new_width 3"], Lens]:
    """The image as a pinhole camera would have taken it, with that camera's "PINHOLE" lens.

    `lens` may belong to a uniformly scaled copy of the image. The focal length is kept; the image is cut so that
    every pixel was seen (COLMAP's image undistorter with no blank pixels), and its size changes accordingly.
    A lens without distortion gives the image back as it is.
    """
    height, width = image.shape[:2]
    lens = scaled_lens(lens, width, height)
    camera = colmap_camera(lens)
    if lens.model in PINHOLES:
        return image, as_pinhole(camera)
    flat, flat_camera = pycolmap.undistort_image(
        pycolmap.UndistortCameraOptions(), pycolmap.Bitmap.from_array(np.ascontiguousarray(image)), camera
    )
    return flat.to_array(), lens_of(flat_camera)


def undistorted_mask(counts: Bool[ndarray, "height width"], lens: Lens) -> Bool[ndarray, "new_height new_width"]:
    """A mask that goes the way of its image in `undistort`: a pixel counts if no part of it is masked."""
    flat, _ = undistort(grey_mask(counts), lens)
    return flat.min(axis=2) >= ALL_COUNTS


def grey_mask(counts: Bool[ndarray, "height width"]) -> UInt8[ndarray, "height width 3"]:
    """The mask as a picture that can be resampled: white where pixels count, and ALL_COUNTS to white where all did."""
    return np.repeat(counts[..., None] * np.uint8(255), 3, axis=2)


def as_pinhole(camera: pycolmap.Camera) -> Lens:
    """Focal lengths and principal point of a camera, its distortion ignored."""
    focal = (camera.focal_length_x, camera.focal_length_y)
    return pinhole(focal, (camera.principal_point_x, camera.principal_point_y), camera.width, camera.height)
