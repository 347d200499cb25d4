"""Furniture and wall decorations.

Every function takes the kit and a frame, and adds solids that stand on z = 0 of the frame; sizes are in its units.
"""

from ilrm_cli.data.synthetic.materials.materials import FOLIAGE, PRINTS, WOODS
from ilrm_cli.data.synthetic.materials.reliefs import relief_tile
from ilrm_cli.data.synthetic.objects.kit import LYING_Y, UPSIDE_DOWN, Kit, block, legs, random_turn
from ilrm_cli.data.synthetic.objects.still_life import vessel
from ilrm_cli.data.synthetic.raycaster.scene import Frame
from ilrm_cli.data.synthetic.raycaster.solids import ELLIPSOID, FRUSTUM, RELIEF, ROUNDED, SUPERQUADRIC


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
            kit.builder.add(SUPERQUADRIC, f, (x * wide, -0.1, 0.6), (0.2, 0.2, 0.09), kit.paint(), (2.0, 5.0), turn)


def bed(kit: Kit, f: Frame) -> None:
    wide = kit.between(0.9, 1.8)
    block(kit, f, wide, 2.0, 0.3, kit.paint(WOODS))
    kit.builder.add(ROUNDED, f, (0, 0.05, 0.42), (wide / 2, 0.98, 0.14), kit.paint(period=(0.4, 1.5)), 0.08)
    block(kit, f, wide, 0.06, kit.between(0.6, 1.1), kit.paint(WOODS), y=-1.0)
    for x in (-wide / 4, wide / 4):
        linen = kit.paint(value=kit.between(0.6, 0.95))
        kit.builder.add(SUPERQUADRIC, f, (x, -0.75, 0.6), (0.27, 0.18, 0.09), linen, (2.0, 5.0))


def shelf(kit: Kit, f: Frame) -> None:
    """Add open shelves: boxes with one hollow each, and things inside."""
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


def laden_shelf(kit: Kit, f: Frame) -> None:
    """Add boards on posts, each full of books, boxes, bottles and bowls."""
    wide, tall, deep = kit.between(0.8, 1.3), kit.between(1.2, 2.1), kit.between(0.25, 0.4)
    rows, wood = int(kit.rng.integers(3, 6)), kit.paint(WOODS, calm=kit.chance(0.5))
    step = tall / rows
    for x in (-wide / 2, wide / 2):
        block(kit, f, 0.04, deep, tall, wood, x=x)
    paints = [kit.paint(period=(0.1, 0.5)) for _ in range(6)]
    for row in range(rows + 1):
        block(kit, f, wide, deep, 0.03, wood, z=row * step)
        x = -wide / 2 + 0.05
        while row < rows and x < wide / 2 - 0.12:
            pick, paint = kit.rng.random(), paints[int(kit.rng.integers(6))]
            thick = kit.between(0.03, 0.07) if pick < 0.6 else kit.between(0.1, 0.2)
            high = step * kit.between(0.5, 0.85)
            if pick < 0.75:
                depth = deep * kit.between(0.5, 0.9)
                block(kit, f, thick, depth, high, paint, x=x + thick / 2, y=0.05, z=row * step + 0.03)
            elif pick < 0.85:
                half = (thick / 2, thick / 2, 0.3 * high)
                at = (x + thick / 2, 0.05, row * step + 0.03 + 0.3 * high)
                kit.builder.add(SUPERQUADRIC, f, at, half, paint, (kit.between(1.3, 6), 2.0))
            elif pick < 0.93:
                vessel(kit, f.at(x + thick, 0.03, row * step + 0.03, 0, 0.7 * step))
                thick *= 1.6
            x += thick + kit.between(0.0, 0.05)


def curtain(kit: Kit, f: Frame, wide: float, tall: float) -> None:
    """Add folds of cloth on a wall at y = 0 that faces +y."""
    cloth = kit.paint(("plain", "stripes", "noise", "dots", "leaves"), (0.4, 1.5), calm=kit.chance(0.6))
    param = (0.9, wide / kit.between(0.3, 0.8), 0.2, relief_tile("waves", int(kit.rng.integers(3))))
    kit.builder.add(RELIEF, f, (0, 0.05, tall / 2), (wide / 2, tall / 2, 0.06), cloth, param, LYING_Y)


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
    """Add a pot with leaves."""
    tall = kit.between(0.3, 1.2)
    kit.builder.add(FRUSTUM, f, (0, 0, 0.15), (0.18, 0.18, 0.15), kit.paint(), 0.35, UPSIDE_DOWN)
    green = kit.paint(FOLIAGE, (0.15, 0.5), hue=kit.between(0.2, 0.4))
    for _ in range(int(kit.rng.integers(4, 12))):
        at = kit.rng.normal((0, 0, 0.3 + 0.5 * tall), 0.14)
        kit.builder.add(
            ELLIPSOID, f, tuple(at), (kit.between(0.1, 0.3) * tall, 0.08, 0.015), green, 0, random_turn(kit.rng)
        )


def picture(kit: Kit, f: Frame, wide: float, tall: float) -> None:
    """Add a framed print on a wall at y = 0 that faces +y."""
    block(kit, f, wide, 0.05, tall, kit.paint(WOODS))
    print_ = kit.paint(PRINTS, (0.7 * wide, 1.6 * wide), upright=True)
    block(kit, f, wide * 0.88, 0.02, tall * 0.88, print_, y=0.02, z=0.06 * tall)


def window(kit: Kit, f: Frame, wide: float, tall: float) -> None:
    """Add a bright pane with bars."""
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


def door(kit: Kit, f: Frame) -> None:
    """Add a door in its frame on a wall at y = 0 that faces +y."""
    block(kit, f, 1.05, 0.08, 2.1, kit.paint(("plain", "planks")))
    block(kit, f, 0.88, 0.12, 2.0, kit.paint(WOODS, (0.8, 2.0), upright=True))
    kit.builder.add(ELLIPSOID, f, (0.35, 0.09, 1.0), (0.04, 0.04, 0.03), kit.paint(("plain",), gloss=0.8))


def hanging_lamp(kit: Kit, f: Frame, drop: float) -> None:
    """Add a lamp that hangs below z = 0 of the frame."""
    kit.builder.add(FRUSTUM, f, (0, 0, -drop / 2), (0.012, 0.012, drop / 2), kit.paint(("plain",), value=0.2))
    shade = kit.paint(("plain", "stripes", "noise"), value=0.97, glow=kit.between(0.9, 1.6))
    kind = ELLIPSOID if kit.chance(0.5) else FRUSTUM
    kit.builder.add(kind, f, (0, 0, -drop), (0.22, 0.22, 0.15), shade, 0.5 if kind == FRUSTUM else 0.0)
