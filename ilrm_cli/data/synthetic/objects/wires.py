"""Thin structures: bars along lines, wire frames, railings, lattices, cages, racks of wheels.

Every function takes the kit and a frame, and adds solids that stand on z = 0 of the frame; sizes are in its units.
"""

import math

import numpy as np

from ilrm_cli.data.synthetic.objects.kit import LYING_Y, Kit, block
from ilrm_cli.data.synthetic.raycaster.scene import Frame
from ilrm_cli.data.synthetic.raycaster.solids import BOX, FRUSTUM, TORUS

Point = tuple[float, float, float]


def bar(kit: Kit, f: Frame, a: Point, b: Point, thick: float, material: int, kind: int = FRUSTUM) -> None:
    """Add a round or square bar of radius `thick` from a to b."""
    start, end = np.array(a), np.array(b)
    length = float(np.linalg.norm(end - start))
    along = (end - start) / max(length, 1e-9)
    helper = np.array([1.0, 0, 0]) if abs(along[0]) < 0.8 else np.array([0, 1.0, 0])
    side = np.cross(helper, along)
    side /= np.linalg.norm(side)
    turn = np.stack([side, np.cross(along, side), along], axis=1)  # columns: axes of the bar
    middle = tuple((start + end) / 2)
    kit.builder.add(kind, f, middle, (thick, thick, length / 2), material, 0.0, tuple(map(tuple, turn)))


def _metal(kit: Kit) -> int:
    return kit.paint(("plain", "noise", "stripes"), gloss=kit.between(0, 0.7), calm=kit.chance(0.6))


def wire_box(kit: Kit, f: Frame, wide: float, deep: float, tall: float, thick: float) -> None:
    """Add the twelve edges of a box."""
    metal, kind = _metal(kit), BOX if kit.chance(0.5) else FRUSTUM
    x, y = wide / 2, deep / 2
    for sx in (-x, x):
        for sy in (-y, y):
            bar(kit, f, (sx, sy, 0), (sx, sy, tall), thick, metal, kind)
        for z in (thick, tall - thick):
            bar(kit, f, (sx, -y, z), (sx, y, z), thick, metal, kind)
    for sy in (-y, y):
        for z in (thick, tall - thick):
            bar(kit, f, (-x, sy, z), (x, sy, z), thick, metal, kind)


def railing(kit: Kit, f: Frame, length: float, tall: float) -> None:
    """Add upright bars below a handrail along x."""
    metal, gap = _metal(kit), kit.between(0.1, 0.22)
    count = max(3, min(int(length / gap), 24))
    thick = kit.between(0.006, 0.02)
    for k in range(count):
        x = (k / (count - 1) - 0.5) * length
        bar(kit, f, (x, 0, 0), (x, 0, tall), thick * (2 if k % 6 == 0 else 1), metal)
    for z in (0.12 * tall, tall):
        bar(kit, f, (-length / 2, 0, z), (length / 2, 0, z), 1.6 * thick, metal, BOX)


def lattice(kit: Kit, f: Frame, wide: float, tall: float) -> None:
    """Add crossing slats in the plane y = 0."""
    wood, thick = _metal(kit), kit.between(0.008, 0.025)
    columns, rows = int(kit.rng.integers(3, 9)), int(kit.rng.integers(2, 7))
    for k in range(columns):
        x = (k / (columns - 1) - 0.5) * wide
        bar(kit, f, (x, 0, 0), (x, 0, tall), thick, wood, BOX)
    for k in range(rows):
        z = (k + 0.5) / rows * tall
        bar(kit, f, (-wide / 2, thick, z), (wide / 2, thick, z), thick, wood, BOX)


def cage(kit: Kit, f: Frame) -> None:
    """Add stacked hoops joined by bars, about one unit high."""
    metal, radius, tall = _metal(kit), kit.between(0.2, 0.45), kit.between(0.5, 1.2)
    tube, count = kit.between(0.03, 0.07), int(kit.rng.integers(2, 5))
    for k in range(count):
        kit.builder.add(TORUS, f, (0, 0, 0.03 + k / (count - 1) * tall), (radius,) * 3, metal, tube)
    posts = int(kit.rng.integers(3, 9))
    for k in range(posts):
        angle = 2 * math.pi * k / posts
        x, y = 0.97 * radius * math.cos(angle), 0.97 * radius * math.sin(angle)
        bar(kit, f, (x, y, 0), (x, y, tall), 0.5 * tube * radius, metal)


def bicycle(kit: Kit, f: Frame) -> None:
    """Add two wheels and a frame of tubes, along x."""
    paint, dark = kit.paint(("plain",), gloss=0.5), kit.paint(("plain",), value=0.1)
    for x in (-0.52, 0.52):
        kit.builder.add(TORUS, f, (x, 0, 0.34), (0.34,) * 3, dark, 0.07, LYING_Y)
    crank, seat, head = (-0.1, 0, 0.3), (-0.22, 0, 0.85), (0.38, 0, 0.85)
    lines = (((-0.52, 0, 0.34), crank), (crank, seat), (crank, head), (seat, head), ((-0.52, 0, 0.34), seat))
    for a, b in (*lines, (head, (0.52, 0, 0.34)), ((0.36, -0.25, 0.98), (0.36, 0.25, 0.98)), (head, (0.36, 0, 0.98))):
        bar(kit, f, a, b, 0.018, paint)
    block(kit, f, 0.25, 0.12, 0.06, dark, x=-0.24, z=0.86)


def wheel_rack(kit: Kit, f: Frame) -> None:
    """Add a few bicycles side by side."""
    for k in range(int(kit.rng.integers(2, 5))):
        bicycle(kit, f.at(kit.between(-0.1, 0.1), 0.45 * k, 0, kit.between(-0.1, 0.1)))


def stand(kit: Kit, f: Frame) -> None:
    """Add three legs that meet below a plate: tripod, stool, easel."""
    metal, tall, thick = _metal(kit), kit.between(0.5, 1.4), kit.between(0.01, 0.03)
    for k in range(3):
        angle = 2 * math.pi * k / 3
        foot = (0.3 * tall * math.cos(angle), 0.3 * tall * math.sin(angle), 0.0)
        bar(kit, f, foot, (0, 0, tall), thick, metal)
    kit.builder.add(FRUSTUM, f, (0, 0, tall), (0.18, 0.18, 0.03), kit.paint())


def frame_of_wires(kit: Kit, f: Frame) -> None:
    """Add a random thin structure, about one unit large."""
    pick = int(kit.rng.integers(5))
    if pick == 0:
        wire_box(kit, f, kit.between(0.3, 1), kit.between(0.3, 0.8), kit.between(0.3, 1.4), kit.between(0.01, 0.03))
    elif pick == 1:
        cage(kit, f)
    elif pick == 2:
        lattice(kit, f, kit.between(0.6, 1.4), kit.between(0.6, 1.4))
    elif pick == 3:
        stand(kit, f)
    else:
        railing(kit, f, kit.between(0.8, 2.0), kit.between(0.5, 1.0))
