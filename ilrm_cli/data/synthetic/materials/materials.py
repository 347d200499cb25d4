"""Random materials: tile, size, colours and gloss."""

import colorsys
import math
from typing import NamedTuple

import numpy as np

from ilrm_cli.data.synthetic.materials.textures import FAMILIES, Tiles

WALLS = ("plain", "plain", "noise", "bricks", "stripes", "dots", "grout", "poster", "blotches", "plaid", "veins")
FLOORS = ("planks", "planks", "grout", "checker", "noise", "straw", "plaid", "pebbles", "veins", "leaves", "blotches")
GROUNDS = ("straw", "straw", "pebbles", "leaves", "noise", "blotches", "bricks", "grout", "planks", "veins")
WOODS = ("planks", "planks", "noise", "plain", "veins", "stripes")
FOLIAGE = ("leaves", "straw", "noise", "blotches")
ANY = (*FAMILIES, "plain", "plain", "plain", "noise")
PRINTS = ("poster", "text", "books", "windows", "leaves", "plaid")


class Materials(NamedTuple):
    """M materials as flat arrays; albedo = base + mix @ tile channels, times 1 + detail * (noise - mean)."""

    tile: np.ndarray  # [M, 2] int32: pattern, detail noise
    uv: np.ndarray  # [M, 2, 4] float32: periods per world unit as (cos, sin) * frequency, then offset, of both layers
    log_frequency: np.ndarray  # [M, 2] log2 of periods per world unit of both layers
    base: np.ndarray  # [M, 3] linear colour
    mix: np.ndarray  # [M, 3, 3] colour (row) per channel (column)
    detail: np.ndarray  # [M] strength of the fine noise
    bump: np.ndarray  # [M] how far the fine noise tilts the shading normal; 0 = smooth
    gloss: np.ndarray  # [M, 2] strength and exponent of the highlight
    glow: np.ndarray  # [M] emission, in units of albedo


# hues of common things (mean, spread, share): wood, stone and skin; leaves; sky and paint; brick; anything
NATURAL_HUES = ((0.08, 0.03, 0.54), (0.27, 0.06, 0.12), (0.6, 0.05, 0.13), (0.0, 0.02, 0.09), (0.5, 0.3, 0.12))
NATURAL_SHARE = 0.75  # of scenes; the others have arbitrary, loud hues
CONTRAST, CALM_CONTRAST = (0.35, 1.8), (0.15, 1.2)  # of patterns, relative to the contrast of two colours
BUMPY = 0.35  # share of materials with a rough surface
CALM = 0.5  # saturation of walls, floors and ground, relative to small things


def between(rng: np.random.Generator, low: float, high: float) -> float:
    """Draw like rng.uniform, in a third of the time."""
    return low + (high - low) * rng.random()


class Palette:
    """Colours that go together: a few hues per scene, mostly muted, a few loud."""

    def __init__(self, rng: np.random.Generator):
        self.rng = rng
        count = int(rng.integers(2, 6))
        if rng.random() < NATURAL_SHARE:
            mean, spread, share = np.array(NATURAL_HUES).T
            pick = rng.choice(len(share), count, p=share)
            self.hues, self.loudness = rng.normal(mean[pick], spread[pick]) % 1, rng.uniform(0.3, 1.1)
        else:
            self.hues, self.loudness = rng.uniform(0, 1, count), rng.uniform(0.4, 1.4)

    def colour(
        self, hue: float | None = None, value: float | None = None, calm: bool = False
    ) -> tuple[float, float, float]:
        """Draw a linear colour."""
        rng = self.rng
        if hue is None:
            hue = float(self.hues[int(rng.integers(len(self.hues)))]) if rng.random() < 0.8 else rng.random()
        saturation = min(rng.beta(1.3, 2.5) * self.loudness * (CALM if calm else 1.0), 0.95)
        value = between(rng, 0.08, 0.97) if value is None else value * between(rng, 0.7, 1.0)
        red, green, blue = colorsys.hsv_to_rgb((hue + rng.normal(0, 0.03)) % 1, saturation, value)
        return red**2.2, green**2.2, blue**2.2


class Paints:
    """The collected materials of a scene."""

    def __init__(self, rng: np.random.Generator):
        self.rng = rng
        self.palette = Palette(rng)
        self._rows: list[tuple] = []

    def __len__(self) -> int:
        return len(self._rows)

    def add(
        self,
        families: tuple[str, ...] = ANY,
        period: tuple[float, float] = (0.4, 2.0),
        hue: float | None = None,
        value: float | None = None,
        upright: bool = False,
        glow: float = 0.0,
        gloss: float | None = None,
        calm: bool = False,
    ) -> int:
        """Add a material with a pattern of one of the families, repeating every `period` world units; return its index.

        `calm` materials have the muted colours of large surfaces.
        """
        rng = self.rng
        family = families[int(rng.integers(len(families)))]
        first, second, third = (self.palette.colour(hue, value, calm) for _ in range(3))
        low, high = CALM_CONTRAST if calm else CONTRAST
        contrast, grain = math.exp(between(rng, math.log(low), math.log(high))), between(rng, -0.35, 0.35)
        mix = [
            (contrast * (b - a), 0.6 * contrast * (c - a), grain * a)
            for a, b, c in zip(first, second, third, strict=True)
        ]
        base = [a - 0.15 * sum(row) for a, row in zip(first, mix, strict=True)]
        angle = 0.0 if upright else (0.0, 0.0, math.pi / 2, between(rng, 0, 2 * math.pi))[rng.integers(4)]
        length = math.exp(between(rng, math.log(period[0]), math.log(period[1])))
        fine = between(rng, 1.3, 4.5) / length
        turn = between(rng, 0, 2 * math.pi)
        uv = [
            [math.cos(angle) / length, math.sin(angle) / length, rng.random(), rng.random()],
            [fine * math.cos(turn), fine * math.sin(turn), rng.random(), rng.random()],
        ]
        if gloss is None:
            gloss = between(rng, 0.1, 0.7) if rng.random() < 0.3 else 0.0
        tiles = (Tiles.of(family, int(rng.integers(1 << 30))), Tiles.of(FAMILIES[int(rng.integers(len(FAMILIES)))], 0))
        frequencies = (-math.log2(length), math.log2(fine))
        highlight = (gloss, math.exp(between(rng, 1.5, 4.5)))
        detail = between(rng, 0.1, 0.7 if calm else 1.3)
        bump = between(rng, 0.2, 1.0) if rng.random() < BUMPY else 0.0
        self._rows.append((tiles, uv, frequencies, base, mix, detail, bump, highlight, glow))
        return len(self._rows) - 1

    def finish(self) -> Materials:
        tile, *rest = zip(*self._rows, strict=True)
        return Materials(np.array(tile, np.int32), *(np.array(column, np.float32) for column in rest))
