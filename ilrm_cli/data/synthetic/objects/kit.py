"""Shared tools of all scene-building functions: random numbers, builder, paints, rotations and upright boxes."""

import math
from dataclasses import dataclass

import numpy as np

from ilrm_cli.data.synthetic.materials.materials import Paints
from ilrm_cli.data.synthetic.raycaster.scene import Builder, Frame
from ilrm_cli.data.synthetic.raycaster.solids import BOX, FRUSTUM

UPSIDE_DOWN = ((1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (0.0, 0.0, -1.0))
LYING_Y = ((1.0, 0.0, 0.0), (0.0, 0.0, 1.0), (0.0, -1.0, 0.0))


@dataclass(frozen=True)
class Kit:
    """The tools passed to every scene-building function."""

    rng: np.random.Generator
    builder: Builder
    paints: Paints

    def paint(self, families: tuple[str, ...] | None = None, period: tuple[float, float] = (0.3, 1.2), **more) -> int:
        return self.paints.add(families, period, **more) if families else self.paints.add(period=period, **more)

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * self.rng.random()

    def chance(self, share: float) -> bool:
        return self.rng.random() < share


def random_turn(rng: np.random.Generator) -> tuple:
    """Draw a uniformly distributed rotation matrix (from a random unit quaternion)."""
    q = rng.standard_normal(4)
    w, x, y, z = (q / math.sqrt(q @ q)).tolist()
    return (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )


def block(
    kit: Kit, f: Frame, wide: float, deep: float, tall: float, material: int, x=0.0, y=0.0, z=0.0, **more
) -> None:
    """Add an upright box standing at height z."""
    kit.builder.add(BOX, f, (x, y, z + tall / 2), (wide / 2, deep / 2, tall / 2), material, **more)


def legs(kit: Kit, f: Frame, wide: float, deep: float, tall: float, material: int, thick: float) -> None:
    kind = BOX if kit.chance(0.5) else FRUSTUM
    for sx in (-1, 1):
        for sy in (-1, 1):
            at = (sx * (wide / 2 - thick), sy * (deep / 2 - thick), tall / 2)
            kit.builder.add(kind, f, at, (thick / 2, thick / 2, tall / 2), material)
