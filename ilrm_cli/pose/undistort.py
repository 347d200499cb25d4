"""Undistortion of any lens to a pinhole, as required by the model and the rasteriser."""

import numpy as np
from jaxtyping import Bool, UInt8
from numpy import ndarray

from ilrm_cli.colmap_library import pycolmap
from ilrm_cli.geometry.cameras import Lens
from ilrm_cli.pose.lenses import PINHOLES, colmap_camera, lens_of, pinhole, scaled_lens

ALL_COUNTS = 253  # grey level of a resampled mask from which no part of a pixel is masked, up to rounding


def undistort(
    image: UInt8[ndarray, "height width 3"], lens: Lens
) -> tuple[UInt8[ndarray, "new_height new_width 3"], Lens]:
    """Return the image as taken by a pinhole camera, with that camera's "PINHOLE" lens.

    `lens` may belong to a uniformly scaled copy of the image. The focal length is kept; the image is cropped so that
    every pixel was seen (COLMAP's image undistorter with no blank pixels), and its size changes accordingly. The image
    of a lens without distortion is returned unchanged.
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
    """Undistort a mask like its image in `undistort`: a pixel is valid if no part of it is masked."""
    flat, _ = undistort(grey_mask(counts), lens)
    return flat.min(axis=2) >= ALL_COUNTS


def grey_mask(counts: Bool[ndarray, "height width"]) -> UInt8[ndarray, "height width 3"]:
    """Return the mask as a picture for resampling: white where valid; ALL_COUNTS or more afterwards where all was."""
    return np.repeat(counts[..., None] * np.uint8(255), 3, axis=2)


def as_pinhole(camera: pycolmap.Camera) -> Lens:
    """Return the camera's focal lengths and principal point as a pinhole lens, ignoring distortion."""
    focal = (camera.focal_length_x, camera.focal_length_y)
    return pinhole(focal, (camera.principal_point_x, camera.principal_point_y), camera.width, camera.height)
