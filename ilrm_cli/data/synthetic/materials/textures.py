"""Texture tiles: periodic patterns painted once per few thousand scenes and recoloured by every material.

A tile has three channels that give the share of three colours in a material, and a fourth with 1/f noise. Mixing is
linear, so averaging a tile (mip levels) averages the resulting colours.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy import float32 as f32

from ilrm_cli.data.synthetic.materials.patterns import GRAIN, SIZE, STAMPERS
from ilrm_cli.runtime.kernels import floor32, shared_kernel

LEVELS = 9  # 256, 128, ..., 1
LEVEL_START = np.concatenate([[0], np.cumsum([(SIZE >> level) ** 2 for level in range(LEVELS)])]).astype(np.int64)

PER_FAMILY = 3  # tiles per family in a bank
FAMILIES = ("noise", "plain", "veins", "blotches", *STAMPERS)


@shared_kernel
def paint(tile, stamps):
    """Draw rounded, anti-aliased rectangles onto tile [SIZE, SIZE, 3] in order, wrapping around its edges."""
    for s in range(stamps.shape[0]):
        cx, cy, hw, hh = stamps[s, 0], stamps[s, 1], stamps[s, 2], stamps[s, 3]
        c, n = math.cos(stamps[s, 4]), math.sin(stamps[s, 4])
        radius = stamps[s, 5] * min(hw, hh)
        rx, ry = abs(c) * hw + abs(n) * hh + f32(1), abs(n) * hw + abs(c) * hh + f32(1)
        for iy in range(int(cy - ry), int(cy + ry) + 1):
            for ix in range(int(cx - rx), int(cx + rx) + 1):
                x, y = f32(ix) + f32(0.5) - cx, f32(iy) + f32(0.5) - cy
                qx, qy = abs(c * x + n * y) - hw + radius, abs(c * y - n * x) - hh + radius
                mx, my = max(qx, f32(0)), max(qy, f32(0))
                gap = math.sqrt(mx * mx + my * my) + min(max(qx, qy), f32(0)) - radius
                a = min(max(f32(0.5) - gap, f32(0)), f32(1)) * stamps[s, 9]
                if a > f32(0):
                    for k in range(3):
                        old = tile[iy & (SIZE - 1), ix & (SIZE - 1), k]
                        tile[iy & (SIZE - 1), ix & (SIZE - 1), k] = old + a * (stamps[s, 6 + k] - old)


@shared_kernel
def fetch(texels, tile, u, v, lod):
    """Look up the mixing channels trilinearly at (u, v), in periods; `lod` is log2 of the footprint in texels."""
    lod = min(max(lod, f32(0)), f32(LEVELS - 1.001))
    level = int(lod)
    part = lod - f32(level)
    r, g, b = f32(0), f32(0), f32(0)
    for step in range(2):
        weight = (part if step else f32(1) - part) * f32(1 / 255)
        side = SIZE >> (level + step)
        x, y = u * f32(side) - f32(0.5), v * f32(side) - f32(0.5)
        fx, fy = floor32(x), floor32(y)
        x, y = x - fx, y - fy
        x0, y0 = int(fx) & (side - 1), int(fy) & (side - 1)
        x1, y1 = (x0 + 1) & (side - 1), (y0 + 1) & (side - 1)
        start = LEVEL_START[level + step]
        p00, p01 = start + y0 * side + x0, start + y0 * side + x1
        p10, p11 = start + y1 * side + x0, start + y1 * side + x1
        w00, w01 = weight * (f32(1) - x) * (f32(1) - y), weight * x * (f32(1) - y)
        w10, w11 = weight * (f32(1) - x) * y, weight * x * y
        t = texels
        r += w00 * f32(t[tile, p00, 0]) + w01 * f32(t[tile, p01, 0])
        r += w10 * f32(t[tile, p10, 0]) + w11 * f32(t[tile, p11, 0])
        g += w00 * f32(t[tile, p00, 1]) + w01 * f32(t[tile, p01, 1])
        g += w10 * f32(t[tile, p10, 1]) + w11 * f32(t[tile, p11, 1])
        b += w00 * f32(t[tile, p00, 2]) + w01 * f32(t[tile, p01, 2])
        b += w10 * f32(t[tile, p10, 2]) + w11 * f32(t[tile, p11, 2])
    return r, g, b


@shared_kernel
def fetch_noise(texels, tile, u, v, lod):
    """Look up the fourth channel alone, bilinearly in the nearest mip level."""
    level = int(min(max(lod + f32(0.5), f32(0)), f32(LEVELS - 1)))
    side = SIZE >> level
    x, y = u * f32(side) - f32(0.5), v * f32(side) - f32(0.5)
    fx, fy = floor32(x), floor32(y)
    x, y = x - fx, y - fy
    x0, y0 = int(fx) & (side - 1), int(fy) & (side - 1)
    x1, y1 = (x0 + 1) & (side - 1), (y0 + 1) & (side - 1)
    start = LEVEL_START[level]
    p, q = start + y0 * side, start + y1 * side
    low = f32(texels[tile, p + x0, 3]) * (f32(1) - x) + f32(texels[tile, p + x1, 3]) * x
    high = f32(texels[tile, q + x0, 3]) * (f32(1) - x) + f32(texels[tile, q + x1, 3]) * x
    return (low * (f32(1) - y) + high * y) * f32(1 / 255)


def power_noise(rng: np.random.Generator, exponent: float, stretch: float = 1.0) -> np.ndarray:
    """Return two periodic fields [2, SIZE, SIZE] in [0, 1], mean 0.5, with amplitude spectrum 1 / f^exponent."""
    f = np.fft.fftfreq(SIZE, 1 / SIZE)
    radius = np.hypot(f[None, :] * stretch, f[:, None] / stretch)
    radius[0, 0] = np.inf
    spectrum = (rng.standard_normal((SIZE, SIZE, 2), dtype=np.float32)).view(np.complex64)[..., 0]
    field = np.fft.ifft2(spectrum * radius**-exponent)
    field = np.stack([field.real, field.imag])
    return np.clip(0.5 + field / (6 * field.std(axis=(1, 2), keepdims=True)), 0, 1).astype(np.float32)


def _channels(rng: np.random.Generator, family: str) -> np.ndarray:
    """Return the three mixing channels [SIZE, SIZE, 3] of one tile."""
    smooth = np.concatenate([power_noise(rng, rng.uniform(0.9, 1.6)), power_noise(rng, rng.uniform(0.7, 1.3))])
    tile = np.ascontiguousarray(smooth[:3].transpose(1, 2, 0))
    if family == "plain":
        tile = 0.5 + 0.2 * (tile - 0.5)
    elif family == "veins":
        tile = np.abs(2 * tile - 1) ** rng.uniform(0.3, 1)
    elif family == "blotches":
        tile = np.clip((tile - 0.5) * rng.uniform(4, 40) + 0.5, 0, 1)
    elif family in STAMPERS:
        tile = 0.5 + rng.uniform(0, 0.7) * (tile - 0.5)
        paint(tile, np.clip(STAMPERS[family](rng), [-SIZE] * 5 + [0] * 5, SIZE).astype(np.float32))
        if family in GRAIN:
            grain = power_noise(rng, rng.uniform(0.6, 1.2), GRAIN[family])[0]
            tile += rng.uniform(0.2, 0.8) * (grain[..., None] - 0.5)
    return np.clip(tile, 0, 1)


@dataclass(frozen=True)
class Tiles:
    """A bank of tiles with all their mip levels."""

    texels: np.ndarray  # [tile, texel of all levels, 4] uint8

    @staticmethod
    def of(family: str, pick: int) -> int:
        """Return the index of a tile of the given family; any integer `pick` is valid."""
        return FAMILIES.index(family) * PER_FAMILY + pick % PER_FAMILY


@lru_cache(maxsize=2)
def tile_bank(number: int) -> Tiles:
    """Return bank `number`, always the same one (takes about a second)."""
    rng = np.random.default_rng([number, 0x71135])
    texels = np.empty((len(FAMILIES) * PER_FAMILY, LEVEL_START[-1], 4), np.uint8)
    for index in range(len(texels)):
        tile = np.empty((SIZE, SIZE, 4), np.float32)
        tile[..., :3] = _channels(rng, FAMILIES[index // PER_FAMILY])
        tile[..., 3] = power_noise(rng, rng.uniform(0.6, 1.2))[0]
        for level in range(LEVELS):
            flat = np.round(tile * 255).astype(np.uint8).reshape(-1, 4)
            texels[index, LEVEL_START[level] : LEVEL_START[level + 1]] = flat
            side = tile.shape[0] // 2
            if side:
                tile = tile.reshape(side, 2, side, 2, 4).mean((1, 3))
    texels.setflags(write=False)
    return Tiles(texels)
