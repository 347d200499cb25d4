"""Indoor scenes: each function furnishes one and returns its allowed camera positions. z is up, sizes in metres."""

import math

from ilrm_cli.data.synthetic.objects import furniture
from ilrm_cli.data.synthetic.objects.kit import Kit, block
from ilrm_cli.data.synthetic.objects.placing import Spots, clutter, furnish_walls, scatter
from ilrm_cli.data.synthetic.objects.still_life import sculpture
from ilrm_cli.data.synthetic.raycaster.scene import Frame, Stage
from ilrm_cli.data.synthetic.raycaster.shading import OPEN, ROOM, Surround
from ilrm_cli.data.synthetic.raycaster.solids import FRUSTUM
from ilrm_cli.data.synthetic.scenes.surroundings import background, open_materials, room_materials

INSET = 0.35  # metres between cameras and walls


def _middle_of_room(kit: Kit, wide: float, deep: float) -> None:
    """Add tables with chairs, things on the floor, a rug."""
    spots = Spots(kit, wide / 2 - 0.9, deep / 2 - 0.9)
    for _ in range(int(kit.rng.integers(1, 4)) if min(wide, deep) > 3.4 else 0):
        spot = spots.take(0.55)
        if spot:
            f, long, height = Frame(*spot, 0, kit.between(0, 6.3)), kit.between(0.6, 1.1), kit.between(0.35, 0.8)
            furniture.table(kit, f, long, long * kit.between(0.6, 1), height)
            clutter(kit, f.at(0, 0, height), long * 0.9, long * 0.55, int(kit.rng.integers(1, 5)))
            if kit.chance(0.6):
                furniture.chair(kit, f.at(0, -0.7, 0))
    for _ in range(int(kit.rng.integers(0, 5))):
        spot = spots.take(0.2)
        if spot:
            f, size = Frame(*spot, 0, kit.between(0, 6.3)), kit.between(0.3, 0.6)
            clutter(kit, f, size, size, 1)
    if kit.chance(0.5):
        rug = kit.paint(("plaid", "straw", "dots", "poster", "stripes"), (1.0, 2.5))
        block(kit, Frame(yaw=kit.between(-0.2, 0.2)), wide * 0.5, deep * 0.5, 0.015, rug)


def room(kit: Kit) -> tuple[Surround, Stage]:
    """Build a room with furniture along the walls and some in the middle."""
    wide, deep, tall = kit.between(3.0, 8.0), kit.between(3.0, 8.0), kit.between(2.4, 3.6)
    furnish_walls(kit, wide, deep, tall, 0.95, 0.4)
    _middle_of_room(kit, wide, deep)
    for _ in range(int(kit.rng.integers(0, 3))):
        hung = Frame(kit.between(-0.3, 0.3) * wide, kit.between(-0.3, 0.3) * deep, tall)
        furniture.hanging_lamp(kit, hung, kit.between(0.3, 0.9))
    low, high = (-wide / 2, -deep / 2, 0.0), (wide / 2, deep / 2, tall)
    stage = Stage(
        focus=(kit.between(-0.4, 0.4), kit.between(-0.4, 0.4), kit.between(0.5, 1.2)),
        distance=(0.25 * min(wide, deep), 0.48 * max(wide, deep)),
        low=(low[0] + INSET, low[1] + INSET, 0.7),
        high=(high[0] - INSET, high[1] - INSET, min(2.2, tall - 0.3)),
        shots=("scan", "scan", "walk", "approach", "orbit", "around", "sweep", "sweep", "video"),
        front=kit.between(0, 2 * math.pi),
    )
    return background(kit, ROOM, low, high, room_materials(kit), wide), stage


def _still_life(kit: Kit) -> tuple[float, float]:
    """Add a table or plinth at the origin with things on it; return its height and the size of the largest thing."""
    high, wide, size = kit.between(0.3, 0.9), kit.between(0.7, 1.6), kit.between(0.3, 0.7)
    if kit.chance(0.75):
        furniture.table(kit, Frame(), wide, wide * kit.between(0.6, 1), high)
    else:
        half = (wide / 3, wide / 3, high / 2)
        kit.builder.add(FRUSTUM, Frame(), (0, 0, high / 2), half, kit.paint(), kit.between(0, 0.3))
    top = Frame(0, 0, high, kit.between(0, 6.3))
    if kit.chance(0.5):
        cloth = kit.paint(("plaid", "text", "poster", "dots", "stripes", "leaves"), (0.3, 1.0))
        block(kit, top, 0.6 * wide, 0.45 * wide, 0.008, cloth)
    if kit.chance(0.6):
        sculpture(kit, top._replace(scale=size), int(kit.rng.integers(3, 11)))
        clutter(kit, top, wide * 0.8, wide * 0.6, int(kit.rng.integers(0, 4)))
    else:
        clutter(kit, top, wide * 0.8, wide * 0.6, int(kit.rng.integers(4, 10)))
    return high, size


def table_top(kit: Kit) -> tuple[Surround, Stage]:
    """Build an object or a still life on a table or a plinth, in a room or outdoors."""
    high, size = _still_life(kit)
    near, far = kit.between(0.7, 1.2), kit.between(1.4, 2.4)
    if kit.chance(0.6):
        wide, deep = (2 * max(2.0, kit.between(1.15, 1.8) * far) for _ in range(2))
        tall = kit.between(2.4, 3.6)
        furnish_walls(kit, wide, deep, tall, 0.75, 1.2)
        low, top = (-wide / 2, -deep / 2, 0.0), (wide / 2, deep / 2, tall)
        behind = background(kit, ROOM, low, top, room_materials(kit), wide)
    else:
        scatter(kit, 9.0, 2.8, int(kit.rng.integers(4, 14)))
        low, top = (-9.0, -9.0, 0.0), (9.0, 9.0, 5.0)
        behind = background(kit, OPEN, low, top, open_materials(kit, 2.0), far * 2)
    stage = Stage(
        focus=(kit.between(-0.1, 0.1), kit.between(-0.1, 0.1), high + 0.35 * size),
        distance=(near, far),
        low=(low[0] + 0.3, low[1] + 0.3, high),
        high=(top[0] - 0.3, top[1] - 0.3, top[2] - 0.3),
        shots=("orbit", "orbit", "around", "around", "circle", "sweep", "video"),
        front=kit.between(0, 2 * math.pi),
    )
    return behind, stage


def corridor(kit: Kit) -> tuple[Surround, Stage]:
    """Build a corridor with doors, pictures, cabinets and plants."""
    length, wide, tall = kit.between(6, 14), kit.between(1.6, 3.2), kit.between(2.3, 3.5)
    for side, yaw in ((-1, 0.0), (1, math.pi)):
        wall, x = Frame(0, side * wide / 2, 0, yaw), -length / 2
        while x < length / 2 - 1:
            step, pick = kit.between(0.9, 2.0), kit.rng.random()
            at = wall.at(x + step / 2, 0, 0)
            if pick < 0.35:
                furniture.door(kit, at)
            elif pick < 0.7:
                furniture.picture(kit, at.at(0, 0.02, 1.2), kit.between(0.4, 0.9), kit.between(0.4, 0.8))
            elif pick < 0.85:
                furniture.cabinet(kit, at.at(0, 0.25, 0, 0, 0.7))
            else:
                furniture.plant(kit, at.at(0, 0.25, 0, 0, 0.8))
            x += step
    for k in range(int(kit.rng.integers(0, 4))):
        furniture.hanging_lamp(kit, Frame((k - 1.5) * length / 4, 0, tall), 0.3)
    low, high = (-length / 2 - 1, -wide / 2, 0.0), (length / 2 + 1, wide / 2, tall)
    stage = Stage(
        focus=(kit.between(-1, 1), 0.0, 1.3),
        distance=(0.2 * length, 0.45 * length),
        low=(-length / 2, -0.25 * wide, 0.9),
        high=(length / 2, 0.25 * wide, min(2.2, tall - 0.4)),
        shots=("walk", "walk", "walk", "scan", "video"),
        front=float(kit.rng.choice([0.0, math.pi])),
    )
    return background(kit, ROOM, low, high, room_materials(kit), length), stage
