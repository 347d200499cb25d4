"""Placement of things: free spots on a floor, rows along walls, scatter around a middle."""

import math

from ilrm_cli.data.synthetic.objects import furniture, greenery, outdoor, wires
from ilrm_cli.data.synthetic.objects.kit import Kit
from ilrm_cli.data.synthetic.objects.statuary import bench, figure, knick_knack, stone, toy
from ilrm_cli.data.synthetic.objects.still_life import sculpture, vessel
from ilrm_cli.data.synthetic.raycaster.scene import Frame


class Spots:
    """Free places on a rectangle: circles that do not overlap."""

    def __init__(self, kit: Kit, half_x: float, half_y: float) -> None:
        self.kit = kit
        self.half = (half_x, half_y)
        self.taken: list[tuple[float, float, float]] = []

    def take(self, radius: float, tries: int = 12) -> tuple[float, float] | None:
        hx, hy = max(self.half[0] - radius, 0.0), max(self.half[1] - radius, 0.0)
        for _ in range(tries):
            x, y = self.kit.between(-hx, hx), self.kit.between(-hy, hy)
            if all(math.hypot(x - a, y - b) > radius + r for a, b, r in self.taken):
                self.taken.append((x, y, radius))
                return x, y
        return None


def clutter(kit: Kit, f: Frame, wide: float, deep: float, count: int) -> None:
    """Add small things on a surface."""
    spots = Spots(kit, wide / 2, deep / 2)
    for _ in range(count):
        size = kit.between(0.1, 0.35) * min(1.0, max(wide, deep))
        spot = spots.take(size * 0.5)
        if spot:
            at = f.at(*spot, 0, kit.between(0, 6.3), size)
            pick = kit.rng.random()
            if pick < 0.5:
                vessel(kit, at)
            elif pick < 0.8:
                knick_knack(kit, at)
            elif pick < 0.9:
                toy(kit, at)
            else:
                sculpture(kit, at, 3)


def _stand_by_wall(kit: Kit, at: Frame, wide: float, free: float, pick: int) -> None:
    if pick == 0:
        (furniture.laden_shelf if kit.chance(0.6) else furniture.shelf)(kit, at)
    elif pick == 1:
        furniture.cabinet(kit, at)
    elif pick == 2:
        furniture.sofa(kit, at.at(0, 0.2, 0))
    elif pick == 3:
        furniture.table(kit, at.at(0, 0.1, 0), wide, 0.6, 0.75)
        clutter(kit, at.at(0, 0.1, 0.75), wide, 0.5, int(kit.rng.integers(1, 5)))
    elif pick == 4:
        furniture.plant(kit, at)
    elif pick == 5 and free > 2.4:
        furniture.bed(kit, at.at(0, 0.8, 0))
    elif pick == 6:
        furniture.lamp(kit, at)


def furnish_wall(kit: Kit, f: Frame, length: float, tall: float, free: float) -> None:
    """Add things along a wall at y = 0 of the frame that faces +y, none deeper than `free`."""
    x = -length / 2 + kit.between(0.1, 0.8)
    while x < length / 2 - 0.6:
        wide, pick = kit.between(0.9, 1.9), int(kit.rng.integers(11))
        _stand_by_wall(kit, f.at(x + wide / 2, 0.32, 0), wide, free, pick)
        if pick == 8:
            furniture.door(kit, f.at(x + wide / 2, 0.02, 0))
        elif pick == 9:
            furniture.curtain(kit, f.at(x + wide / 2, 0, 0.1), wide, tall - 0.3)
        elif pick == 10:
            wires.frame_of_wires(kit, f.at(x + wide / 2, 0.4, 0))
        elif pick in (2, 3, 4, 5, 7) and kit.chance(0.85):
            size = kit.between(0.4, 1.1)
            hung = f.at(x + wide / 2, 0.02, kit.between(1.1, max(1.2, tall - 0.4 - size)))
            hang = furniture.window if kit.chance(0.3) else furniture.picture
            hang(kit, hung, size * kit.between(0.7, 1.4), size)
        x += wide + kit.between(0.03, 0.5)


def furnish_walls(kit: Kit, wide: float, deep: float, tall: float, share: float, middle: float) -> None:
    """Furnish each wall of a room of wide x deep around the origin with probability `share`.

    A square of +-`middle` stays free.
    """
    for yaw, length, across in ((0, wide, deep), (0.5, deep, wide), (1, wide, deep), (1.5, deep, wide)):
        if kit.chance(share):
            furnish_wall(kit, Frame(yaw=yaw * math.pi).at(0, -across / 2, 0), length - 1.2, tall, across / 2 - middle)


# outdoor things and the radius of the spot that each needs
THINGS = (
    ("tree", 1.0), ("house", 2.4), ("rock", 0.6), ("car", 1.8), ("post", 0.3), ("fence", 1.2), ("sculpture", 0.8),
    ("stairs", 0.7), ("plant", 0.5), ("bush", 0.8), ("colonnade", 1.8), ("gate", 1.2), ("tower", 1.2),
    ("monument", 0.9), ("chair", 0.4), ("leafy_tree", 1.0), ("leafy_tree", 1.0), ("hedge", 1.2), ("figure", 0.5),
    ("palm", 0.6), ("wheel_rack", 1.2), ("frame_of_wires", 0.7), ("bench", 0.8),
)  # fmt: skip


def _thing(kit: Kit, name: str, f: Frame) -> None:
    """Add one thing, facing the middle."""
    inwards = f._replace(yaw=math.atan2(-f.y, -f.x) - math.pi / 2)
    size = kit.between(0.6, 1.6)
    if name == "house":
        outdoor.house(kit, inwards, kit.between(3, 4.5), kit.between(3, 4.5), kit.between(2.5, 6))
    elif name == "colonnade":
        outdoor.colonnade(kit, inwards, int(kit.rng.integers(3, 6)))
    elif name == "fence":
        outdoor.fence(kit, f, 2.4)
    elif name == "sculpture":
        sculpture(kit, f._replace(scale=1.3 * size), int(kit.rng.integers(3, 8)))
    elif name in ("plant", "chair"):
        getattr(furniture, name)(kit, f._replace(scale=size))
    elif name == "leafy_tree":
        greenery.leafy_tree(kit, f, kit.between(2.5, 6))
    elif name == "hedge":
        greenery.hedge(kit, f, kit.between(1.5, 2.4))
    elif name == "palm":
        greenery.palm(kit, f, int(kit.rng.integers(5, 12)), kit.between(0, 2))
    elif name == "figure":
        figure(kit, f, stone(kit))
    elif name == "bench":
        bench(kit, inwards)
    elif name in ("wheel_rack", "frame_of_wires"):
        getattr(wires, name)(kit, f)
    elif name in ("rock", "stairs", "bush"):
        getattr(outdoor, name)(kit, f._replace(scale=size))
    else:
        getattr(outdoor, name)(kit, f)


def scatter(kit: Kit, reach: float, keep_free: float, count: int) -> None:
    """Scatter outdoor things between `keep_free` and `reach` from the middle."""
    spots = Spots(kit, reach, reach)
    spots.taken.append((0.0, 0.0, keep_free))
    for _ in range(count):
        name, radius = THINGS[int(kit.rng.integers(len(THINGS)))]
        spot = spots.take(radius)
        if spot:
            _thing(kit, name, Frame(*spot, 0, kit.between(0, 6.3)))
