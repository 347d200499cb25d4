"""What .ply files of other programs hold where those of Kerbl et al. hold logits, logarithms and harmonics.

Feed-forward models after pixelSplat (Charatan et al. 2024) export opacities as they are, and no header says so. Logits
of a thousand Gaussians spread far below 0 and above 1, so numbers that fill the range from 0 to 1 and never leave it
are none. What cannot be told from the numbers is taken as the format has it, and said where it is unlikely.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64
from plyfile import PlyData
from torch import Tensor

from ilrm_cli.runtime.errors import InputError, listed

MANY = 1000  # Gaussians from which on the range of numbers tells what they are
LOW, HIGH = 0.1, 0.9  # opacities that fill the range from 0 to 1 have smaller and larger ones
NARROW = 2.0  # logits of a scene leave this range on either side, else it is half transparent all over
MOST_IN_BYTES = 2.0  # of colours: larger ones count from 0 to 255
WHOLE = "iu"  # kinds of NumPy types
SHARES = ("uint8", "uint16")  # whole numbers that opacities are kept in, from nothing to the largest one

# Of scenes that change over time, such as Spacetime Gaussians (Li et al. 2024): all times would be there at once.
OVER_TIME = ("trbf_center", "motion_0", "delta_x_t0")
ANCHORS = "f_anchor_feat_0"  # of Scaffold-GS (Lu et al. 2024) and what is built on it
KNOWN = re.compile(
    r"[xyz]|n[xyz]|f_dc_[0-2]|f_rest_\d+|opacity|scale_[0-2]|rot_[0-3]|red|green|blue|alpha|confidence|filter_3D"
)
LINEAR_SPACE = 1  # in the element `color_space` of SHARP (Mescheder et al. 2025)


def check_kinds(path: Path, kinds: Mapping[str, np.dtype]) -> None:
    """Raise InputError for what looks like a scene and is read as none, by the kinds of its properties."""
    if ANCHORS in kinds:
        raise InputError(f"{path} holds anchors of Scaffold-GS, from which a network makes Gaussians; export those.")
    if timed := next((name for name in OVER_TIME if name in kinds), None):
        raise InputError(f"{path} changes over time ({timed}); ilrm reads scenes that stand still.")
    packed = [name for name in kinds if name.startswith(("f_dc_", "f_rest_", "scale_", "rot_"))]
    if odd := next((name for name in packed if kinds[name].kind in WHOLE), None):
        raise InputError(f"{path} packs {odd} into whole numbers in a way of its own; save it without compression.")
    if "opacity" in kinds and kinds["opacity"].kind in WHOLE and kinds["opacity"].name not in SHARES:
        raise InputError(f"{path} has opacities in numbers of type {kinds['opacity'].name}, whose largest is unknown.")


def passed_over(path: Path, names: list[str]) -> tuple[str, ...]:
    """Return a remark on properties that are not read."""
    unknown = [name[:40] for name in names if not KNOWN.fullmatch(name)]
    said = f"{path} has properties that ilrm does not know ({listed(unknown, 3)}), which are passed over."
    return (said,) if unknown else ()


def activated(
    path: Path, opacities: Float32[Tensor, " gaussian"], scales: Float64[Tensor, "gaussian axis"], kind: np.dtype
) -> tuple[Float32[Tensor, " gaussian"], Float64[Tensor, "gaussian axis"], tuple[str, ...]]:
    """Return opacities in [0, 1] and scales in world units from the numbers of a file, and remarks."""
    if kind.kind in WHOLE:
        said = f"{path} has opacities in whole numbers, which were taken for shares of {np.iinfo(kind).max}."
        return opacities / np.iinfo(kind).max, scales.exp(), (said,)
    finite = opacities[opacities.isfinite()]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) >= MANY else (-np.inf, np.inf)
    if low < -NARROW or high > NARROW or low == high:
        return opacities.sigmoid(), scales.exp(), ()
    if low < 0 or high > 1 or low > LOW or high < HIGH:
        doubt = (
            f"{path} has numbers from {low:.2f} to {high:.2f} for opacities, taken for logits as the format has it; "
            "if they are none, the scene looks half transparent."
        )
        return opacities.sigmoid(), scales.exp(), (doubt,)
    if (scales[scales.isfinite()] > 0).all():
        said = f"{path} has opacities and sizes where the format has logits and logarithms, and they were taken so."
        return opacities, scales, (said,)
    said = f"{path} has opacities from 0 to 1 where the format has logits, and they were taken so."
    return opacities, scales.exp(), (said,)


def widened(
    scales: Float64[Tensor, "gaussian axis"],
    opacities: Float[Tensor, " gaussian"],
    widths: Float64[Tensor, "gaussian 1"],
) -> tuple[Float64[Tensor, "gaussian axis"], Float64[Tensor, " gaussian"]]:
    """Return scales and opacities of Gaussians after a low-pass of these standard deviations: the integral stays."""
    wide = torch.hypot(scales, widths)
    return wide, opacities * (scales / wide).prod(dim=1)


def white_of(colors: Float32[Tensor, "gaussian 3"], kind: np.dtype) -> float:
    """Return the brightness of white in plain colours: of whole numbers the largest, else 1, or 255 if it must be."""
    if kind.kind in WHOLE:
        return float(np.iinfo(kind).max)
    return 255.0 if bool((colors > MOST_IN_BYTES).any()) else 1.0


def is_linear(ply: PlyData) -> bool:
    """Return whether a file says that its colours are linear, as SHARP's can."""
    said = ply["color_space"].data if "color_space" in ply else None
    return said is not None and "color_space" in said.dtype.names and bool((said["color_space"] == LINEAR_SPACE).any())
