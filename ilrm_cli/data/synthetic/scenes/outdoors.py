"""Outdoor and free-space scenes: each function builds one and returns its allowed camera positions. z is up."""

import math

from ilrm_cli.data.synthetic.materials.materials import PRINTS, WALLS
from ilrm_cli.data.synthetic.materials.reliefs import KINDS_OF_RELIEF, relief_tile
from ilrm_cli.data.synthetic.objects import buildings, furniture, greenery, outdoor
from ilrm_cli.data.synthetic.objects.kit import Kit, block, random_turn
from ilrm_cli.data.synthetic.objects.placing import clutter, scatter
from ilrm_cli.data.synthetic.objects.statuary import bench, fountain
from ilrm_cli.data.synthetic.objects.still_life import sculpture
from ilrm_cli.data.synthetic.objects.wires import frame_of_wires, wheel_rack
from ilrm_cli.data.synthetic.raycaster.scene import SOLID, Frame, Stage
from ilrm_cli.data.synthetic.raycaster.shading import OPEN, ROOM, VOID, Surround
from ilrm_cli.data.synthetic.raycaster.solids import (
    BOX,
    ELLIPSOID,
    FRUSTUM,
    RELIEF,
    ROUNDED,
    SUPERQUADRIC,
    TERRAIN,
    TORUS,
)
from ilrm_cli.data.synthetic.scenes.surroundings import background, open_materials, room_materials

SOLID_KINDS = (BOX, ELLIPSOID, FRUSTUM, ROUNDED, SUPERQUADRIC, TORUS, BOX, ELLIPSOID, FRUSTUM, TORUS, RELIEF, TERRAIN)


def draw_param(kit: Kit, kind: int, half) -> float | tuple[float, ...]:
    """Draw the shape parameters of a solid of the given kind and half sizes."""
    if kind == SUPERQUADRIC:
        return kit.between(1.1, 6), kit.between(1.1, 6)
    if kind in (RELIEF, TERRAIN):
        tile = relief_tile(list(KINDS_OF_RELIEF)[int(kit.rng.integers(len(KINDS_OF_RELIEF)))], int(kit.rng.integers(3)))
        return kit.between(0.2, 0.8), kit.between(0.5, 1.5), kit.between(0.5, 1.5), tile
    return {FRUSTUM: kit.between(0, 1), TORUS: kit.between(0.15, 0.4), ROUNDED: 0.4 * min(half)}.get(kind, 0.0)


def _subject(kit: Kit) -> float:
    """Add a subject on the ground at the origin; return its size."""
    pick, f = int(kit.rng.integers(11)), Frame(yaw=kit.between(0, 2 * math.pi))
    if pick == 0:
        size = kit.between(1.0, 2.5)
        sculpture(kit, f._replace(scale=size), int(kit.rng.integers(4, 12)))
        return size
    if pick == 1:
        outdoor.car(kit, f)
        return 2.2
    if pick == 2:
        outdoor.house(kit, f, kit.between(3, 6), kit.between(3, 5), kit.between(2.5, 6))
        return 3.5
    if pick == 3:
        outdoor.tree(kit, f)
        clutter(kit, f.at(0.3, 0.8, 0, 0, 2), 1.5, 1, 4)
        return 3.0
    if pick == 4:
        outdoor.monument(kit, f)
        return 1.8
    if pick == 5:
        outdoor.colonnade(kit, f, int(kit.rng.integers(3, 7)))
        sculpture(kit, f.at(0, 1.3, 0, 0, kit.between(0.6, 1.2)), 5)
        return 2.4
    if pick == 6:
        outdoor.gate(kit, f)
        outdoor.tower(kit, f.at(2.2, 0, 0))
        return 2.6
    if pick == 7:
        greenery.leafy_tree(kit, f, kit.between(2.5, 4.5))
        greenery.tufts(kit, f, 0.8, 12)
        return 3.0
    if pick == 8:
        greenery.palm(kit, f, int(kit.rng.integers(9, 20)), kit.between(0, 0.8))
        return 1.4
    if pick == 9:
        buildings.building(kit, f, kit.between(4, 7), kit.between(3, 5), kit.between(3, 6), fronts=4)
        return 4.0
    for _ in range(int(kit.rng.integers(2, 6))):
        make = outdoor.rock if kit.chance(0.6) else outdoor.bush
        x, y = kit.rng.normal(0, 0.8, 2)
        make(kit, f.at(x, y, 0, 0, kit.between(0.5, 1.5)))
    return 1.2


def outdoors(kit: Kit) -> tuple[Surround, Stage]:
    """Build ground and sky, a subject in the middle, clutter around and beyond."""
    size = _subject(kit)
    near, far = size * kit.between(1.2, 1.8), size * kit.between(2.2, 3.5)
    scatter(kit, far * 2.6, far * 1.05, int(kit.rng.integers(5, 18)))
    scatter(kit, far * 1.05, size * 1.1, int(kit.rng.integers(0, 5)))
    materials = open_materials(kit, size)
    for _ in range(int(kit.rng.integers(0, 4))):
        x, y = far * kit.rng.uniform(-2, 2, 2)
        if math.hypot(x, y) > 1.3 * far:
            greenery.hill(kit, Frame(x, y, 0, kit.between(0, 6.3), 0.4 * far), materials[4])
    if kit.chance(0.2):
        greenery.uneven_ground(kit, 1.6 * far, materials[4], kit.between(0.5, 1.5))
    if kit.chance(0.3):
        buildings.surrounding_buildings(kit, far * kit.between(1.8, 2.6), int(kit.rng.integers(1, 4)))
    stage = Stage(
        focus=(0.0, 0.0, size * kit.between(0.3, 0.5)),
        distance=(near, far),
        low=(-2 * far, -2 * far, 0.3 + 0.15 * size),
        high=(2 * far, 2 * far, 2.5 * far),
        shots=("orbit", "around", "circle", "circle", "sweep", "sweep", "approach", "video", "drone"),
        front=kit.between(0, 2 * math.pi),
    )
    return background(kit, OPEN, (-far, -far, 0), (far, far, far), materials, far), stage


def street(kit: Kit) -> tuple[Surround, Stage]:
    """Build two rows of houses with cars and posts between them."""
    length, wide, tall = kit.between(8, 16), kit.between(4, 9), kit.between(4, 8)
    for side, yaw in ((-1, 0.0), (1, math.pi)):
        row, x = Frame(0, side * wide / 2, 0, yaw), -length / 2
        while x < length / 2:
            step = kit.between(3, 5.5)
            at = row.at(x + step / 2, 0, 0)
            build = buildings.building if kit.chance(0.6) else outdoor.house
            build(kit, at.at(0, -2, 0), step, 4, tall * kit.between(0.6, 1.2))
            for _ in range(int(kit.rng.integers(0, 3))):
                make = (outdoor.post, outdoor.bush, furniture.plant, wheel_rack)[int(kit.rng.integers(4))]
                make(kit, at.at(kit.between(-1.5, 1.5), kit.between(0.4, 0.8), 0))
            x += step
    for _ in range(int(kit.rng.integers(0, 3))):
        at_x, at_y = kit.between(-0.5, 0.5) * length, kit.between(-0.3, 0.3) * wide
        outdoor.car(kit, Frame(at_x, at_y, 0, kit.between(-0.1, 0.1)))
    if kit.chance(0.5):
        outdoor.tower(kit, Frame(length * kit.between(0.6, 1.0), 0, 0, 0, 1.5))
    low, high = (-length / 2 - 1, -wide / 2, 0.0), (length / 2 + 1, wide / 2, tall)
    stage = Stage(
        focus=(kit.between(-1, 1), 0.0, 1.3),
        distance=(0.2 * length, 0.45 * length),
        low=(-length / 2, -0.3 * wide, 0.9),
        high=(length / 2, 0.3 * wide, 2.2),
        shots=("walk", "walk", "walk", "scan", "video"),
        front=float(kit.rng.choice([0.0, math.pi])),
    )
    return background(kit, OPEN, low, high, open_materials(kit, 2.0), length), stage


def facade(kit: Kit) -> tuple[Surround, Stage]:
    """Build a wall with windows, prints and ledges and things in front of it, seen from the front."""
    wide, tall = kit.between(4, 10), kit.between(3, 7)
    pick = kit.rng.random()
    if pick < 0.5:
        buildings.building(kit, Frame(0, -2, 0), wide * kit.between(1, 1.6), 4, tall)
    elif pick < 0.65:
        outdoor.house(kit, Frame(0, -2, 0), wide, 4, tall)
    else:
        wall = kit.paint((*WALLS, *PRINTS), (0.8, 3), upright=True)
        block(kit, Frame(0, -0.2, 0), wide * 1.5, 0.4, tall * 1.3, wall)
        if kit.chance(0.3):
            buildings.relief_wall(kit, Frame(), wide * 1.5, tall * 1.3, wall)
    for _ in range(int(kit.rng.integers(0, 4)) if pick < 0.5 else int(kit.rng.integers(3, 14))):
        size, x, z = kit.between(0.3, 1.5), kit.between(-0.45, 0.45) * wide, kit.between(0.5, 0.9 * tall)
        if kit.chance(0.5):
            furniture.picture(kit, Frame(x, 0.02, z), size, size * kit.between(0.6, 1.3))
        else:
            half = (size / 2, kit.between(0.05, 0.25), size * kit.between(0.1, 0.5))
            kind = SOLID_KINDS[int(kit.rng.integers(5))]
            kit.builder.add(kind, Frame(x, 0.05, z), (0, 0, 0), half, kit.paint(), draw_param(kit, kind, half))
    for _ in range(int(kit.rng.integers(1, 9))):
        f = Frame(kit.between(-0.5, 0.5) * wide, kit.between(0.4, 2.0), 0, kit.between(0, 6.3))
        makers = (
            furniture.plant, outdoor.rock, outdoor.post, furniture.chair, outdoor.bush, outdoor.monument, fountain,
            wheel_rack, bench,
        )  # fmt: skip
        makers[int(kit.rng.integers(len(makers)))](kit, f)
    distance = kit.between(0.6, 1.1) * max(tall, 0.7 * wide)
    stage = Stage(
        focus=(kit.between(-0.2, 0.2) * wide, 0.0, 0.4 * tall),
        distance=(distance, 1.5 * distance),
        low=(-2 * wide, 1.5, 0.6),
        high=(2 * wide, 3 * distance, 0.9 * tall),
        shots=("sweep", "sweep", "strafe", "strafe", "video", "orbit"),
        front=math.pi / 2,
    )
    return background(kit, OPEN, (-wide, -4, 0), (wide, 6, tall), open_materials(kit, 2.0), distance), stage


def heap(kit: Kit) -> tuple[Surround, Stage]:
    """Build random solids of every kind in a room, on the ground or in the air (as LRM-Zero and MegaSynth)."""
    kind, count = (OPEN, ROOM, ROOM, VOID)[int(kit.rng.integers(4))], int(kit.rng.integers(12, 60))
    paints = [kit.paint(period=(0.2, 1.5)) for _ in range(int(kit.rng.integers(4, 14)))]
    spread, lift = kit.between(0.4, 0.9), 1.2 if kind == VOID else 0.0
    for _ in range(count):
        half = kit.rng.uniform(0.05, 0.45, 3) * kit.between(0.5, 1)
        if kit.chance(0.2):
            half[int(kit.rng.integers(3))] *= 0.12
        kinds = SOLID_KINDS if kit.chance(0.5) else SOLID_KINDS[:-2]  # height fields cost more than all others
        shape = kinds[int(kit.rng.integers(len(kinds)))]
        param = draw_param(kit, shape, half)
        if shape == TORUS:
            half[:] = half[0]
        x, y, z = kit.rng.normal(0, spread, 3) * (1, 1, 0.6)
        at = (x, y, z + lift if lift else abs(z) + half[2] * 0.5)
        paint = paints[int(kit.rng.integers(len(paints)))]
        hole = (0.0, 0.0, 0.0, *kit.rng.uniform(0.4, 0.8, 2), 1.1) if kit.chance(0.15) and shape < TORUS else SOLID
        inside = int(kit.rng.integers(3))
        kit.builder.add(shape, Frame(), at, tuple(half), paint, param, random_turn(kit.rng), carve=hole, hollow=inside)
        if kit.chance(0.1):
            frame_of_wires(kit, Frame(at[0], at[1], at[2], kit.between(0, 6.3), 2 * float(half.max())))
    size = kit.between(2.8, 4.2) * spread
    materials = room_materials(kit) if kind == ROOM else open_materials(kit, 1.5)
    edge = 0.93 * size if kind == ROOM else 2 * size
    stage = Stage(
        focus=(0.0, 0.0, lift or 0.5 * spread),
        distance=(0.5 * size, 0.9 * size),
        low=(-edge, -edge, 0.25),
        high=(edge, edge, 1.3 * size),
        shots=("orbit", "around", "around", "sweep", "video", "drone"),
        front=kit.between(0, 2 * math.pi),
    )
    return background(kit, kind, (-size, -size, 0), (size, size, 1.4 * size), materials, size), stage
