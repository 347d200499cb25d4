"""Plants made of many leaves, hedges, and uneven ground.

Every function takes the kit and a frame, and adds solids that stand on z = 0 of the frame; sizes are in its units.
"""

import math

import numpy as np

from ilrm_cli.data.synthetic.materials.materials import FOLIAGE
from ilrm_cli.data.synthetic.materials.reliefs import relief_tile
from ilrm_cli.data.synthetic.objects.kit import Kit, random_turn
from ilrm_cli.data.synthetic.objects.wires import bar
from ilrm_cli.data.synthetic.raycaster.scene import Frame
from ilrm_cli.data.synthetic.raycaster.solids import ELLIPSOID, FRUSTUM, RELIEF, SUPERQUADRIC, TERRAIN


def leaf_green(kit: Kit, period: tuple[float, float] = (0.2, 0.8)) -> int:
    return kit.paint(FOLIAGE, period, hue=kit.between(0.16, 0.36), value=kit.between(0.35, 0.9))


def leafy_tree(kit: Kit, f: Frame, tall: float) -> None:
    """Add a forked trunk with a crown of many flat clumps of leaves."""
    bark = kit.paint(("planks", "noise", "veins"), hue=0.08, value=kit.between(0.2, 0.5))
    thick, fork = kit.between(0.025, 0.05) * tall, kit.between(0.3, 0.5) * tall
    kit.builder.add(FRUSTUM, f, (0, 0, fork / 2), (thick, thick, fork / 2), bark, 0.3)
    greens = [leaf_green(kit) for _ in range(2)]
    wide, clumps = kit.between(0.12, 0.2) * tall, int(kit.rng.integers(10, 22))
    for _ in range(int(kit.rng.integers(2, 5))):
        end = kit.rng.normal((0, 0, 0.8 * tall), (0.6 * wide, 0.6 * wide, 0.05 * tall))
        bar(kit, f, (0, 0, fork * 0.9), tuple(end), 0.4 * thick, bark)
    for _ in range(clumps):
        at = kit.rng.normal((0, 0, 0.72 * tall), (wide, wide, 0.1 * tall))
        half = kit.rng.uniform(0.07, 0.17, 3) * (1, 1, 0.6) * tall
        paint = greens[int(kit.rng.integers(2))]
        kit.builder.add(ELLIPSOID, f, tuple(at), tuple(half), paint, 0, random_turn(kit.rng))


def palm(kit: Kit, f: Frame, fronds: int, tall: float) -> None:
    """Add fronds that bend outwards from the top of a stem: palms, ferns, potted plants."""
    green, stem = leaf_green(kit, (0.1, 0.4)), kit.paint(("stripes", "noise"), hue=0.09, value=0.5)
    if tall > 0.1:
        kit.builder.add(FRUSTUM, f, (0, 0, tall / 2), (0.05, 0.05, tall / 2), stem, 0.2)
    for k in range(fronds):
        angle = 2 * math.pi * (k + kit.rng.random()) / fronds
        lift, reach = kit.between(0.1, 0.9), kit.between(0.5, 0.9)
        c, s = math.cos(angle), math.sin(angle)
        for part in range(3):  # each part of a frond slopes further down
            t = (part + 0.5) / 3
            slope = lift - 1.3 * t * lift - 0.35 * t
            at = (c * reach * t, s * reach * t, tall + lift * reach * t - 0.7 * reach * t * t * (0.5 + lift))
            along = np.array([c, s, slope]) / math.hypot(1, slope)
            across = np.array([-s, c, 0.0])
            turn = np.stack([along, across, np.cross(along, across)], axis=1)
            half = (reach / 5, kit.between(0.05, 0.1) * (1.2 - t), 0.008)
            kit.builder.add(ELLIPSOID, f, at, half, green, 0, tuple(map(tuple, turn)))


def hedge(kit: Kit, f: Frame, length: float) -> None:
    """Add a clipped hedge along x: a soft block with clumps of leaves."""
    green, tall, deep = leaf_green(kit), kit.between(0.4, 1.3), kit.between(0.25, 0.5)
    shape = (kit.between(5, 9), kit.between(3, 9))
    kit.builder.add(SUPERQUADRIC, f, (0, 0, tall / 2), (length / 2, deep, tall / 2), green, shape)
    for _ in range(int(kit.rng.integers(3, 12))):
        at = (kit.between(-0.45, 0.45) * length, kit.between(-1, 1) * deep, kit.between(0.3, 1.0) * tall)
        half = tuple(kit.rng.uniform(0.06, 0.25, 3) * (1, 0.7, 0.7))
        kit.builder.add(ELLIPSOID, f, at, half, green, 0, random_turn(kit.rng))


def tufts(kit: Kit, f: Frame, spread: float, count: int) -> None:
    """Add bunches of grass blades."""
    green = leaf_green(kit, (0.1, 0.4))
    for _ in range(count):
        x, y = kit.rng.normal(0, spread, 2)
        for _ in range(3):
            lean = kit.rng.normal(0, 0.12, 2)
            bar(kit, f, (x, y, 0), (x + lean[0], y + lean[1], kit.between(0.15, 0.4)), 0.008, green)


def hill(kit: Kit, f: Frame, ground: int) -> None:
    """Add a mound with a rough surface, in the ground's material."""
    tile = relief_tile(("hills", "rough", "ridges", "waves")[int(kit.rng.integers(4))], int(kit.rng.integers(3)))
    periods = kit.between(0.4, 1.2)
    half = (kit.between(1.5, 4), kit.between(1.5, 4), kit.between(0.1, 0.5))
    kit.builder.add(TERRAIN, f, (0, 0, half[2] - 0.03), half, ground, (kit.between(0.2, 0.8), periods, periods, tile))


def uneven_ground(kit: Kit, reach: float, ground: int, roughness: float) -> None:
    """Add a square of ground that rises above z = 0 in places: lawn, gravel, cobbles, sand, rubble."""
    kind = ("hills", "rough", "rough", "stones", "stones", "waves", "blocks")[int(kit.rng.integers(7))]
    coarse = kind in ("hills", "waves")
    height = roughness * (kit.between(0.03, 0.1) if coarse else kit.between(0.015, 0.05))
    periods = reach / (roughness * (kit.between(2, 5) if coarse else kit.between(0.7, 2)))
    half = (reach, reach, height)  # the middle of the relief is at z = 0: flat ground hides its lower part
    param = (0.9, 2 * periods, 2 * periods, relief_tile(kind, int(kit.rng.integers(3))))
    kit.builder.add(RELIEF, Frame(yaw=kit.between(0, 6.3)), (0, 0, -0.3 * height), half, ground, param)
