"""Linear light and sRGB colours, as numbers and as harmonics; our colours are sRGB."""

import math
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float64
from numpy import ndarray

from ilrm_cli.geometry.harmonics import basis

LINEAR_BELOW, LINEAR_SLOPE, GAMMA, OFFSET = 0.04045, 12.92, 2.4, 0.055  # of sRGB
SIDES, ROWS_AT_ONCE = 144, 1 << 14  # directions from which colours are looked at, and Gaussians looked at together


def linear_from_srgb(colors: Float[ndarray, "*row channel"]) -> Float[ndarray, "*row channel"]:
    """Return the light of sRGB colours, in [0, 1] or brighter."""
    return np.where(colors <= LINEAR_BELOW, colors / LINEAR_SLOPE, ((colors + OFFSET) / (1 + OFFSET)) ** GAMMA)


def srgb_from_linear(light: Float[ndarray, "*row channel"]) -> Float[ndarray, "*row channel"]:
    """Return the sRGB colours of light, in [0, 1] or brighter."""
    return np.where(
        light <= LINEAR_BELOW / LINEAR_SLOPE, light * LINEAR_SLOPE, (1 + OFFSET) * light ** (1 / GAMMA) - OFFSET
    )


def harmonics_in_srgb(harmonics: Float[ndarray, "gaussian bases 3"]) -> Float[ndarray, "gaussian bases 3"]:
    """Return harmonics whose colours are nearest, over all sides, to the sRGB colours of the light of these."""
    seen = basis(_sides(), int(harmonics.shape[1] ** 0.5) - 1).numpy()
    fitted = np.linalg.pinv(seen)
    parts = np.array_split(harmonics, max(1, len(harmonics) // ROWS_AT_ONCE))
    with np.errstate(invalid="ignore", over="ignore"):  # numbers that are not finite stay so
        return np.concatenate([fitted @ (srgb_from_linear((0.5 + seen @ part).clip(0)) - 0.5) for part in parts])


def blends_otherwise(path: Path) -> str:
    """Return the remark on a file whose linear colours were turned into sRGB."""
    return f"{path} has linear colours, now sRGB: where Gaussians overlap, they blend a little differently."


def _sides() -> Float64[torch.Tensor, "side 3"]:
    """Return unit directions evenly over the sphere, along a spiral whose turns are golden sections."""
    z = 1 - (torch.arange(SIDES, dtype=torch.float64) + 0.5) * 2 / SIDES
    turn = torch.arange(SIDES, dtype=torch.float64) * math.pi * (3 - math.sqrt(5))
    return torch.stack([(1 - z * z).sqrt() * turn.cos(), (1 - z * z).sqrt() * turn.sin(), z], 1)
