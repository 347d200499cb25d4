"""Relief tiles: periodic heights of terrain, cobbles, cushions, ridges and carved walls; quadratic B-splines."""

import math
from functools import lru_cache

import numpy as np
from numpy import float32 as f32

from ilrm_cli.runtime.kernels import shared_kernel

RELIEF_SIDE = 64  # heights along a side of a tile
PER_KIND = 3  # tiles of each kind in a bank


@shared_kernel
def relief_at(relief, tile, u, v):
    """Return (height, slope along u, slope along v) at (u, v) in periods: quadratic B-spline over 3 x 3 heights."""
    x, y = u * f32(RELIEF_SIDE), v * f32(RELIEF_SIDE)
    fx, fy = math.floor(x), math.floor(y)
    x, y = x - f32(fx) - f32(0.5), y - f32(fy) - f32(0.5)  # from the middle height, -0.5 to 0.5
    column, row = int(fx), int(fy)
    h = f32(0.5)
    a0, a1, a2 = h * (h - x) * (h - x), f32(0.75) - x * x, h * (h + x) * (h + x)
    b0, b1, b2 = h * (h - y) * (h - y), f32(0.75) - y * y, h * (h + y) * (h + y)
    left, here, right = (
        (column - 1) & (RELIEF_SIDE - 1),
        column & (RELIEF_SIDE - 1),
        (column + 1) & (RELIEF_SIDE - 1),
    )
    value, along_u, along_v = f32(0), f32(0), f32(0)
    for k in range(3):
        start = ((row - 1 + k) & (RELIEF_SIDE - 1)) * RELIEF_SIDE
        h0, h1, h2 = relief[tile, start + left], relief[tile, start + here], relief[tile, start + right]
        line = a0 * h0 + a1 * h1 + a2 * h2
        slope = (x - f32(0.5)) * h0 - f32(2) * x * h1 + (x + f32(0.5)) * h2
        weight = b0 if k == 0 else (b1 if k == 1 else b2)
        change = y - f32(0.5) if k == 0 else (f32(-2) * y if k == 1 else y + f32(0.5))
        value += weight * line
        along_u += weight * slope
        along_v += change * line
    return value, along_u * f32(RELIEF_SIDE), along_v * f32(RELIEF_SIDE)


def _noise(rng: np.random.Generator, exponent: float) -> np.ndarray:
    """Return a periodic field with amplitude spectrum 1 / f^exponent."""
    f = np.fft.fftfreq(RELIEF_SIDE, 1 / RELIEF_SIDE)
    radius = np.hypot(f[None, :], f[:, None])
    radius[0, 0] = np.inf
    spectrum = np.fft.fft2(rng.standard_normal((RELIEF_SIDE, RELIEF_SIDE)))
    return np.fft.ifft2(spectrum * radius**-exponent).real


def _stones(rng: np.random.Generator, count: int, jitter: float, power: float) -> np.ndarray:
    """Return domes around the points of a jittered grid of count x count, with odd rows shifted by half a cell."""
    row, column = np.divmod(np.arange(count * count), count)
    middle = np.stack([column + 0.5 * (row % 2), row.astype(float)], -1) + rng.normal(0, jitter, (count * count, 2))
    grid = np.stack(np.meshgrid(*[np.arange(RELIEF_SIDE) * count / RELIEF_SIDE] * 2), -1)  # [S, S, 2]
    away = np.abs(grid[:, :, None] - middle)
    away = np.linalg.norm(np.minimum(away, np.abs(count - away)), axis=-1)  # [S, S, stone]
    tall = rng.uniform(0.6, 1, count * count)
    return (tall * np.maximum(1 - (away / 0.75) ** power, 0)).max(-1)


def _waves(rng: np.random.Generator, sharp: bool) -> np.ndarray:
    """Return folds of cloth or ripples of sand: one direction, bent by noise."""
    count = int(rng.integers(2, 6))
    phase = np.arange(RELIEF_SIDE)[None, :] / RELIEF_SIDE * count + 0.25 * _unit(_noise(rng, 2.0))
    wave = np.sin(2 * math.pi * phase)
    return 1 - np.abs(wave) if sharp else wave


def _quilt(rng: np.random.Generator) -> np.ndarray:
    """Return cushions, one dome per cell."""
    count = int(rng.integers(1, 4))
    s = np.abs(np.sin(math.pi * count * np.arange(RELIEF_SIDE) / RELIEF_SIDE)) ** 0.5
    return s[:, None] * s[None, :]


def _blocks(rng: np.random.Generator) -> np.ndarray:
    """Return bricks or panels with joints, each of its own height."""
    rows, columns = 2 * int(rng.integers(1, 4)), int(rng.integers(1, 5))
    y, x = np.divmod(np.arange(RELIEF_SIDE * RELIEF_SIDE), RELIEF_SIDE)
    row = y * rows // RELIEF_SIDE
    across = x * columns / RELIEF_SIDE + 0.5 * (row % 2)
    part_x, part_y = across % 1, y * rows / RELIEF_SIDE % 1
    joint = (np.minimum(part_x, 1 - part_x) * RELIEF_SIDE / columns < 2) | (
        np.minimum(part_y, 1 - part_y) * RELIEF_SIDE / rows < 2
    )
    tall = rng.uniform(0.6, 1, (rows, columns))[row, across.astype(int) % columns]
    return np.where(joint, 0.0, tall).reshape(RELIEF_SIDE, RELIEF_SIDE)


def _unit(field: np.ndarray) -> np.ndarray:
    return (field - field.min()) / (field.max() - field.min())


KINDS_OF_RELIEF = {
    "hills": lambda rng: _noise(rng, rng.uniform(2.0, 2.6)),
    "rough": lambda rng: _noise(rng, rng.uniform(1.4, 1.9)),
    "ridges": lambda rng: -np.abs(_noise(rng, rng.uniform(1.7, 2.2))),
    "stones": lambda rng: _stones(rng, 2 * int(rng.integers(2, 5)), rng.uniform(0, 0.2), rng.uniform(2, 4)),
    "waves": lambda rng: _waves(rng, sharp=bool(rng.random() < 0.3)),
    "quilt": _quilt,
    "blocks": _blocks,
}


def relief_tile(kind: str, pick: int) -> int:
    """Return the number of a tile of the given kind; any integer `pick` is valid."""
    return list(KINDS_OF_RELIEF).index(kind) * PER_KIND + pick % PER_KIND


@lru_cache(maxsize=2)
def relief_bank(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the heights [T, side * side] in [0, 1] and the largest slope of each tile [T], in heights per period."""
    rng = np.random.default_rng([number, 0x2E11EF])
    tiles = [_unit(make(rng)) for make in KINDS_OF_RELIEF.values() for _ in range(PER_KIND)]
    heights = np.stack(tiles).astype(np.float32)  # [T, S, S]
    slopes = [np.diff(heights, axis=axis, append=np.take(heights, [0], axis)) for axis in (1, 2)]
    # between neighbours a second-order B-spline is nowhere steeper than its control polygon
    steepest = np.hypot(*(np.abs(slope).max((1, 2)) for slope in slopes)) * RELIEF_SIDE
    heights, steepest = heights.reshape(len(tiles), -1), steepest.astype(np.float32)
    for array in (heights, steepest):
        array.setflags(write=False)
    return heights, steepest
