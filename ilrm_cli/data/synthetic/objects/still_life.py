"""Vessels and free sculptures.

Every function takes the kit and a frame, and adds solids that stand on z = 0 of the frame; sizes are in its units.
"""

import math

import numpy as np

from ilrm_cli.data.synthetic.materials.materials import PRINTS
from ilrm_cli.data.synthetic.objects.kit import LYING_Y, UPSIDE_DOWN, Kit, block, random_turn
from ilrm_cli.data.synthetic.raycaster.scene import SOLID, WHOLE, Frame
from ilrm_cli.data.synthetic.raycaster.solids import BOX, ELLIPSOID, FRUSTUM, ROUNDED, SUPERQUADRIC, TORUS


def vessel(kit: Kit, f: Frame) -> None:
    """Add a cup, bowl, vase, bottle, box or pile of books of at most about unit height."""
    paint, pick = kit.paint(period=(0.2, 1.0)), int(kit.rng.integers(6))
    if pick == 0:  # cup
        kit.builder.add(FRUSTUM, f, (0, 0, 0.3), (0.25, 0.25, 0.3), paint, 0.0, carve=(0, 0, 0.1, 0.88, 0.88, 1.0))
        kit.builder.add(TORUS, f, (0.3, 0, 0.3), (0.2, 0.2, 0.2), paint, 0.2, LYING_Y)
    elif pick == 1:  # bowl: half an ellipsoid, hollow
        half, rim, inside = (0.5, 0.5, 0.35), (0, 0, 1, 0.05), (0, 0, 0.05, 0.9, 0.9, 0.9)
        kit.builder.add(ELLIPSOID, f, (0, 0, 0.35), half, paint, clip=rim, carve=inside)
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
        hollow = (0.0, 0.0, 0.15, 0.9, 0.9, 1.0) if kit.chance(0.4) else SOLID
        block(kit, f, kit.between(0.3, 0.9), kit.between(0.2, 0.6), kit.between(0.15, 0.7), paint, carve=hollow)
    else:  # a pile of books
        z = 0.0
        for _ in range(int(kit.rng.integers(2, 6))):
            thick = kit.between(0.05, 0.12)
            block(kit, f.at(0, 0, 0, kit.between(-0.4, 0.4)), 0.6, 0.42, thick, kit.paint(PRINTS), z=z)
            z += thick


SCULPTED = (BOX, ELLIPSOID, FRUSTUM, TORUS, ROUNDED, SUPERQUADRIC, SUPERQUADRIC)


def sculpture(kit: Kit, f: Frame, parts: int) -> None:
    """Add a free assembly about one unit high: solids of all kinds on a stem, sometimes in rings around it."""
    paints = [kit.paint(period=(0.25, 1.0)) for _ in range(int(kit.rng.integers(2, 6)))]
    z, spread = 0.0, kit.between(0.05, 0.3)
    for _ in range(parts):
        half = tuple(kit.rng.uniform(0.07, 0.3, 3))
        kind = SCULPTED[int(kit.rng.integers(len(SCULPTED)))]
        if kind == TORUS:
            half = (half[0],) * 3
        param = {FRUSTUM: kit.between(0, 1), TORUS: kit.between(0.15, 0.4), ROUNDED: 0.3 * min(half)}.get(kind, 0.0)
        if kind == SUPERQUADRIC:
            param = (kit.between(1.1, 6), kit.between(1.1, 6))
        clip, carve = WHOLE, SOLID
        if kit.chance(0.2):
            normal = kit.rng.standard_normal(3)
            clip = (*(normal / np.linalg.norm(normal)), kit.between(0.0, 0.5))
        if kind < TORUS and kit.chance(0.2):
            carve = (0.0, 0.0, kit.between(0, 0.4), 0.8, 0.8, 1.1)
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
