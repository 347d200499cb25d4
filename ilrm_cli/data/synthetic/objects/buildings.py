"""Buildings with repeated windows, columns, cornices, arches and roofs, and the surroundings of a place.

Every function takes the kit and a frame, and adds solids that stand on z = 0 of the frame; sizes are in its units.
"""

import math
from dataclasses import dataclass

from ilrm_cli.data.synthetic.materials.reliefs import relief_tile
from ilrm_cli.data.synthetic.objects.kit import LYING_Y, Kit, block
from ilrm_cli.data.synthetic.objects.wires import railing
from ilrm_cli.data.synthetic.raycaster.scene import Frame
from ilrm_cli.data.synthetic.raycaster.solids import BOX, ELLIPSOID, FRUSTUM, RELIEF, SUPERQUADRIC

WALLING = ("noise", "bricks", "bricks", "plain", "grout", "veins", "planks")
WINDOWS_AT_MOST, WINDOWS_FAR = 28, 10  # of one front, nearby and in the background


@dataclass(frozen=True)
class Trim:
    """Materials and sizes that all windows of a building share."""

    wall: int
    stone: int
    pane: int
    wide: float  # of a window, as a share of its bay
    tall: float  # of a window, as a share of its storey
    sill: bool
    arch: bool
    bars: bool


def draw_trim(kit: Kit) -> Trim:
    wall = kit.paint(WALLING, (0.6, 3.0), upright=True, calm=kit.chance(0.85), value=kit.between(0.35, 0.98))
    stone = kit.paint(("plain", "noise"), (0.5, 2), value=kit.between(0.4, 1.0), calm=True)
    pane = kit.paint(("plain", "noise", "windows"), value=kit.between(0.05, 0.4), gloss=kit.between(0.3, 0.9))
    wide, tall = kit.between(0.3, 0.55), kit.between(0.45, 0.7)
    return Trim(wall, stone, pane, wide, tall, kit.chance(0.6), kit.chance(0.35), kit.chance(0.5))


def window_bay(kit: Kit, f: Frame, trim: Trim, wide: float, tall: float) -> None:
    """Add a window to a wall at y = 0 that faces +y, with its lower edge at z = 0."""
    block(kit, f, wide * 1.25, 0.12, tall * 1.08, trim.stone, z=-0.04 * tall)
    block(kit, f, wide, 0.15, tall, trim.pane)
    if trim.arch:
        kit.builder.add(FRUSTUM, f, (0, 0, tall), (wide / 2, wide / 2, 0.07), trim.pane, 0, LYING_Y)
        kit.builder.add(FRUSTUM, f, (0, 0, tall), (0.63 * wide, 0.63 * wide, 0.05), trim.stone, 0, LYING_Y)
    if trim.sill:
        block(kit, f, wide * 1.4, 0.3, 0.07, trim.stone, z=-0.1)
    if trim.bars:
        block(kit, f, 0.05, 0.19, tall, trim.stone)


def front(kit: Kit, f: Frame, trim: Trim, wide: float, tall: float, storeys: int, most: int = WINDOWS_AT_MOST) -> None:
    """Add rows of windows, cornices and perhaps pilasters to a wall at y = 0 that faces +y."""
    step = tall / storeys
    bays = max(1, min(int(wide / (step * kit.between(0.6, 1.1))), most // storeys))
    bay = wide / bays
    door = int(kit.rng.integers(bays))
    for row in range(storeys):
        for k in range(bays):
            x = (k + 0.5) * bay - wide / 2
            if row == 0 and k == door:
                portal(kit, f.at(x, 0, 0), trim, min(0.8 * bay, 0.5 * step), 0.72 * step)
            else:
                at = f.at(x, 0, (row + 0.5 - trim.tall / 2) * step)
                window_bay(kit, at, trim, trim.wide * bay, trim.tall * step)
    for row in range(1, storeys + 1):
        if row == storeys or kit.chance(0.6):
            block(kit, f, wide + 0.3, 0.4, 0.06 * step, trim.stone, z=row * step - 0.06 * step)
    if kit.chance(0.4):
        for k in range(bays + 1):
            block(kit, f, 0.12 * bay, 0.22, tall, trim.stone, x=k * bay - wide / 2)


def portal(kit: Kit, f: Frame, trim: Trim, wide: float, tall: float) -> None:
    """Add a door in an arch, or behind two columns that carry a balcony."""
    dark = kit.paint(("planks", "plain"), value=kit.between(0.1, 0.5))
    block(kit, f, wide, 0.16, tall, dark)
    if kit.chance(0.5):
        for x in (-0.7 * wide, 0.7 * wide):
            thick = 0.1 * wide
            kit.builder.add(FRUSTUM, f, (x, 0.6, tall / 2), (thick, thick, tall / 2), trim.stone, 0.15)
        block(kit, f, 1.8 * wide, 0.9, 0.1 * tall, trim.stone, y=0.4, z=tall)
        railing(kit, f.at(0, 0.8, 1.1 * tall), 1.7 * wide, 0.35 * tall)
    else:
        hole = (0.0, 0.0, 0.0, 0.8, 0.85, 1.2)  # a round arch bored through a slab
        half = (0.8 * wide, 0.5 * wide, 0.15)
        kit.builder.add(BOX, f, (0, 0.05, tall), half, trim.stone, 0.0, LYING_Y, carve=hole, hollow=FRUSTUM)
    for k in range(int(kit.rng.integers(0, 4))):
        block(kit, f, 2 * wide, 0.35 * (4 - k), 0.13, trim.stone, y=0.3, z=0.13 * k)


def roof(kit: Kit, f: Frame, trim: Trim, wide: float, deep: float, storey: float) -> None:
    """Add a roof on top of the walls at z = 0: flat with a balustrade, gabled with dormers, or a dome."""
    tiles, pick = kit.paint(("bricks", "grout", "pebbles", "stripes", "noise"), (0.5, 2), calm=True), kit.rng.random()
    if pick < 0.35:
        block(kit, f, wide + 0.3, deep + 0.3, 0.2, trim.stone)
        railing(kit, f.at(0, deep / 2, 0.2), wide, 0.2 * storey)
    elif pick < 0.75:  # the upper half of a box standing on its edge
        rise, half = math.sqrt(0.5), 0.36 * deep + 0.2
        turn = ((1.0, 0.0, 0.0), (0.0, rise, -rise), (0.0, rise, rise))
        kit.builder.add(BOX, f, (0, 0, 0), (wide / 2 + 0.2, half, half), tiles, 0, turn, (0.0, -rise, -rise, 0.0))
        for k in range(int(kit.rng.integers(0, 5))):
            dormer = f.at((k - 2) * wide / 6, 0.3 * deep, 0.05)
            block(kit, dormer, 0.25 * storey, 0.5 * storey, 0.4 * storey, trim.stone)
            block(kit, dormer, 0.16 * storey, 0.53 * storey, 0.26 * storey, trim.pane, z=0.07 * storey)
        for _ in range(int(kit.rng.integers(0, 4))):
            x, size = kit.between(-0.45, 0.45) * wide, 0.12 * storey
            block(kit, f, size, size, 0.5 * deep + 0.3 * storey, trim.wall, x=x)
    else:
        size = 0.3 * min(wide, deep)
        kit.builder.add(FRUSTUM, f, (0, 0, 0.2 * storey), (1.1 * size, 1.1 * size, 0.2 * storey), trim.wall)
        kit.builder.add(ELLIPSOID, f, (0, 0, 0.4 * storey), (size, size, size), tiles)
        kit.builder.add(FRUSTUM, f, (0, 0, 0.4 * storey + 1.2 * size), (0.1 * size, 0.1 * size, 0.4 * size), trim.stone)


def building(
    kit: Kit, f: Frame, wide: float, deep: float, tall: float, fronts: int = 1, most: int = WINDOWS_AT_MOST
) -> None:
    """Add a building of several storeys with `fronts` facades, the first facing +y and the others following in turn.

    `most`: windows per front.
    """
    trim, storeys = draw_trim(kit), max(1, min(4, round(tall / kit.between(2.6, 4.0))))
    block(kit, f, wide, deep, tall, trim.wall)
    if kit.chance(0.15) and most == WINDOWS_AT_MOST:
        relief_wall(kit, f.at(0, deep / 2, 0), wide, tall, trim.wall)
    for k in range(fronts):
        across, away = (wide, deep / 2) if k % 2 == 0 else (deep, wide / 2)
        front(kit, f.at(0, 0, 0, 0.5 * math.pi * k).at(0, away, 0), trim, across, tall, storeys, most)
    roof(kit, f.at(0, 0, tall), trim, wide, deep, tall / storeys)


def relief_wall(kit: Kit, f: Frame, wide: float, tall: float, material: int) -> None:
    """Add rough masonry to a wall at y = 0 that faces +y."""
    tile = relief_tile(("blocks", "blocks", "rough", "stones")[int(kit.rng.integers(4))], int(kit.rng.integers(3)))
    size = kit.between(1.2, 4.0)  # of a period
    param = (0.8, wide / size, tall / size, tile)
    kit.builder.add(RELIEF, f, (0, 0, tall / 2), (wide / 2, tall / 2, kit.between(0.03, 0.1)), material, param, LYING_Y)


def temple(kit: Kit, f: Frame, wide: float, tall: float) -> None:
    """Add a building with columns and a pediment in front of it, such as a courthouse or a museum."""
    deep, trim = kit.between(0.5, 0.9) * wide, draw_trim(kit)
    block(kit, f, wide, deep, tall, trim.wall)
    front(kit, f.at(0, deep / 2, 0), trim, wide, tall, 2)
    for k in (1, 3):
        front(kit, f.at(0, 0, 0, 0.5 * math.pi * k).at(0, wide / 2, 0), trim, deep, tall, 2)
    porch, count = 0.5 * wide, int(kit.rng.integers(4, 7))
    before = f.at(0, deep / 2 + 0.1 * wide, 0)
    for k in range(count):
        at = ((k / (count - 1) - 0.5) * porch, 0.06 * wide, 0.45 * tall)
        kit.builder.add(FRUSTUM, before, at, (0.03 * wide, 0.03 * wide, 0.45 * tall), trim.stone, 0.15)
    block(kit, before, 1.15 * porch, 0.24 * wide, 0.08 * tall, trim.stone, z=0.9 * tall)
    gable = ((math.sqrt(0.5), 0.0, -math.sqrt(0.5)), (0.0, 1.0, 0.0), (math.sqrt(0.5), 0.0, math.sqrt(0.5)))
    size, clip = 0.4 * porch, (-math.sqrt(0.5), 0.0, -math.sqrt(0.5), 0.0)
    kit.builder.add(BOX, before, (0, 0, 0.98 * tall), (size, 0.12 * wide, size), trim.stone, 0, gable, clip)
    for k in range(4):
        block(kit, before, 1.3 * porch, 0.3 * wide - 0.06 * wide * k, 0.05 * tall, trim.stone, z=0.05 * tall * k)
    roof(kit, f.at(0, 0, tall), trim, wide, deep, tall / 2)


def surrounding_buildings(kit: Kit, distance: float, sides: int) -> None:
    """Add building fronts on `sides` sides of a place, `distance` from its middle and facing it."""
    turn = kit.between(0, 6.3)
    for k in range(sides):
        wide, tall = distance * kit.between(0.6, 1.5), distance * kit.between(0.25, 0.6)
        away = distance * kit.between(1.0, 1.4)
        f = Frame(yaw=turn + 2 * math.pi * k / max(sides, 3) + kit.between(-0.2, 0.2)).at(0, -away - 1.5, 0)
        building(kit, f, wide, 3.0, tall, most=WINDOWS_FAR)


def tent(kit: Kit, f: Frame) -> None:
    """Add a canopy on four posts."""
    cloth, post = kit.paint(("plain", "stripes"), value=0.95), kit.paint(("plain",))
    for x in (-1, 1):
        for y in (-1, 1):
            kit.builder.add(FRUSTUM, f, (x, y, 1.0), (0.03, 0.03, 1.0), post)
    kit.builder.add(SUPERQUADRIC, f, (0, 0, 2.0), (1.2, 1.2, 0.7), cloth, (1.1, 8.0), clip=(0.0, 0.0, -1.0, 0.0))
