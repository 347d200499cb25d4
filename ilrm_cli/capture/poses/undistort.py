"""From any lens to a pinhole, which is what the model and the rasteriser understand, and to one common size.

Cameras follow their images exactly.
"""

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float64, UInt8
from numpy import ndarray
from PIL import Image

from ilrm_cli.capture.poses.colmap_library import pycolmap
from ilrm_cli.capture.poses.lenses import (
    PINHOLES,
    colmap_camera,
    lens_of,
    pinhole,
    scaled_lens,
    turned_pose,
    undistortion_of,
)
from ilrm_cli.geometry.cameras import Lens

ALL_COUNTS = 253  # grey level of a resampled mask from which no part of a pixel is masked, up to rounding

SAME_SHAPE = 0.02  # relative difference of aspect ratios that count as equal
MIN_SIDE_PX = 16  # required by the metrics' windows and the renderer's tiles


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
        undistortion_of(lens), pycolmap.Bitmap.from_array(np.ascontiguousarray(image)), camera
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


def common_size_of(sizes: Sequence[tuple[int, int]], long_side_px: int, multiple: int = 1) -> tuple[int, int]:
    """Return (width, height) in px of the most frequent aspect ratio of `sizes`, both multiples of `multiple`.

    The longer side is `long_side_px` up to that rounding, the shorter at least MIN_SIDE_PX. Ties go to the wider shape.
    """
    shapes = [round(math.log(width / height) / SAME_SHAPE) for width, height in sizes]
    counts = Counter(shapes)
    commonest = max(counts, key=lambda shape: (counts[shape], shape))
    aspect = float(np.median([w / h for (w, h), shape in zip(sizes, shapes, strict=True) if shape == commonest]))
    width, height = (long_side_px, long_side_px / aspect) if aspect >= 1 else (long_side_px * aspect, long_side_px)
    least = math.ceil(MIN_SIDE_PX / multiple)
    return max(least, round(width / multiple)) * multiple, max(least, round(height / multiple)) * multiple


def quarter_turns_to_fit(
    lenses: Sequence[Lens], world_from_cam: Float64[ndarray, "photo 4 4"], width: int, height: int
) -> list[int]:
    """Return counterclockwise quarter turns per photo: 1 or 3 if its orientation differs from the target's, else 0.

    Orientation is portrait or landscape; the target is (width, height). Of the two turns, the one is chosen that brings
    the camera's y axis closer to the mean y axis of the photos that fit as they are, so that a photo stored sideways
    becomes upright.
    """
    fitting = [(lens.width - lens.height) * (width - height) >= 0 for lens in lenses]
    down = world_from_cam[fitting, :3, 1].sum(0)
    return [
        0 if fits else max((1, 3), key=lambda turns: float(turned_pose(pose, turns)[:3, 1] @ down))
        for fits, pose in zip(fitting, world_from_cam, strict=True)
    ]


def fit_image(
    image: UInt8[ndarray, "h w 3"], lens: Lens, width: int, height: int
) -> tuple[UInt8[ndarray, "height width 3"], Lens]:
    """Scale the image evenly to cover (width, height) and crop it about its centre; return it with its "PINHOLE" lens.

    One Lanczos resampling from a window with fractional borders, so focal length and principal point follow exactly.
    """
    assert lens.model == "PINHOLE", lens.model
    assert (lens.width, lens.height) == (image.shape[1], image.shape[0]), "the lens belongs to another size"
    scale = max(width / lens.width, height / lens.height)  # px of the result per px of the image
    left, top = (lens.width - width / scale) / 2, (lens.height - height / scale) / 2
    window = (
        max(0.0, left),
        max(0.0, top),
        min(lens.width, left + width / scale),
        min(lens.height, top + height / scale),
    )
    fitted = Image.fromarray(image).resize((width, height), Image.Resampling.LANCZOS, box=window)
    focal_x, focal_y, center_x, center_y = lens.params
    center = ((center_x - left) * scale, (center_y - top) * scale)
    return np.asarray(fitted), pinhole((focal_x * scale, focal_y * scale), center, width, height)
