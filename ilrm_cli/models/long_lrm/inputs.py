"""How the authors of Long-LRM choose and resize photos; cameras are normalised as for the wide models of iLRM."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

from ilrm_cli.geometry.cameras import Cameras


def spread_frames(total: int, inputs: int, targets: int) -> tuple[list[int], list[int]]:
    """Return the frames of a capture that become inputs, and those that become targets.

    Targets are spread evenly over all frames, inputs over the rest.
    """
    held = _evenly(total, targets)
    rest = [frame for frame in range(total) if frame not in set(held)]
    return [rest[place] for place in _evenly(len(rest), inputs)], held


def _evenly(total: int, count: int) -> list[int]:
    """Return `count` places from the first to the last of `total`, rounded down."""
    return torch.linspace(0, total - 1, count, dtype=torch.float64).long().tolist()


def fitting_size(width: int, height: int, long_side_px: int, multiple: int) -> tuple[int, int]:
    """Return the size nearest to that of the photo with this long side, both sides multiples."""
    factor = long_side_px / max(width, height)
    nearest = (max(1, round(side * factor / multiple)) * multiple for side in (width, height))
    across, down = nearest
    return across, down


def resized(
    images: Float[Tensor, "view 3 rows columns"], cameras: Cameras, width: int, height: int
) -> tuple[Float[Tensor, "view 3 height width"], Cameras]:
    """Return images and cameras at another size: bilinear, without antialiasing."""
    small = interpolate(images, (height, width), mode="bilinear", align_corners=False)
    return small, cameras.resized(width, height)
