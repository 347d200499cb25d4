"""Real spherical harmonics up to degree 3, in the order and with the signs of 3D Gaussian splatting.

Coefficients are those of Sloan, "Efficient Spherical Harmonic Evaluation" (2013), as in Kerbl et al. (2023). The
colours that they give are sRGB; those of other files may be linear light.
"""

import math
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor
from torch.nn.functional import normalize

Values = TypeVar("Values", Tensor, ndarray)

SH_C0 = 0.28209479177387814  # sqrt(1 / 4π): the constant basis function
SH_C1 = 0.4886025119029199
SH_C2 = (1.0925484305920792, -1.0925484305920792, 0.31539156525252005, -1.0925484305920792, 0.5462742152960396)
SH_C3 = (
    -0.5900435899266435, 2.890611442640554, -0.4570457994644658, 0.3731763325901154,
    -0.4570457994644658, 1.445305721320277, -0.5900435899266435,
)  # fmt: skip

LINEAR_BELOW, LINEAR_SLOPE, GAMMA, OFFSET = 0.04045, 12.92, 2.4, 0.055  # of sRGB
SIDES, ROWS_AT_ONCE = 144, 1 << 14  # directions from which colours are looked at, and Gaussians looked at together


def basis(directions: Float[Tensor, "*batch 3"], degree: int) -> Float[Tensor, "*batch bases"]:
    """Return the values of the (degree + 1)² basis functions in the given unit directions, degree 0 to 3."""
    assert 0 <= degree <= 3, f"spherical harmonics of degree {degree}"
    x, y, z = directions.unbind(-1)
    values = [torch.full_like(x, SH_C0)]
    if degree >= 1:
        values += [-SH_C1 * y, SH_C1 * z, -SH_C1 * x]
    if degree >= 2:
        xx, yy, zz = x * x, y * y, z * z
        values += [
            SH_C2[0] * x * y,
            SH_C2[1] * y * z,
            SH_C2[2] * (2 * zz - xx - yy),
            SH_C2[3] * x * z,
            SH_C2[4] * (xx - yy),
        ]
    if degree >= 3:
        values += [
            SH_C3[0] * y * (3 * xx - yy),
            SH_C3[1] * x * y * z,
            SH_C3[2] * y * (4 * zz - xx - yy),
            SH_C3[3] * z * (2 * zz - 3 * xx - 3 * yy),
            SH_C3[4] * x * (4 * zz - xx - yy),
            SH_C3[5] * z * (xx - yy),
            SH_C3[6] * x * (xx - 3 * yy),
        ]
    return torch.stack(values, dim=-1)


def from_color(colors: Values) -> Values:
    """Return the coefficients of degree 0, [..., 1, 3], of colours [..., 3] that are the same from all sides."""
    return ((colors - 0.5) / SH_C0)[..., None, :]


def from_grey(values: Float[Tensor, " gaussian"]) -> Float[Tensor, "gaussian 1 3"]:
    """Return the coefficients of degree 0 of greys, such as quantities that are drawn as colours."""
    return from_color(values[:, None].expand(-1, 3)).contiguous()


def to_color(harmonics: Values) -> Values:
    """Return the mean colour over all sides of coefficients [..., bases, 3], of PyTorch or NumPy: 0.5 + Y00 · first."""
    return 0.5 + SH_C0 * harmonics[..., 0, :]


def rotated(
    harmonics: Float[Tensor, "gaussian bases 3"], rotation: Float[Tensor, "3 3"]
) -> Float[Tensor, "gaussian bases 3"]:
    """Return the coefficients of the functions after the world is rotated by `rotation`: f'(R d) = f(d).

    Each degree rotates within itself; its matrix is solved from enough sample directions, in float64.
    """
    degree = int(harmonics.shape[1] ** 0.5) - 1
    directions = torch.randn(64, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    directions = torch.nn.functional.normalize(directions, dim=-1)
    before, after = basis(directions, degree), basis(directions @ rotation.to(directions).T, degree)
    parts = [harmonics[:, :1]]
    for band in range(1, degree + 1):
        span = slice(band**2, (band + 1) ** 2)
        turn = torch.linalg.lstsq(after[:, span], before[:, span]).solution  # after @ turn = before
        parts.append(turn.to(harmonics) @ harmonics[:, span])
    return torch.cat(parts, dim=1)


def linear_from_srgb(colors: Float[ndarray, "*row channel"]) -> Float[ndarray, "*row channel"]:
    """Return the light of sRGB colours, in [0, 1] or brighter."""
    return np.where(colors <= LINEAR_BELOW, colors / LINEAR_SLOPE, ((colors + OFFSET) / (1 + OFFSET)) ** GAMMA)


def srgb_from_linear(light: Float[ndarray, "*row channel"]) -> Float[ndarray, "*row channel"]:
    """Return the sRGB colours of light, in [0, 1] or brighter."""
    return np.where(
        light <= LINEAR_BELOW / LINEAR_SLOPE, light * LINEAR_SLOPE, (1 + OFFSET) * light ** (1 / GAMMA) - OFFSET
    )


def in_srgb(harmonics: Float[ndarray, "gaussian bases 3"]) -> Float[ndarray, "gaussian bases 3"]:
    """Return harmonics whose colours are nearest, over all sides, to the sRGB colours of the light of these."""
    sides = fibonacci_sphere(SIDES, torch.zeros(1, dtype=torch.float64))
    seen = basis(sides, int(harmonics.shape[1] ** 0.5) - 1).numpy()
    fitted = np.linalg.pinv(seen)
    parts = np.array_split(harmonics, max(1, len(harmonics) // ROWS_AT_ONCE))
    with np.errstate(invalid="ignore", over="ignore"):  # numbers that are not finite stay so
        return np.concatenate([fitted @ (srgb_from_linear((0.5 + seen @ part).clip(0)) - 0.5) for part in parts])


def fibonacci_sphere(count: int, like: Tensor) -> Float[Tensor, "direction 3"]:
    """Return evenly spread unit vectors (golden-angle spiral)."""
    index = torch.arange(count, device=like.device, dtype=like.dtype)
    z = 1 - (2 * index + 1) / count
    angle = index * math.pi * (3 - math.sqrt(5))
    ring = (1 - z.square()).sqrt()
    return normalize(torch.stack([ring * angle.cos(), ring * angle.sin(), z], dim=-1), dim=-1)
