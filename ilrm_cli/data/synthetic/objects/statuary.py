"""Statues and their pedestals: figures of soft solids in one material, plinths, fountains.

Every function takes the kit and a frame, and adds solids that stand on z = 0 of the frame; sizes are in its units.
"""

import math

from ilrm_cli.data.synthetic.materials.reliefs import relief_tile
from ilrm_cli.data.synthetic.objects.kit import LYING_Y, Kit, block, random_turn
from ilrm_cli.data.synthetic.objects.wires import bar
from ilrm_cli.data.synthetic.raycaster.scene import Frame
from ilrm_cli.data.synthetic.raycaster.solids import ELLIPSOID, FRUSTUM, RELIEF, ROUNDED, SUPERQUADRIC, TORUS

STONES = ("noise", "noise", "veins", "blotches", "plain", "pebbles")


def stone(kit: Kit, value: float | None = None) -> int:
    """Paint stone or bronze: one calm colour with stains."""
    bright = kit.between(0.15, 0.95) if value is None else value
    gloss = kit.between(0.2, 0.6) if kit.chance(0.3) else 0.0
    return kit.paint(STONES, (0.4, 1.5), value=bright, gloss=gloss, calm=kit.chance(0.7))


def figure(kit: Kit, f: Frame, paint: int) -> None:
    """Add a standing figure about 1.75 units high: robe or legs, trunk, arms, head, perhaps something held."""
    lean = kit.rng.normal(0, 0.05, 2)
    soft = (kit.between(1.8, 3), kit.between(1.8, 2.6))
    if kit.chance(0.5):  # a robe with folds
        kit.builder.add(FRUSTUM, f, (0, 0, 0.45), (0.3, 0.24, 0.45), paint, kit.between(0.3, 0.5))
        for k in range(int(kit.rng.integers(4, 9))):
            angle = 2 * math.pi * k / 8 + kit.between(0, 0.4)
            foot = (0.29 * math.cos(angle), 0.23 * math.sin(angle), 0.0)
            bar(kit, f, foot, (0.6 * foot[0], 0.6 * foot[1], 0.85), 0.035, paint)
    else:
        for side in (-1, 1):
            stride = kit.between(-0.14, 0.14)
            bar(kit, f, (0.1 * side, stride, 0.0), (0.09 * side, 0.3 * stride, 0.5), 0.075, paint)
            bar(kit, f, (0.09 * side, 0.3 * stride, 0.45), (0.08 * side, 0, 0.95), 0.095, paint)
            kit.builder.add(ELLIPSOID, f, (0.1 * side, stride + 0.06, 0.04), (0.06, 0.14, 0.05), paint)
    kit.builder.add(SUPERQUADRIC, f, (lean[0] / 2, lean[1] / 2, 1.15), (0.21, 0.14, 0.32), paint, soft)
    kit.builder.add(ELLIPSOID, f, (lean[0], lean[1], 1.38), (0.25, 0.13, 0.1), paint)
    kit.builder.add(ELLIPSOID, f, (lean[0], lean[1] + 0.02, 1.63), (0.1, 0.12, 0.14), paint)
    if kit.chance(0.4):
        kit.builder.add(FRUSTUM, f, (lean[0], lean[1], 1.74), (0.2, 0.2, 0.02), paint)
    for side in (-1, 1):
        shoulder = (0.24 * side + lean[0], lean[1], 1.38)
        elbow = (side * kit.between(0.28, 0.5), kit.between(-0.15, 0.35), kit.between(1.05, 1.45))
        hand = (side * kit.between(0.1, 0.65), kit.between(0.1, 0.5), kit.between(0.9, 1.75))
        bar(kit, f, shoulder, elbow, 0.065, paint)
        bar(kit, f, elbow, hand, 0.05, paint)
        kit.builder.add(ELLIPSOID, f, hand, (0.06, 0.06, 0.07), paint)
        if kit.chance(0.35):
            bar(kit, f, (hand[0], hand[1], hand[2] - 0.6), (hand[0], hand[1] + 0.1, hand[2] + 0.5), 0.018, paint)
    if kit.chance(0.4):  # cloak
        kit.builder.add(SUPERQUADRIC, f, (0, -0.16, 0.95), (0.3, 0.07, 0.5), paint, (2.5, 3.0))


def animal(kit: Kit, f: Frame, paint: int) -> None:
    """Add a four-legged body with neck, head, tail and ears, about one unit long."""
    tall = kit.between(0.3, 0.8)
    kit.builder.add(ELLIPSOID, f, (0, 0, tall), (0.42, 0.2, 0.2), paint)
    for x in (-0.3, 0.3):
        for y in (-0.12, 0.12):
            bar(kit, f, (x + kit.between(-0.08, 0.08), y, 0), (x, y, tall), 0.06, paint)
    head = (kit.between(0.5, 0.7), 0.0, tall + kit.between(0.15, 0.5))
    bar(kit, f, (0.35, 0, tall), head, 0.09, paint)
    kit.builder.add(SUPERQUADRIC, f, head, (0.17, 0.1, 0.1), paint, (2.2, 2.2))
    ear = kit.between(0.06, 0.25)
    for y in (-0.09, 0.09):
        kit.builder.add(ELLIPSOID, f, (head[0] - 0.08, y * 1.6, head[2] + 0.6 * ear), (0.04, 0.05, ear), paint)
    bar(kit, f, (-0.4, 0, tall + 0.05), (-0.75, kit.between(-0.2, 0.2), tall + kit.between(-0.2, 0.4)), 0.03, paint)


def toy(kit: Kit, f: Frame) -> None:
    """Add a sitting toy of soft parts in a few colours, about one unit high."""
    body, second, dark = kit.paint(gloss=0.3), kit.paint(("plain", "noise")), kit.paint(("plain",), value=0.1)
    soft = (kit.between(2, 3), kit.between(2, 2.6))
    kit.builder.add(SUPERQUADRIC, f, (0, 0, 0.3), (0.22, 0.2, 0.3), body, soft)
    kit.builder.add(ELLIPSOID, f, (0, 0.1, 0.28), (0.16, 0.13, 0.22), second)
    kit.builder.add(SUPERQUADRIC, f, (0, 0.02, 0.72), (0.27, 0.22, 0.2), body, soft)
    ear = kit.between(0.08, 0.3)
    for side in (-1, 1):
        kit.builder.add(ELLIPSOID, f, (0.2 * side, 0, 0.85 + ear), (0.08, 0.04, ear), body)
        kit.builder.add(ELLIPSOID, f, (0.1 * side, 0.2, 0.76), (0.05, 0.04, 0.07), dark)
        bar(kit, f, (0.2 * side, 0, 0.45), (0.36 * side, kit.between(-0.1, 0.2), kit.between(0.2, 0.6)), 0.07, body)
        kit.builder.add(ELLIPSOID, f, (0.16 * side, 0.2, 0.09), (0.11, 0.2, 0.09), body)


def group(kit: Kit, f: Frame, paint: int) -> None:
    """Add one to four figures or animals of one material, close together."""
    count = int(kit.rng.choice([1, 1, 2, 3, 4]))
    for k in range(count):
        away = 0.0 if count == 1 else 0.38
        angle = 2 * math.pi * k / count
        at = f.at(away * math.cos(angle), away * math.sin(angle), 0, kit.between(0, 6.3), kit.between(0.6, 1.0))
        (animal if kit.chance(0.2) else figure)(kit, at, paint)


def plinth(kit: Kit, f: Frame, wide: float, tall: float) -> None:
    """Add a plinth: steps, a shaft with carved sides, a cornice."""
    paint, round_ = stone(kit), kit.chance(0.3)
    for z, high, grow in ((0.0, 0.12, 1.5), (0.12, 0.12, 1.25), (tall - 0.1, 0.1, 1.15)):
        if round_:
            kit.builder.add(FRUSTUM, f, (0, 0, z + high / 2), (wide * grow / 2, wide * grow / 2, high / 2), paint)
        else:
            block(kit, f, wide * grow, wide * grow, high, paint, z=z)
    shaft = tall - 0.34
    if round_:
        kit.builder.add(FRUSTUM, f, (0, 0, 0.24 + shaft / 2), (wide / 2, wide / 2, shaft / 2), paint, 0.1)
        return
    block(kit, f, wide, wide, shaft, paint, z=0.24)
    tile = relief_tile(("rough", "quilt", "waves")[int(kit.rng.integers(3))], 0)
    inlay = paint if kit.chance(0.5) else kit.paint(("text", "plain", "noise"), (0.3, 0.8), calm=True)
    for k in range(4):
        side = f.at(0, 0, 0.24 + shaft / 2, 0.5 * math.pi * k)
        panel(kit, side, wide * 0.7, shaft * 0.6, wide / 2, inlay, tile)


def panel(kit: Kit, f: Frame, wide: float, tall: float, y: float, paint: int, tile: int) -> None:
    """Add a carved panel at distance y that faces +y, with its middle at the height of the origin."""
    periods = kit.between(0.5, 1.5)
    param = (0.8, periods, periods * tall / max(wide, 1e-6), tile)
    kit.builder.add(RELIEF, f, (0, y, 0), (wide / 2, tall / 2, 0.05 * wide), paint, param, LYING_Y)


def fountain(kit: Kit, f: Frame) -> None:
    """Add a basin with a column of bowls."""
    paint, water = stone(kit), kit.paint(("noise", "plain"), (0.5, 2), hue=0.55, value=0.4, gloss=0.7)
    wide = kit.between(0.8, 1.4)
    basin = (0, 0, 0.3, 0.9, 0.9, 0.9)
    kit.builder.add(FRUSTUM, f, (0, 0, 0.25), (wide, wide, 0.25), paint, carve=basin)
    kit.builder.add(FRUSTUM, f, (0, 0, 0.2), (0.9 * wide, 0.9 * wide, 0.19), water)
    z = 0.3
    for size in (0.5 * wide, 0.3 * wide):
        kit.builder.add(FRUSTUM, f, (0, 0, z + 0.25), (0.1, 0.1, 0.25), paint, 0.4)
        rim, inside = (0, 0, 1, 0.05), (0, 0, 0.05, 0.9, 0.9, 0.9)
        kit.builder.add(ELLIPSOID, f, (0, 0, z + 0.6), (size, size, 0.2), paint, clip=rim, carve=inside)
        z += 0.45
    figure(kit, f.at(0, 0, z + 0.1, 0, 0.5), paint)


def bench(kit: Kit, f: Frame) -> None:
    """Add a bench of slats on two legs, with a back."""
    wood, leg = kit.paint(("planks", "noise"), hue=0.08), stone(kit)
    for y, z in ((-0.2, 0.45), (-0.05, 0.45), (0.1, 0.45), (-0.28, 0.65), (-0.32, 0.8)):
        block(kit, f, 1.5, 0.11, 0.04, wood, y=y, z=z)
    for x in (-0.6, 0.6):
        kit.builder.add(ROUNDED, f, (x, -0.05, 0.22), (0.05, 0.25, 0.22), leg, 0.03)
        bar(kit, f, (x, -0.25, 0.4), (x, -0.34, 0.85), 0.03, leg)


def knick_knack(kit: Kit, f: Frame) -> None:
    """Add a small round or soft thing of at most about one unit: fruit, ball, bar of soap, gem, ring."""
    pick, paint = int(kit.rng.integers(5)), kit.paint(period=(0.3, 1.0), gloss=kit.between(0, 0.6))
    if pick == 0:  # fruit
        hue = kit.between(-0.02, 0.3)
        skin = kit.paint(("noise", "plain", "blotches"), (0.4, 1.5), hue=hue, value=0.9, gloss=kit.between(0.1, 0.5))
        kit.builder.add(SUPERQUADRIC, f, (0, 0, 0.42), (0.45, 0.45, 0.42), skin, (kit.between(1.8, 2.4), 2.0))
        bar(kit, f, (0, 0, 0.8), (0.06, 0, 0.98), 0.02, kit.paint(("plain",), hue=0.08, value=0.3))
    elif pick == 1:  # bananas: bent chains of soft links
        skin = kit.paint(("noise", "blotches", "plain"), (0.3, 1.0), hue=0.145, value=0.95)
        for b in range(int(kit.rng.integers(1, 4))):
            turned, bend = f.at(0, 0.16 * b, 0, 0.15 * b), kit.between(0.8, 1.5)
            for k in range(5):
                angle = bend * (k / 4 - 0.5)
                at = (math.sin(angle) / bend, 0.3 * (1 - math.cos(angle)), 0.12)
                half = (0.18, 0.11 - 0.05 * abs(k / 2 - 1), 0.11 - 0.05 * abs(k / 2 - 1))
                c, s = math.cos(0.5 * angle), math.sin(0.5 * angle)
                turn = ((c, -s, 0.0), (s, c, 0.0), (0.0, 0.0, 1.0))
                kit.builder.add(ELLIPSOID, turned, at, half, skin, 0, turn)
    elif pick == 2:
        half = tuple(kit.rng.uniform(0.2, 0.5, 3))
        shape = (kit.between(1.1, 7), kit.between(1.1, 7))
        kit.builder.add(SUPERQUADRIC, f, (0, 0, half[2]), half, paint, shape)
    elif pick == 3:
        kit.builder.add(TORUS, f, (0, 0, 0.12), (0.4,) * 3, paint, kit.between(0.15, 0.4))
    else:  # a gem or pebble in any orientation
        shape = (kit.between(1.1, 3), kit.between(1.1, 3))
        half = tuple(kit.rng.uniform(0.2, 0.45, 3))
        kit.builder.add(SUPERQUADRIC, f, (0, 0, 0.3), half, paint, shape, random_turn(kit.rng))
