"""Trees, rocks, houses, cars, fences.

Every function takes the kit and a frame, and adds solids that stand on z = 0 of the frame; sizes are in its units.
"""

import math

import numpy as np

from ilrm_cli.data.synthetic.materials.materials import FOLIAGE, PRINTS, WOODS
from ilrm_cli.data.synthetic.objects.kit import LYING_Y, Kit, block, random_turn
from ilrm_cli.data.synthetic.objects.still_life import sculpture
from ilrm_cli.data.synthetic.raycaster.scene import Frame
from ilrm_cli.data.synthetic.raycaster.solids import BOX, ELLIPSOID, FRUSTUM, ROUNDED


def tree(kit: Kit, f: Frame) -> None:
    tall = kit.between(2, 6)
    bark = kit.paint(("planks", "noise", "veins"), hue=0.08, value=kit.between(0.2, 0.5))
    kit.builder.add(FRUSTUM, f, (0, 0, tall / 2), (0.05 * tall, 0.05 * tall, tall / 2), bark, 0.6)
    green = kit.paint(FOLIAGE, (0.5, 2.0), hue=kit.between(0.15, 0.4), value=kit.between(0.3, 0.7))
    if kit.chance(0.3):  # conifer
        for k in range(4):
            size = tall * (0.3 - 0.05 * k)
            kit.builder.add(FRUSTUM, f, (0, 0, tall * (0.35 + 0.2 * k)), (size, size, 0.18 * tall), green, 0.95)
        return
    for _ in range(int(kit.rng.integers(4, 10))):
        at = kit.rng.normal((0, 0, 0.85 * tall), 0.16 * tall)
        kit.builder.add(
            ELLIPSOID, f, tuple(at), tuple(kit.rng.uniform(0.1, 0.28, 3) * tall), green, 0, random_turn(kit.rng)
        )


def rock(kit: Kit, f: Frame) -> None:
    stone = kit.paint(("noise", "veins", "blotches", "pebbles"), (0.5, 2.0), value=kit.between(0.3, 0.8))
    for _ in range(int(kit.rng.integers(1, 4))):
        at = (*kit.rng.normal(0, 0.25, 2), kit.between(0.05, 0.25))
        normal = kit.rng.standard_normal(3)
        clip = (*(normal / np.linalg.norm(normal)), kit.between(0.3, 0.8))
        kit.builder.add(ELLIPSOID, f, at, tuple(kit.rng.uniform(0.15, 0.5, 3)), stone, 0, random_turn(kit.rng), clip)


def house(kit: Kit, f: Frame, wide: float, deep: float, tall: float) -> None:
    """Add walls with windows and a door on the side that faces +y, and a roof."""
    wall = kit.paint(("windows", "bricks", "plain", "noise", "planks"), (2.0, 5.0), upright=True)
    roof, trim = kit.paint(("bricks", "grout", "pebbles", "stripes"), (0.8, 2.5)), kit.paint(("plain",))
    block(kit, f, wide, deep, tall, wall)
    if kit.chance(0.6):  # the upper half of a box standing on its edge
        across = 0.36 * deep + 0.2
        turn = ((1.0, 0.0, 0.0), (0.0, math.sqrt(0.5), -math.sqrt(0.5)), (0.0, math.sqrt(0.5), math.sqrt(0.5)))
        clip = (0.0, -math.sqrt(0.5), -math.sqrt(0.5), 0.0)
        kit.builder.add(BOX, f, (0, 0, tall), (wide / 2 + 0.2, across, across), roof, 0, turn, clip)
    else:
        block(kit, f, wide + 0.3, deep + 0.3, 0.25, trim, z=tall)
    pane = kit.paint(("plain", "noise", "windows"), value=kit.between(0.1, 0.5), gloss=0.8)
    columns, rows = max(1, int(wide / kit.between(1.3, 2.2))), max(1, int(tall / kit.between(2.2, 3)))
    for c in range(columns):
        for r in range(rows):
            x, z = (c + 0.5 - columns / 2) * wide / columns, 0.9 + r * tall / rows
            if (c + r) % columns == 0 and r == 0:
                block(kit, f, 0.95, 0.12, 2.1, kit.paint(WOODS), x=x, y=deep / 2)
            else:
                block(kit, f, 0.9, 0.1, 1.15, trim, x=x, y=deep / 2, z=z)
                block(kit, f, 0.75, 0.16, 1.0, pane, x=x, y=deep / 2, z=z + 0.08)


def car(kit: Kit, f: Frame) -> None:
    body, dark = kit.paint(("plain", "noise"), (1, 3), gloss=0.7), kit.paint(("plain",), value=0.12, gloss=0.5)
    kit.builder.add(ROUNDED, f, (0, 0, 0.6), (2.0, 0.85, 0.33), body, 0.15)
    kit.builder.add(ROUNDED, f, (-0.2, 0, 1.05), (1.1, 0.75, 0.32), dark, 0.2)
    kit.builder.add(ROUNDED, f, (-0.2, 0, 1.33), (0.95, 0.7, 0.06), body, 0.05)
    for x in (-1.25, 1.25):
        for y in (-0.8, 0.8):
            kit.builder.add(FRUSTUM, f, (x, y, 0.33), (0.33, 0.33, 0.12), dark, 0, LYING_Y)


def post(kit: Kit, f: Frame) -> None:
    """Add a pole with a sign or a lamp, a thin structure."""
    tall, metal = kit.between(1.5, 4.5), kit.paint(("plain", "stripes", "noise"))
    kit.builder.add(FRUSTUM, f, (0, 0, tall / 2), (0.04, 0.04, tall / 2), metal)
    if kit.chance(0.5):
        block(
            kit,
            f,
            kit.between(0.4, 1.0),
            0.03,
            kit.between(0.3, 0.8),
            kit.paint(PRINTS, (0.5, 1)),
            y=0.05,
            z=tall - 0.7,
        )
    else:
        kit.builder.add(ELLIPSOID, f, (0, 0, tall), (0.18, 0.18, 0.22), kit.paint(("plain",), value=0.95))


def fence(kit: Kit, f: Frame, length: float) -> None:
    wood, count = kit.paint(WOODS), int(min(length / 0.35, 14))
    for k in range(count):
        block(kit, f, 0.08, 0.03, kit.between(0.8, 0.9), wood, x=(k + 0.5 - count / 2) * length / count)
    for z in (0.25, 0.65):
        block(kit, f, length, 0.03, 0.07, wood, y=-0.03, z=z)


def stairs(kit: Kit, f: Frame) -> None:
    stone, steps = kit.paint(("noise", "bricks", "veins", "grout")), int(kit.rng.integers(3, 8))
    wide = kit.between(0.8, 2.0)
    for k in range(steps):
        block(kit, f, wide, 0.3, 0.18 * (k + 1), stone, y=-0.3 * k)


def bush(kit: Kit, f: Frame) -> None:
    green = kit.paint(FOLIAGE, (0.2, 0.8), hue=kit.between(0.15, 0.4), value=kit.between(0.3, 0.8))
    for _ in range(int(kit.rng.integers(8, 22))):
        at = kit.rng.normal((0, 0, 0.4), (0.35, 0.35, 0.18))
        half = tuple(kit.rng.uniform(0.06, 0.28, 3) * (1, 1, 0.5))
        kit.builder.add(ELLIPSOID, f, tuple(at), half, green, 0, random_turn(kit.rng))


def colonnade(kit: Kit, f: Frame, count: int) -> None:
    """Add a row of columns between a step and a beam."""
    stone = kit.paint(("noise", "veins", "bricks", "plain"), (0.6, 2.0), value=kit.between(0.5, 0.9))
    tall, gap = kit.between(1.6, 3.5), kit.between(0.7, 1.3)
    block(kit, f, gap * (count + 0.5), 1.0, 0.2, stone)
    for k in range(count):
        at = ((k + 0.5 - count / 2) * gap, 0, 0.2 + tall / 2)
        kit.builder.add(FRUSTUM, f, at, (0.18, 0.18, tall / 2), stone, kit.between(0.0, 0.25))
    block(kit, f, gap * (count + 0.3), 0.6, kit.between(0.2, 0.6), stone, z=0.2 + tall)


def gate(kit: Kit, f: Frame) -> None:
    """Add a wall with an opening."""
    stone = kit.paint(("bricks", "noise", "pebbles", "veins"), (0.6, 2.0))
    wide, tall = kit.between(1.5, 3.0), kit.between(1.8, 3.5)
    block(kit, f, wide, kit.between(0.4, 1.0), tall, stone, carve=(0, 0, -0.3, kit.between(0.3, 0.6), 1.2, 1.0))


def tower(kit: Kit, f: Frame) -> None:
    stone = kit.paint(("bricks", "windows", "noise", "grout"), (1.0, 3.0), upright=True)
    radius, tall = kit.between(0.6, 1.3), kit.between(2.5, 7.0)
    kit.builder.add(FRUSTUM, f, (0, 0, tall / 2), (radius, radius, tall / 2), stone, kit.between(0.0, 0.2))
    roof = kit.paint(("bricks", "stripes", "plain"), (0.5, 1.5))
    kit.builder.add(FRUSTUM, f, (0, 0, tall + 0.6), (1.15 * radius, 1.15 * radius, 0.6), roof, 1.0)


def monument(kit: Kit, f: Frame) -> None:
    """Add a sculpture on a plinth."""
    stone, tall = kit.paint(("noise", "veins", "bricks", "plain")), kit.between(0.3, 1.2)
    block(kit, f, 1.3, 1.3, 0.15, stone)
    block(kit, f, 0.9, 0.9, tall, stone, z=0.15)
    sculpture(kit, f.at(0, 0, tall + 0.15, 0, kit.between(0.8, 1.6)), int(kit.rng.integers(4, 12)))
