"""Kinds of scenes: each function furnishes one and says where photographers may stand. z is up, sizes in metres."""

import math

import numpy as np

from ilrm_cli.synth import objects
from ilrm_cli.synth.materials import FLOORS, GROUNDS, PRINTS, WALLS, Paints
from ilrm_cli.synth.objects import Kit, random_turn
from ilrm_cli.synth.scene import Builder, Frame, Scene, Stage, blockers
from ilrm_cli.synth.shading import OPEN, ROOM, VOID, Surround
from ilrm_cli.synth.shapes import BOX, ELLIPSOID, FRUSTUM, ROUNDED, TORUS
from ilrm_cli.synth.textures import tile_bank

SCENES_PER_BANK = 8192  # scenes that share a bank of texture tiles; a bank costs a second
SOLID_KINDS = (BOX, ELLIPSOID, FRUSTUM, TORUS, ROUNDED)


def _surround(kit: Kit, kind: int, low, high, material: list[int], reach: float) -> Surround:
    """Background and light around a scene that spans `low` to `high`; the sky is many times `reach` away."""
    rng, box = kit.rng, np.array([low, high], np.float32)
    indoors = kind == ROOM
    elevation, azimuth = math.radians(kit.between(25, 75)), kit.between(0, 2 * math.pi)
    to_sun = [math.cos(elevation) * math.cos(azimuth), math.cos(elevation) * math.sin(azimuth), math.sin(elevation)]
    warmth = rng.normal(0, 0.1, 3) + (0.08, 0, -0.08)
    overcast = rng.random() ** 2
    sun = (1 + warmth) * kit.between(0.5, 1.1) * (1 - 0.85 * overcast)
    above = (1 + rng.normal(0, 0.06, 3) + (-0.05, 0, 0.05)) * (kit.between(0.25, 0.5) + 0.45 * overcast)
    below = above * (0.4 + 0.5 * rng.random(3).mean()) * (1 + rng.normal(0, 0.05, 3))
    blue = np.array([kit.between(0.1, 0.45), kit.between(0.3, 0.55), kit.between(0.6, 0.95)])
    zenith = blue + (overcast if kit.chance(0.7) else 0) * (0.75 - blue)
    sky = [zenith + (kit.between(0.3, 0.8)) * (0.85 - zenith), zenith, np.full(3, kit.between(0.7, 1.0))]
    pool = [*(box[0] + (box[1] - box[0]) * rng.uniform(0.2, 0.8, 3)), rng.uniform(0.0, 0.2) if indoors else 0.0]
    weather = [
        kit.between(0, 0.75), kit.between(0.1, 0.5), kit.between(0, 0.2) ** 1.2, kit.between(0, 2), rng.random(),
        0.0 if indoors or kit.chance(0.5) else kit.between(0, 0.4) / (10 * reach),
    ]  # fmt: skip
    middle = (box[0] + box[1]) / 2
    gain = math.exp(rng.normal(0, 0.2)) * kit.between(0.85, 1.15)
    return Surround(
        np.array([kind], np.int32), box, np.array([middle[0], middle[1], box[0, 2], reach * kit.between(12, 60)], np.float32),
        np.array(material, np.int32),
        *(np.array(a, np.float32) for a in (to_sun, sun, [below, above], pool, [kit.between(0.05, 0.4)], sky, weather, [gain])),
    )  # fmt: skip


def _room_materials(kit: Kit, size: float) -> list[int]:
    wall = kit.paint(WALLS, (0.5, 2.5), value=kit.between(0.4, 0.95), upright=True)
    walls = [wall if kit.chance(0.7) else kit.paint(WALLS, (0.5, 3), upright=True) for _ in range(4)]
    floor = kit.paint(FLOORS, (0.8, 3))
    ceiling = kit.paint(("plain", "plain", "noise", "grout", "planks"), (1, 3), value=kit.between(0.6, 0.95))
    return [*walls, floor, ceiling, wall]


def _open_materials(kit: Kit, reach: float) -> list[int]:
    ground = kit.paint(GROUNDS, (0.3 * reach, 1.5 * reach))
    far = kit.paint(("leaves", "noise", "windows", "blotches", "straw", "pebbles"), (0.15, 0.8), upright=True)
    return [far] * 4 + [ground] * 2 + [far]


class _Spots:
    """Free places on the floor: circles that do not overlap."""

    def __init__(self, kit: Kit, half_x: float, half_y: float):
        self.kit, self.half, self.taken = kit, (half_x, half_y), []  # type: ignore[var-annotated]

    def take(self, radius: float, tries: int = 12) -> tuple[float, float] | None:
        hx, hy = self.half[0] - radius, self.half[1] - radius
        for _ in range(tries):
            x, y = self.kit.between(-hx, hx), self.kit.between(-hy, hy)
            if all(math.hypot(x - a, y - b) > radius + r for a, b, r in self.taken):
                self.taken.append((x, y, radius))
                return x, y
        return None


def _clutter(kit: Kit, f: Frame, wide: float, deep: float, count: int) -> None:
    """Small things on a surface."""
    spots = _Spots(kit, wide / 2, deep / 2)
    for _ in range(count):
        size = kit.between(0.1, 0.35) * min(1.0, max(wide, deep))
        spot = spots.take(size * 0.5)
        if spot:
            make = objects.vessel if kit.chance(0.75) else lambda k, g: objects.sculpture(k, g, 3)
            make(kit, f.at(*spot, 0, kit.between(0, 6.3), size))


def _furnish_wall(kit: Kit, f: Frame, length: float, tall: float) -> None:
    """Things along a wall at y = 0 of the frame that looks along +y."""
    x = -length / 2 + kit.between(0.3, 0.8)
    while x < length / 2 - 0.6:
        wide, pick = kit.between(0.9, 1.9), int(kit.rng.integers(8))
        at = f.at(x + wide / 2, 0.32, 0)
        if pick == 0:
            objects.shelf(kit, at)
        elif pick == 1:
            objects.cabinet(kit, at)
        elif pick == 2:
            objects.sofa(kit, at.at(0, 0.2, 0))
        elif pick == 3:
            objects.table(kit, at.at(0, 0.1, 0), wide, 0.6, 0.75)
            _clutter(kit, at.at(0, 0.1, 0.75), wide, 0.5, int(kit.rng.integers(1, 5)))
        elif pick == 4:
            objects.plant(kit, at)
        elif pick == 5 and wide > 1.2:
            objects.bed(kit, at.at(0, 0.8, 0))
        elif pick == 6:
            objects.lamp(kit, at)
        if pick in (2, 3, 4, 5, 7) and kit.chance(0.7):
            size = kit.between(0.4, 1.1)
            hung = f.at(x + wide / 2, 0.02, kit.between(1.1, max(1.2, tall - 0.4 - size)))
            (objects.window if kit.chance(0.3) else objects.picture)(kit, hung, size * kit.between(0.7, 1.4), size)
        x += wide + kit.between(0.1, 0.9)


def room(kit: Kit) -> tuple[Surround, Stage]:
    """A room with furniture along the walls and some in the middle."""
    lx, ly, tall = kit.between(3.0, 8.0), kit.between(3.0, 8.0), kit.between(2.4, 3.6)
    for yaw, length, offset in ((0, lx, ly), (math.pi, lx, ly), (math.pi / 2, ly, lx), (-math.pi / 2, ly, lx)):
        if kit.chance(0.85):
            _furnish_wall(kit, Frame().at(0, 0, 0, yaw).at(0, -offset / 2, 0), length - 1.2, tall)
    spots = _Spots(kit, lx / 2 - 0.9, ly / 2 - 0.9)
    for _ in range(int(kit.rng.integers(0, 4))):
        spot = spots.take(0.55) if min(lx, ly) > 3.4 else None
        if spot:
            f, wide = Frame(*spot, 0, kit.between(0, 6.3)), kit.between(0.6, 1.1)
            height = kit.between(0.35, 0.8)
            objects.table(kit, f, wide, wide * kit.between(0.6, 1), height)
            _clutter(kit, f.at(0, 0, height), wide * 0.9, wide * 0.55, int(kit.rng.integers(1, 5)))
            if kit.chance(0.6):
                objects.chair(kit, f.at(0, -0.7, 0))
    if kit.chance(0.5):
        rug = kit.paint(("plaid", "straw", "dots", "poster", "stripes"), (1.0, 2.5))
        objects.block(kit, Frame(0, 0, 0, kit.between(-0.2, 0.2)), lx * 0.5, ly * 0.5, 0.015, rug)
    surround = _surround(kit, ROOM, (-lx / 2, -ly / 2, 0), (lx / 2, ly / 2, tall), _room_materials(kit, lx), lx)
    inset = 0.35
    stage = Stage(
        (kit.between(-0.4, 0.4), kit.between(-0.4, 0.4), kit.between(0.5, 1.2)), (0.25 * min(lx, ly), 0.48 * max(lx, ly)),
        (-lx / 2 + inset, -ly / 2 + inset, 0.7), (lx / 2 - inset, ly / 2 - inset, min(2.2, tall - 0.3)),
        ("scan", "scan", "walk", "orbit", "around", "sweep", "video"), kit.between(0, 6.3),
    )  # fmt: skip
    return surround, stage


def table_top(kit: Kit) -> tuple[Surround, Stage]:
    """An object or a still life on a table or a plinth, in a room or outdoors."""
    high = kit.between(0.3, 0.9)
    wide = kit.between(0.7, 1.6)
    if kit.chance(0.75):
        objects.table(kit, Frame(), wide, wide * kit.between(0.6, 1), high)
    else:
        kit.builder.add(
            FRUSTUM, Frame(), (0, 0, high / 2), (wide / 3, wide / 3, high / 2), kit.paint(), kit.between(0, 0.3)
        )
    size = kit.between(0.3, 0.7)
    top = Frame(0, 0, high, kit.between(0, 6.3))
    if kit.chance(0.6):
        objects.sculpture(kit, top.at(0, 0, 0, 0, size), int(kit.rng.integers(3, 11)))
        _clutter(kit, top, wide * 0.8, wide * 0.6, int(kit.rng.integers(0, 4)))
    else:
        _clutter(kit, top, wide * 0.8, wide * 0.6, int(kit.rng.integers(4, 10)))
    focus = (kit.between(-0.1, 0.1), kit.between(-0.1, 0.1), high + 0.35 * size)
    near, far = kit.between(0.8, 1.3), kit.between(1.4, 2.4)
    shots = ("orbit", "orbit", "around", "around", "sweep", "video")
    if kit.chance(0.6):
        lx, ly, tall = (2 * kit.between(1.15, 1.8) * far for _ in range(3))
        tall = max(min(tall, 4.0), 2.4)
        for yaw, length, offset in ((0, lx, ly), (math.pi, lx, ly), (math.pi / 2, ly, lx), (-math.pi / 2, ly, lx)):
            if kit.chance(0.7):
                _furnish_wall(kit, Frame().at(0, 0, 0, yaw).at(0, -offset / 2, 0), length - 1.2, tall)
        surround = _surround(kit, ROOM, (-lx / 2, -ly / 2, 0), (lx / 2, ly / 2, tall), _room_materials(kit, lx), lx)
        low, top_ = (-lx / 2 + 0.3, -ly / 2 + 0.3, high), (lx / 2 - 0.3, ly / 2 - 0.3, tall - 0.3)
    else:
        _scatter(kit, 9.0, 2.8, int(kit.rng.integers(4, 12)))
        surround = _surround(kit, OPEN, (-9, -9, 0), (9, 9, 5), _open_materials(kit, 2.0), far * 2)
        low, top_ = (-9, -9, high), (9, 9, 4)
    return surround, Stage(focus, (near, far), low, top_, shots, kit.between(0, 6.3))


def _scatter(kit: Kit, reach: float, keep_free: float, count: int) -> None:
    """Trees, houses, rocks and the like between `keep_free` and `reach` from the middle."""
    spots = _Spots(kit, reach, reach)
    spots.taken.append((0.0, 0.0, keep_free))
    for _ in range(count):
        pick = int(kit.rng.integers(9))
        spot = spots.take((1.0, 2.4, 0.6, 1.8, 0.3, 1.2, 0.8, 0.7, 0.5)[pick])
        if not spot:
            continue
        f = Frame(*spot, 0, kit.between(0, 6.3))
        if pick == 0:
            objects.tree(kit, f)
        elif pick == 1:
            facing = math.atan2(-spot[1], -spot[0]) - math.pi / 2
            objects.house(kit, f._replace(yaw=facing), kit.between(3, 4.5), kit.between(3, 4.5), kit.between(2.5, 6))
        elif pick == 2:
            objects.rock(kit, f._replace(scale=kit.between(0.5, 1.5)))
        elif pick == 3:
            objects.car(kit, f)
        elif pick == 4:
            objects.post(kit, f)
        elif pick == 5:
            objects.fence(kit, f, 2.4)
        elif pick == 6:
            objects.sculpture(kit, f._replace(scale=kit.between(0.8, 2.2)), int(kit.rng.integers(3, 8)))
        elif pick == 7:
            objects.stairs(kit, f._replace(scale=0.6))
        else:
            objects.plant(kit, f._replace(scale=kit.between(0.8, 2)))


def outdoors(kit: Kit) -> tuple[Surround, Stage]:
    """Ground and sky, something to look at in the middle, clutter around and beyond."""
    pick, middle = int(kit.rng.integers(5)), Frame(0, 0, 0, kit.between(0, 6.3))
    size = 1.0
    if pick == 0:
        size = kit.between(1.0, 2.5)
        objects.sculpture(kit, middle._replace(scale=size), int(kit.rng.integers(4, 12)))
    elif pick == 1:
        size = 2.2
        objects.car(kit, middle)
    elif pick == 2:
        size = 3.5
        objects.house(kit, middle, kit.between(3, 6), kit.between(3, 5), kit.between(2.5, 6))
    elif pick == 3:
        size = 3.0
        objects.tree(kit, middle)
        _clutter(kit, middle.at(0.3, 0.8, 0, 0, 2), 1.5, 1, 4)
    else:
        size = 1.2
        for _ in range(4):
            objects.rock(kit, middle.at(*kit.rng.normal(0, 0.8, 2), 0, 0, kit.between(0.5, 1.5)))
    near, far = size * kit.between(1.2, 1.8), size * kit.between(2.2, 3.5)
    _scatter(kit, far * 2.6, far * 1.05, int(kit.rng.integers(6, 18)))
    _scatter(kit, far * 1.05, size * 1.1, int(kit.rng.integers(0, 4)))
    surround = _surround(kit, OPEN, (-far, -far, 0), (far, far, far), _open_materials(kit, size), far)
    stage = Stage(
        (0, 0, size * kit.between(0.3, 0.5)), (near, far), (-2 * far, -2 * far, 0.3 + 0.15 * size),
        (2 * far, 2 * far, 2.5 * far), ("orbit", "around", "around", "sweep", "walk", "video", "drone"), kit.between(0, 6.3),
    )  # fmt: skip
    return surround, stage


def corridor(kit: Kit) -> tuple[Surround, Stage]:
    """A street between two rows of houses, or an indoor corridor with doors and pictures."""
    indoors = kit.chance(0.5)
    length = kit.between(8, 16)
    wide, tall = (kit.between(1.6, 3.2), kit.between(2.3, 3.5)) if indoors else (kit.between(4, 9), kit.between(4, 8))
    for side, yaw in ((-1, 0.0), (1, math.pi)):
        wall = Frame(0, side * wide / 2, 0, yaw)
        x = -length / 2
        while x < length / 2:
            step = kit.between(1.0, 2.5) if indoors else kit.between(3, 5.5)
            at = wall.at(x + step / 2, 0, 0)
            if not indoors:
                objects.house(kit, at.at(0, -2, 0), step, 4, tall * kit.between(0.6, 1.2))
                if kit.chance(0.5):
                    objects.post(kit, at.at(kit.between(-1, 1), 0.5, 0))
            elif kit.chance(0.35):
                objects.block(kit, at, 0.9, 0.1, 2.05, kit.paint(WALLS))
            elif kit.chance(0.6):
                objects.picture(kit, at.at(0, 0.02, 1.3), kit.between(0.4, 0.9), kit.between(0.4, 0.8))
            elif kit.chance(0.5):
                objects.cabinet(kit, at.at(0, 0.25, 0, 0, 0.7))
            else:
                objects.plant(kit, at.at(0, 0.25, 0, 0, 0.8))
            x += step
    if not indoors:
        for _ in range(int(kit.rng.integers(0, 3))):
            objects.car(
                kit,
                Frame(kit.between(-length / 2, length / 2), kit.between(-0.3, 0.3) * wide, 0, kit.between(-0.1, 0.1)),
            )
    low, high = (-length / 2 - 1, -wide / 2, 0), (length / 2 + 1, wide / 2, tall)
    kind, reach = (ROOM, wide) if indoors else (OPEN, length)
    materials = _room_materials(kit, wide) if indoors else _open_materials(kit, 2.0)
    inset = 0.28 * wide
    stage = Stage(
        (kit.between(-1, 1), 0, 1.3), (0.2 * length, 0.45 * length), (-length / 2, -wide / 2 + inset, 0.9),
        (length / 2, wide / 2 - inset, min(2.2, tall - 0.4)), ("walk", "walk", "walk", "scan", "video"),
        kit.rng.choice([0.0, math.pi]),
    )  # fmt: skip
    return _surround(kit, kind, low, high, materials, reach), stage


def facade(kit: Kit) -> tuple[Surround, Stage]:
    """A wall with windows, prints, ledges and things before it, taken from the front."""
    wide, tall, front = kit.between(4, 10), kit.between(3, 7), math.pi / 2
    if kit.chance(0.6):
        objects.house(kit, Frame(0, -2, 0), wide, 4, tall)
    else:
        objects.block(
            kit, Frame(0, -0.2, 0), wide * 1.5, 0.4, tall * 1.3, kit.paint((*WALLS, *PRINTS), (0.8, 3), upright=True)
        )
    for _ in range(int(kit.rng.integers(3, 12))):
        size, x, z = kit.between(0.3, 1.5), kit.between(-0.45, 0.45) * wide, kit.between(0.5, 0.9 * tall)
        if kit.chance(0.5):
            objects.picture(kit, Frame(x, 0.02, z), size, size * kit.between(0.6, 1.3))
        else:
            kind = SOLID_KINDS[int(kit.rng.integers(4))]
            half = (size / 2, kit.between(0.05, 0.25), size * kit.between(0.1, 0.5))
            kit.builder.add(kind, Frame(x, 0.05, z), (0, 0, 0), half, kit.paint(), 0.3)
    for _ in range(int(kit.rng.integers(1, 7))):
        f = Frame(kit.between(-0.5, 0.5) * wide, kit.between(0.4, 1.6), 0, kit.between(0, 6.3))
        make = (objects.plant, objects.rock, objects.post, objects.chair)[int(kit.rng.integers(4))]
        make(kit, f)
    distance = kit.between(0.6, 1.1) * max(tall, 0.7 * wide)
    surround = _surround(kit, OPEN, (-wide, -4, 0), (wide, 6, tall), _open_materials(kit, 2.0), distance)
    stage = Stage(
        (kit.between(-0.2, 0.2) * wide, 0, 0.4 * tall), (distance, 1.5 * distance), (-2 * wide, 1.5, 0.6),
        (2 * wide, 3 * distance, 0.9 * tall), ("sweep", "sweep", "sweep", "video", "orbit"), front,
    )  # fmt: skip
    return surround, stage


def heap(kit: Kit) -> tuple[Surround, Stage]:
    """Solids of every kind in free order, in a room, on the ground or in the air (as MegaSynth, LRM-Zero)."""
    kind, count = int(kit.rng.integers(3)), int(kit.rng.integers(12, 60))
    paints = [kit.paint(period=(0.2, 1.5)) for _ in range(int(kit.rng.integers(4, 14)))]
    spread = kit.between(0.5, 1.2)
    for _ in range(count):
        half = kit.rng.uniform(0.05, 0.45, 3) * kit.between(0.5, 1)
        if kit.chance(0.2):
            half[int(kit.rng.integers(3))] *= 0.12
        shape = SOLID_KINDS[int(kit.rng.integers(5))]
        param = {FRUSTUM: kit.between(0, 1), TORUS: kit.between(0.15, 0.4), ROUNDED: 0.4 * half.min()}.get(shape, 0.0)
        if shape == TORUS:
            half[:] = half[0]
        at = kit.rng.normal(0, spread, 3) * (1, 1, 0.6)
        at[2] = abs(at[2]) + half[2] * 0.5 if kind != VOID else at[2] + 1.2
        paint = paints[int(kit.rng.integers(len(paints)))]
        kit.builder.add(shape, Frame(), tuple(at), tuple(half), paint, param, random_turn(kit.rng))
    size = 3.2 * spread * kit.between(0.9, 1.5)
    low, high = (-size, -size, 0), (size, size, 1.4 * size)
    materials = _room_materials(kit, size) if kind == ROOM else _open_materials(kit, 1.5)
    surround = _surround(kit, kind, low, high, materials, size)
    edge = 0.95 * size if kind == ROOM else 2 * size
    stage = Stage(
        (0, 0, 0.5 * spread if kind != VOID else 1.2), (0.55 * size, 0.9 * size), (-edge, -edge, 0.25),
        (edge, edge, 1.3 * size), ("orbit", "around", "around", "sweep", "video", "scan"), kit.between(0, 6.3),
    )  # fmt: skip
    return surround, stage


KINDS = (room, table_top, outdoors, corridor, facade, heap)
SHARES = np.array([0.26, 0.22, 0.18, 0.08, 0.1, 0.16])


def make_scene(seed: int, index: int, attempt: int = 0, kind: str | None = None) -> Scene:
    """Scene number `index` of a seed, always the same; `attempt` gives another one in its place."""
    rng = np.random.default_rng([seed, index, attempt])
    make = KINDS[int(rng.choice(len(KINDS), p=SHARES))]
    if kind is not None:
        make = next(k for k in KINDS if k.__name__ == kind)
    kit = Kit(rng, Builder(), Paints(rng))
    surround, stage = make(kit)
    shapes = kit.builder.finish()
    return Scene(
        make.__name__, shapes, kit.paints.finish(), surround, blockers(shapes, surround.to_sun.astype(np.float64)),
        blockers(shapes, np.array([0.0, 0.0, 1.0])), tile_bank(index // SCENES_PER_BANK), stage,
    )  # fmt: skip
