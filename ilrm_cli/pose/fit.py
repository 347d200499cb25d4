"""Fitting of pinhole images to one common size, with cameras that follow exactly."""

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64, UInt8
from numpy import ndarray
from PIL import Image

from ilrm_cli.geometry.cameras import Lens
from ilrm_cli.pose.lenses import pinhole, turned_pose

SAME_SHAPE = 0.02  # relative difference of aspect ratios that count as equal
MIN_SIDE_PX = 16  # required by the metrics' windows and the renderer's tiles


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
