"""Background and light of a scene: rooms, ground and sky, sun, lamps, haze."""

import math

import numpy as np

from ilrm_cli.data.synthetic.materials.materials import FLOORS, GROUNDS, WALLS
from ilrm_cli.data.synthetic.objects.kit import Kit
from ilrm_cli.data.synthetic.raycaster.shading import OPEN, ROOM, VOID, Surround

NEAREST_DOME, FURTHEST_DOME = 8.0, 60.0  # radius of the sky in units of a scene's reach


def background(
    kit: Kit,
    kind: int,
    low: tuple[float, float, float],
    high: tuple[float, float, float],
    material: list[int],
    reach: float,
) -> Surround:
    """Draw background and light for a scene between the corners `low` and `high`; cameras move within about `reach`."""
    rng, box = kit.rng, np.array([low, high], np.float32)
    elevation, azimuth = math.radians(kit.between(20, 75)), kit.between(0, 2 * math.pi)
    flat = math.cos(elevation)
    to_sun = [flat * math.cos(azimuth), flat * math.sin(azimuth), math.sin(elevation)]
    overcast = rng.random() ** 2
    sun = rng.normal((1.08, 1.0, 0.92), 0.08) * kit.between(0.5, 1.1) * (1 - 0.85 * overcast)
    above = rng.normal((0.95, 1.0, 1.05), 0.05) * (kit.between(0.25, 0.5) + 0.45 * overcast)
    below = above * kit.between(0.4, 0.9) * rng.normal(1, 0.05, 3)
    blue = np.array([kit.between(0.1, 0.45), kit.between(0.3, 0.55), kit.between(0.6, 0.95)])
    zenith = blue + (overcast if kit.chance(0.7) else 0) * (0.75 - blue)
    bright = kit.between(1.0, 2.8)  # skies are brighter than what they light, and often overexposed
    sky = [zenith + kit.between(0.3, 0.8) * (0.85 - zenith), zenith, np.full(3, kit.between(0.7, 1.0))]
    sky = [bright * colour for colour in sky]
    pool = [*(box[0] + (box[1] - box[0]) * rng.uniform(0.2, 0.8, 3)), rng.uniform(0, 0.2) if kind == ROOM else 0.0]
    haze = 0.0 if kind != OPEN or kit.chance(0.5) else kit.between(0, 0.04) / reach
    cover = (kit.between(0, 0.75), kit.between(0.1, 0.5))
    weather = [*cover, kit.between(0, 0.2) ** 1.2, kit.between(0, 2), rng.random(), haze]
    middle = (box[0] + box[1]) / 2
    far = reach * math.exp(kit.between(math.log(NEAREST_DOME), math.log(FURTHEST_DOME)))
    dome = [middle[0], middle[1], middle[2] if kind == VOID else box[0, 2], far]
    floats = (dome, to_sun, sun, [below, above], pool, [kit.between(0.05, 0.4)], sky, weather, [1.0])
    dome_, *rest = (np.array(values, np.float32) for values in floats)
    return Surround(np.array([kind], np.int32), box, dome_, np.array(material, np.int32), *rest)


def room_materials(kit: Kit) -> list[int]:
    """Paint four walls, floor and ceiling, and return their materials plus one for the unseen silhouette."""
    calm = kit.chance(0.8)
    wall = kit.paint(WALLS, (0.5, 2.5), value=kit.between(0.4, 0.98), upright=True, calm=calm)
    walls = [wall if kit.chance(0.7) else kit.paint(WALLS, (0.5, 3), upright=True) for _ in range(4)]
    floor = kit.paint(FLOORS, (0.8, 3), calm=calm)
    ceiling = kit.paint(("plain", "plain", "noise", "grout", "planks"), (1, 3), value=kit.between(0.6, 0.95), calm=True)
    return [*walls, floor, ceiling, wall]


def open_materials(kit: Kit, reach: float) -> list[int]:
    """Paint the ground and the distant silhouette or wallpaper, whose pattern repeats by angle (period in radians)."""
    size, pick = (0.15 * reach, 1.2 * reach), kit.rng.random()
    if pick < 0.3:  # lawn, moss
        ground = kit.paint(("straw", "noise", "leaves"), size, hue=kit.between(0.2, 0.33), value=kit.between(0.4, 0.9))
    elif pick < 0.5:  # earth, sand
        hue = kit.between(0.06, 0.12)
        ground = kit.paint(("noise", "straw", "pebbles", "blotches"), size, hue=hue, value=kit.between(0.3, 0.9))
    else:
        ground = kit.paint(GROUNDS, size, calm=kit.chance(0.8))
    families = ("leaves", "noise", "windows", "blotches", "straw", "pebbles", "poster")
    far = kit.paint(families, (0.15, 0.8), upright=True, calm=kit.chance(0.8))
    return [far] * 4 + [ground] * 2 + [far]
