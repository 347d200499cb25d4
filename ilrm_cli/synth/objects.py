"""Things made of a few solids: furniture, vessels, trees, houses, sculptures. Each stands on z = 0 of its frame.

Every function takes the kit and a frame, and adds solids; sizes are in units of the frame (metres at scale 1).
"""

import math
from dataclasses import dataclass

import numpy as np

from ilrm_cli.synth.materials import FOLIAGE, PRINTS, WOODS, Paints
from ilrm_cli.synth.scene import SOLID, WHOLE, Builder, Frame
from ilrm_cli.synth.shapes import BOX, ELLIPSOID, FRUSTUM, ROUNDED, TORUS


@dataclass(frozen=True)
class Kit:
    """What every maker of things needs."""

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
    """A rotation matrix drawn evenly (from a random unit quaternion)."""
    w, x, y, z = (q := rng.standard_normal(4)) / np.linalg.norm(q)
    return (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )


LYING_X = ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (-1.0, 0.0, 0.0))  # the axis of a frustum or torus along x
UPSIDE_DOWN = ((1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (0.0, 0.0, -1.0))
LYING_Y = ((1.0, 0.0, 0.0), (0.0, 0.0, 1.0), (0.0, -1.0, 0.0))


def block(
    kit: Kit, f: Frame, wide: float, deep: float, tall: float, material: int, x=0.0, y=0.0, z=0.0, **more
) -> None:
    """An upright box standing at height z."""
    kit.builder.add(BOX, f, (x, y, z + tall / 2), (wide / 2, deep / 2, tall / 2), material, **more)


def legs(kit: Kit, f: Frame, wide: float, deep: float, tall: float, material: int, thick: float) -> None:
    kind = BOX if kit.chance(0.5) else FRUSTUM
    for sx in (-1, 1):
        for sy in (-1, 1):
            at = (sx * (wide / 2 - thick), sy * (deep / 2 - thick), tall / 2)
            kit.builder.add(kind, f, at, (thick / 2, thick / 2, tall / 2), material)


def table(kit: Kit, f: Frame, wide: float, deep: float, tall: float) -> None:
    wood = kit.paint(WOODS, (0.4, 1.5), hue=kit.between(0.05, 0.11) if kit.chance(0.6) else None)
    if kit.chance(0.3):
        kit.builder.add(FRUSTUM, f, (0, 0, tall - 0.02), (wide / 2, deep / 2, 0.02), wood)
        kit.builder.add(FRUSTUM, f, (0, 0, tall / 2), (0.05, 0.05, tall / 2 - 0.03), wood)
        kit.builder.add(FRUSTUM, f, (0, 0, 0.02), (wide / 4, deep / 4, 0.02), wood, 0.3)
    else:
        block(kit, f, wide, deep, 0.05, wood, z=tall - 0.05)
        legs(kit, f, wide, deep, tall - 0.05, wood if kit.chance(0.6) else kit.paint(), kit.between(0.03, 0.09))


def chair(kit: Kit, f: Frame) -> None:
    wood, seat = kit.paint(WOODS), kit.paint()
    block(kit, f, 0.45, 0.45, 0.06, seat, z=0.43)
    legs(kit, f, 0.45, 0.45, 0.43, wood, 0.045)
    block(kit, f, 0.45, 0.04, kit.between(0.3, 0.5), seat if kit.chance(0.5) else wood, y=-0.2, z=0.5)


def sofa(kit: Kit, f: Frame) -> None:
    wide, cloth = kit.between(1.2, 2.2), kit.paint(period=(0.3, 0.9))
    for at, half in (
        ((0, 0, 0.25), (wide / 2, 0.42, 0.2)),
        ((0, -0.36, 0.55), (wide / 2, 0.12, 0.35)),
        ((-wide / 2, 0, 0.35), (0.1, 0.42, 0.3)),
        ((wide / 2, 0, 0.35), (0.1, 0.42, 0.3)),
    ):
        kit.builder.add(ROUNDED, f, at, half, cloth, 0.06)
    for x in (-0.25, 0.25):
        turn = random_turn(kit.rng)
        if kit.chance(0.6):
            kit.builder.add(ROUNDED, f, (x * wide, -0.1, 0.6), (0.2, 0.08, 0.2), kit.paint(), 0.06, turn)


def bed(kit: Kit, f: Frame) -> None:
    wide = kit.between(0.9, 1.8)
    block(kit, f, wide, 2.0, 0.3, kit.paint(WOODS))
    kit.builder.add(ROUNDED, f, (0, 0.05, 0.42), (wide / 2, 0.98, 0.14), kit.paint(period=(0.4, 1.5)), 0.08)
    block(kit, f, wide, 0.06, kit.between(0.6, 1.1), kit.paint(WOODS), y=-1.0)
    for x in (-wide / 4, wide / 4):
        kit.builder.add(ROUNDED, f, (x, -0.75, 0.6), (0.25, 0.16, 0.08), kit.paint(value=kit.between(0.6, 0.95)), 0.06)


def shelf(kit: Kit, f: Frame) -> None:
    """An open cupboard: boxes with a hollow each, things inside."""
    wide, tall, deep = kit.between(0.6, 1.4), kit.between(0.8, 2.1), kit.between(0.25, 0.45)
    rows, wood = int(kit.rng.integers(2, 6)), kit.paint(WOODS)
    step = tall / rows
    for row in range(rows):
        hollow = (0.0, 0.15, 0.0, 0.95, 1.0, 0.88)
        block(kit, f, wide, deep, step, wood, z=row * step, carve=hollow)
        if kit.chance(0.6):
            full = kit.between(0.4, 0.9) * wide
            books = kit.paint(("books",), (step * 1.4, step * 2.5), upright=True)
            block(kit, f, full, deep * 0.7, step * kit.between(0.5, 0.8), books, z=row * step + 0.06 * step)
        else:
            vessel(kit, f.at(kit.between(-0.3, 0.3) * wide, 0, (row + 0.06) * step, 0, step * 0.7))


def cabinet(kit: Kit, f: Frame) -> None:
    wide, tall, deep = kit.between(0.4, 1.6), kit.between(0.4, 2.0), kit.between(0.35, 0.6)
    body, front, metal = kit.paint(WOODS), kit.paint(), kit.paint(("plain",), gloss=0.8)
    block(kit, f, wide, deep, tall, body)
    columns, rows = int(kit.rng.integers(1, 4)), int(kit.rng.integers(1, 4))
    for c in range(columns):
        for r in range(rows):
            x, z = (c + 0.5 - columns / 2) * wide / columns, r * tall / rows
            block(kit, f, wide / columns * 0.9, 0.03, tall / rows * 0.88, front, x, deep / 2, z + 0.05 * tall / rows)
            kit.builder.add(ELLIPSOID, f, (x, deep / 2 + 0.03, z + tall / rows / 2), (0.02, 0.02, 0.02), metal)


def lamp(kit: Kit, f: Frame) -> None:
    tall = kit.between(0.4, 1.7)
    metal = kit.paint(("plain", "noise"))
    kit.builder.add(FRUSTUM, f, (0, 0, 0.02), (0.14, 0.14, 0.02), metal, 0.3)
    kit.builder.add(FRUSTUM, f, (0, 0, tall / 2), (0.015, 0.015, tall / 2), metal)
    shade = kit.paint(("plain", "stripes", "plaid"), value=0.95, glow=kit.between(0.8, 1.3))
    kit.builder.add(FRUSTUM, f, (0, 0, tall), (0.2, 0.2, 0.15), shade, kit.between(0.1, 0.6))


def plant(kit: Kit, f: Frame) -> None:
    """A pot with leaves."""
    tall = kit.between(0.3, 1.2)
    kit.builder.add(FRUSTUM, f, (0, 0, 0.15), (0.18, 0.18, 0.15), kit.paint(), 0.35, UPSIDE_DOWN)
    green = kit.paint(FOLIAGE, (0.15, 0.5), hue=kit.between(0.2, 0.4))
    for _ in range(int(kit.rng.integers(4, 12))):
        at = kit.rng.normal(0, 0.14, 3) + (0, 0, 0.3 + 0.5 * tall)
        kit.builder.add(
            ELLIPSOID, f, tuple(at), (kit.between(0.1, 0.3) * tall, 0.08, 0.015), green, 0, random_turn(kit.rng)
        )


def picture(kit: Kit, f: Frame, wide: float, tall: float) -> None:
    """A framed print on a wall at y = 0 that looks along +y."""
    block(kit, f, wide, 0.05, tall, kit.paint(WOODS))
    print_ = kit.paint(PRINTS, (0.7 * wide, 1.6 * wide), upright=True)
    block(kit, f, wide * 0.88, 0.02, tall * 0.88, print_, y=0.02, z=0.06 * tall)


def window(kit: Kit, f: Frame, wide: float, tall: float) -> None:
    """A bright pane with bars."""
    frame = kit.paint(("plain",), value=kit.between(0.3, 0.95))
    block(
        kit,
        f,
        wide,
        0.03,
        tall,
        kit.paint(("noise", "leaves", "windows"), (1, 3), value=0.95, glow=kit.between(0.8, 1.4)),
    )
    for x in (-0.5, 0.0, 0.5):
        block(kit, f, 0.05, 0.08, tall, frame, x=x * wide)
    for z in (0.0, 0.5, 1.0):
        block(kit, f, wide + 0.05, 0.08, 0.05, frame, z=z * tall - 0.025)


def vessel(kit: Kit, f: Frame) -> None:
    """A cup, bowl, vase, bottle, jar or box of about unit height or less."""
    paint, pick = kit.paint(period=(0.2, 1.0)), int(kit.rng.integers(6))
    if pick == 0:  # cup
        kit.builder.add(FRUSTUM, f, (0, 0, 0.3), (0.25, 0.25, 0.3), paint, 0.0, carve=(0, 0, 0.1, 0.88, 0.88, 1.0))
        kit.builder.add(TORUS, f, (0.3, 0, 0.3), (0.2, 0.2, 0.2), paint, 0.2, LYING_Y)
    elif pick == 1:  # bowl: half an ellipsoid, hollow
        kit.builder.add(
            ELLIPSOID, f, (0, 0, 0.35), (0.5, 0.5, 0.35), paint, 0, clip=(0, 0, 1, 0.05), carve=(0, 0, 0.05, 0.9, 0.9, 0.9)
        )  # fmt: skip
        for _ in range(int(kit.rng.integers(0, 5))):
            at = (*kit.rng.uniform(-0.22, 0.22, 2), 0.3)
            kit.builder.add(ELLIPSOID, f, tuple(at), (0.13, 0.13, 0.13), kit.paint(("noise", "plain"), gloss=0.4))
    elif pick == 2:  # vase
        kit.builder.add(ELLIPSOID, f, (0, 0, 0.35), (0.3, 0.3, 0.35), paint)
        kit.builder.add(FRUSTUM, f, (0, 0, 0.75), (0.16, 0.16, 0.2), paint, kit.between(0, 0.6), UPSIDE_DOWN)
        kit.builder.add(TORUS, f, (0, 0, 0.95), (0.2, 0.2, 0.2), paint, 0.18)
    elif pick == 3:  # bottle
        kit.builder.add(FRUSTUM, f, (0, 0, 0.3), (0.16, 0.16, 0.3), paint)
        kit.builder.add(FRUSTUM, f, (0, 0, 0.7), (0.16, 0.16, 0.1), paint, 0.65)
        kit.builder.add(FRUSTUM, f, (0, 0, 0.9), (0.055, 0.055, 0.12), kit.paint(("plain", "stripes")))
    elif pick == 4:  # box, perhaps open
        hollow = (0, 0, 0.15, 0.9, 0.9, 1.0) if kit.chance(0.4) else SOLID
        block(kit, f, kit.between(0.3, 0.9), kit.between(0.2, 0.6), kit.between(0.15, 0.7), paint, carve=hollow)
    else:  # a pile of books
        z = 0.0
        for _ in range(int(kit.rng.integers(2, 6))):
            thick = kit.between(0.05, 0.12)
            block(kit, f.at(0, 0, 0, kit.between(-0.4, 0.4)), 0.6, 0.42, thick, kit.paint(PRINTS), z=z)
            z += thick


def sculpture(kit: Kit, f: Frame, parts: int) -> None:
    """A free assembly about one unit high: solids of all kinds on a stem, sometimes in rings around it."""
    paints = [kit.paint(period=(0.25, 1.0)) for _ in range(int(kit.rng.integers(2, 6)))]
    z, spread = 0.0, kit.between(0.05, 0.3)
    for _ in range(parts):
        half = tuple(kit.rng.uniform(0.07, 0.3, 3))
        kind = int(kit.rng.integers(5))
        if kind == TORUS:
            half = (half[0],) * 3
        param = {FRUSTUM: kit.between(0, 1), TORUS: kit.between(0.15, 0.4), ROUNDED: 0.3 * min(half)}.get(kind, 0.0)
        clip, carve = WHOLE, SOLID
        if kit.chance(0.2):
            normal = kit.rng.standard_normal(3)
            clip = (*(normal / np.linalg.norm(normal)), kit.between(0.0, 0.5))
        if kind < TORUS and kit.chance(0.2):
            carve = (0, 0, kit.between(0, 0.4), 0.8, 0.8, 1.1)
        turn = random_turn(kit.rng)
        at = (kit.rng.normal(0, spread), kit.rng.normal(0, spread), z + half[2])
        copies = int(kit.rng.integers(3, 7)) if kit.chance(0.15) else 1
        paint = paints[int(kit.rng.integers(len(paints)))]
        for k in range(copies):
            ring = f.at(0, 0, 0, 2 * math.pi * k / copies)
            kit.builder.add(
                kind, ring, (at[0] + 0.25 * (copies > 1), at[1], at[2]), half, paint, param, turn, clip, carve
            )
        z = min(z + half[2] * kit.between(0.2, 1.4), 1.2)


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
        at = kit.rng.normal(0, 0.16 * tall, 3) + (0, 0, 0.85 * tall)
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
    """Walls with windows and a door on the side that looks along +y, a roof."""
    wall = kit.paint(("windows", "bricks", "plain", "noise", "planks"), (2.0, 5.0), upright=True)
    roof, trim = kit.paint(("bricks", "grout", "pebbles", "stripes"), (0.8, 2.5)), kit.paint(("plain",))
    block(kit, f, wide, deep, tall, wall)
    if kit.chance(0.6):  # the upper half of a box on its edge
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
    """A pole with a sign or a lamp: a thin structure."""
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
