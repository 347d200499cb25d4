"""Places to walk or fly around: a statue, a building, small things on a floor, land from above. z is up, metres."""

import math

from ilrm_cli.data.synthetic.materials.materials import FLOORS
from ilrm_cli.data.synthetic.materials.reliefs import relief_tile
from ilrm_cli.data.synthetic.objects import buildings, furniture, greenery, outdoor, statuary, wires
from ilrm_cli.data.synthetic.objects.kit import Kit
from ilrm_cli.data.synthetic.objects.placing import clutter, furnish_walls, scatter
from ilrm_cli.data.synthetic.objects.still_life import sculpture, vessel
from ilrm_cli.data.synthetic.raycaster.scene import Frame, Stage
from ilrm_cli.data.synthetic.raycaster.shading import OPEN, ROOM, Surround
from ilrm_cli.data.synthetic.raycaster.solids import RELIEF
from ilrm_cli.data.synthetic.scenes.surroundings import background, open_materials, room_materials


def park(kit: Kit, near: float, far: float, ground: int) -> None:
    """Add surroundings between two distances from the middle: trees, hedges, benches, buildings, lamps."""
    if kit.chance(0.6):
        buildings.surrounding_buildings(kit, far * kit.between(1.0, 1.6), int(kit.rng.integers(1, 3)))
    for _ in range(int(kit.rng.integers(2, 8))):
        angle, away = kit.between(0, 2 * math.pi), kit.between(near, 1.5 * far)
        f = Frame(away * math.cos(angle), away * math.sin(angle), 0, angle + math.pi / 2)  # +y faces inwards
        pick = int(kit.rng.integers(10))
        if pick < 3 and away > 1.15 * near:
            greenery.leafy_tree(kit, f, kit.between(0.6, 1.6) * near)
        elif pick == 3:
            greenery.hedge(kit, f, kit.between(1.5, 4))
        elif pick == 4:
            statuary.bench(kit, f)
        elif pick == 5:
            outdoor.post(kit, f)
        elif pick == 6:
            outdoor.bush(kit, f.at(0, 0, 0, 0, kit.between(0.8, 2)))
        elif pick == 7:
            greenery.palm(kit, f, int(kit.rng.integers(6, 12)), kit.between(0, 2.5))
        elif pick == 8:
            wires.wheel_rack(kit, f) if kit.chance(0.5) else outdoor.car(kit, f)
        else:
            wires.railing(kit, f, kit.between(2, 5), kit.between(0.8, 1.2))
    if kit.chance(0.2):
        greenery.uneven_ground(kit, 1.3 * far, ground, kit.between(0.5, 1.0))
    for _ in range(int(kit.rng.integers(0, 2))):
        angle = kit.between(0, 2 * math.pi)
        x, y = 1.8 * far * math.cos(angle), 1.8 * far * math.sin(angle)
        greenery.hill(kit, Frame(x, y, 0, angle, 0.35 * far), ground)


def statue(kit: Kit) -> tuple[Surround, Stage]:
    """Build a statue or fountain in an open place with trees and buildings, circled at eye height."""
    f, tall = Frame(yaw=kit.between(0, 6.3)), kit.between(0.3, 2.6)
    size, paint = kit.between(1.0, 2.2), statuary.stone(kit, kit.between(0.1, 0.8))
    pick = kit.rng.random()
    if pick < 0.12:
        statuary.fountain(kit, f.at(0, 0, 0, 0, 1.4))
        tall, size = 0.6, 1.6
    else:
        statuary.plinth(kit, f, kit.between(0.8, 1.4), tall + 0.4)
        top = f.at(0, 0, tall + 0.4, 0, size / 1.75)
        if pick < 0.75:
            statuary.group(kit, top, paint)
        else:
            sculpture(kit, top.at(0, 0, 0, 0, 1.6), int(kit.rng.integers(6, 16)))
    whole = tall + size
    near, far = whole * kit.between(0.8, 1.2), whole * kit.between(1.6, 2.6)
    materials = open_materials(kit, 0.6 * whole)
    park(kit, 1.15 * far, 2.2 * far, materials[4])
    if kit.chance(0.3):
        scatter(kit, far * 2.0, far * 1.1, int(kit.rng.integers(2, 6)))
    stage = Stage(
        focus=(0.0, 0.0, kit.between(0.45, 0.75) * whole),
        distance=(near, far),
        low=(-1.2 * far, -1.2 * far, 0.4),
        high=(1.2 * far, 1.2 * far, 2.2 * whole),
        shots=("circle", "circle", "circle", "circle", "around", "orbit", "sweep", "video"),
        front=kit.between(0, 2 * math.pi),
    )
    return background(kit, OPEN, (-far, -far, 0), (far, far, far), materials, far), stage


def monument_building(kit: Kit) -> tuple[Surround, Stage]:
    """Build a large building with trees, tents and clutter, seen from the ground, from the front or all around."""
    wide, tall = kit.between(8, 18), kit.between(5, 10)
    deep = wide * kit.between(0.5, 1.0)
    f = Frame(yaw=kit.between(-0.2, 0.2))
    if kit.chance(0.4):
        buildings.temple(kit, f, wide, tall)
    else:
        buildings.building(kit, f, wide, deep, tall, fronts=int(kit.rng.choice([1, 2, 4])))
        if kit.chance(0.5):
            buildings.building(kit, f.at(0.5 * wide, 0.2 * deep, 0), 0.35 * wide, 0.8 * deep, 1.25 * tall)
    half = 0.5 * math.hypot(wide, deep)
    near, far = 1.15 * half + 1.0, 2.0 * half + 2.0
    materials = open_materials(kit, 4.0)
    park(kit, 1.2 * half, 1.9 * far, materials[4])
    for _ in range(int(kit.rng.integers(0, 6))):
        angle, away = kit.between(0, 6.3), kit.between(1.1, 1.5) * half
        at = Frame(away * math.cos(angle), away * math.sin(angle), 0, angle + math.pi / 2)
        make = (buildings.tent, outdoor.car, outdoor.bush, outdoor.post, statuary.bench)[int(kit.rng.integers(5))]
        make(kit, at)
    stage = Stage(
        focus=(0.0, 0.0, 0.45 * tall),
        distance=(near, far),
        low=(-1.3 * far, -1.3 * far, 0.8),
        high=(1.3 * far, 1.3 * far, 1.8 * tall),
        shots=("circle", "circle", "orbit", "sweep", "strafe", "strafe", "approach", "drone"),
        front=math.pi / 2,
    )
    return background(kit, OPEN, (-far, -far, 0), (far, far, tall), materials, far), stage


def close_up(kit: Kit) -> tuple[Surround, Stage]:
    """Build one or two small things on a plain floor, carpet or table top that fills most of the picture."""
    thing, f = int(kit.rng.integers(6)), Frame(yaw=kit.between(0, 6.3), scale=kit.between(0.12, 0.4))
    floor = kit.paint((*FLOORS, "plain", "noise", "straw"), (0.15, 0.8), calm=kit.chance(0.8))
    if kit.chance(0.35):  # a coarse cloth or carpet
        greenery.uneven_ground(kit, 1.2, floor, kit.between(0.1, 0.35))
    if thing == 0:
        statuary.toy(kit, f)
    elif thing == 1:
        sculpture(kit, f, int(kit.rng.integers(3, 9)))
    elif thing == 2:
        greenery.palm(kit, f.at(0, 0, 0.3), int(kit.rng.integers(8, 20)), 0.0)
        vessel(kit, f.at(0.5, 0.2, 0, 1.0, 0.6))
    elif thing == 3:
        statuary.animal(kit, f, statuary.stone(kit))
    else:
        for k in range(int(kit.rng.integers(1, 4))):
            make = statuary.knick_knack if kit.chance(0.6) else vessel
            make(kit, f.at(0.8 * k, 0.3 * (k % 2), 0, kit.between(0, 6.3)))
    wide = kit.between(3.0, 6.0)
    furnish_walls(kit, wide, wide, 2.6, 0.6, 0.8)
    materials = room_materials(kit)
    materials[4] = floor
    low, high = (-wide / 2, -wide / 2, 0.0), (wide / 2, wide / 2, 2.6)
    near = f.scale * kit.between(1.6, 2.4)
    stage = Stage(
        focus=(0.0, 0.0, 0.4 * f.scale),
        distance=(near, near * kit.between(1.2, 2.0)),
        low=(low[0] + 0.3, low[1] + 0.3, 0.15),
        high=(high[0] - 0.3, high[1] - 0.3, 2.3),
        shots=("around", "around", "circle", "orbit", "sweep", "video"),
        front=kit.between(0, 2 * math.pi),
    )
    return background(kit, ROOM, low, high, materials, wide), stage


def aerial(kit: Kit) -> tuple[Surround, Stage]:
    """Build land seen from above: ground with hills, woods, houses, roads."""
    reach = kit.between(14, 24)
    materials = open_materials(kit, 6.0)
    greenery.uneven_ground(kit, 1.5 * reach, materials[4], kit.between(1.5, 4.0))
    for _ in range(int(kit.rng.integers(1, 4))):  # roads and fields
        field = kit.paint(("plain", "noise", "stripes", "straw"), (2, 8), calm=True)
        (x, y), yaw = kit.rng.uniform(-0.5, 0.5, 2) * reach, kit.between(0, 6.3)
        half = (1.5 * reach, kit.between(0.6, 1.6), 0.12) if kit.chance(0.6) else (*kit.rng.uniform(2, 6, 2), 0.1)
        kit.builder.add(RELIEF, Frame(x, y, 0.1, yaw), (0, 0, 0), half, field, (0.3, 3.0, 1.0, relief_tile("hills", 0)))
    for _ in range(int(kit.rng.integers(1, 4))):
        x, y = kit.rng.uniform(-0.7, 0.7, 2) * reach
        for _ in range(int(kit.rng.integers(4, 14))):
            dx, dy = kit.rng.normal(0, 2.5, 2)
            if kit.chance(0.25):
                greenery.leafy_tree(kit, Frame(x + dx, y + dy, 0, kit.between(0, 6.3)), kit.between(2, 4.5))
            else:
                outdoor.tree(kit, Frame(x + dx, y + dy, 0, kit.between(0, 6.3)))
    for _ in range(int(kit.rng.integers(0, 7))):
        x, y = kit.rng.uniform(-0.8, 0.8, 2) * reach
        f = Frame(x, y, 0, kit.between(0, 6.3))
        pick = kit.rng.random()
        if pick < 0.6:
            outdoor.house(kit, f, kit.between(3, 6), kit.between(3, 5), kit.between(2, 4))
        else:
            outdoor.car(kit, f)
    scatter(kit, 0.9 * reach, 0.0, int(kit.rng.integers(4, 14)))
    height = reach * kit.between(0.6, 1.0)
    stage = Stage(
        focus=(kit.between(-2, 2), kit.between(-2, 2), 0.0),
        distance=(height, 1.3 * height),
        low=(-1.2 * reach, -1.2 * reach, 5.0),
        high=(1.2 * reach, 1.2 * reach, 3 * height),
        shots=("survey", "survey", "drone", "drone", "orbit"),
        front=kit.between(0, 2 * math.pi),
    )
    return background(kit, OPEN, (-reach, -reach, 0), (reach, reach, height), materials, reach), stage


def cluttered_shop(kit: Kit) -> tuple[Surround, Stage]:
    """Build a small room with full shelves and racks on all sides and a laden table in the middle."""
    wide, deep, tall = kit.between(3.0, 5.5), kit.between(3.0, 5.5), kit.between(2.4, 3.2)
    for yaw, length, across in ((0, wide, deep), (0.5, deep, wide), (1, wide, deep), (1.5, deep, wide)):
        wall, x = Frame(yaw=yaw * math.pi).at(0, -across / 2, 0), -length / 2 + 0.5
        while x < length / 2 - 0.5:
            if kit.chance(0.75):
                furniture.laden_shelf(kit, wall.at(x + 0.5, 0.25, 0))
            else:
                wires.frame_of_wires(kit, wall.at(x + 0.5, 0.4, 0))
            x += kit.between(1.1, 1.6)
    size = kit.between(0.8, 1.6)
    furniture.table(kit, Frame(), size, 0.7 * size, 0.75)
    clutter(kit, Frame(0, 0, 0.75), 0.9 * size, 0.6 * size, int(kit.rng.integers(4, 12)))
    low, high = (-wide / 2, -deep / 2, 0.0), (wide / 2, deep / 2, tall)
    stage = Stage(
        focus=(kit.between(-0.3, 0.3), kit.between(-0.3, 0.3), kit.between(0.8, 1.2)),
        distance=(0.25 * min(wide, deep), 0.45 * max(wide, deep)),
        low=(low[0] + 0.6, low[1] + 0.6, 0.8),
        high=(high[0] - 0.6, high[1] - 0.6, min(2.2, tall - 0.3)),
        shots=("scan", "scan", "walk", "sweep", "around", "video"),
        front=kit.between(0, 2 * math.pi),
    )
    return background(kit, ROOM, low, high, room_materials(kit), wide), stage
