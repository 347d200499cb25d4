"""Solids in the format of the ray caster: flat arrays.

Every solid is a unit shape inside [-1, 1]^3, stretched by `half` and placed by a rigid pose. Rays are transformed to
that unit space (`hits`), where the interval inside a shape is found in closed form (`intervals`) or by bounded marching
(`marching`); a half-space may cut it (`clip`) and a closed-form shape may be subtracted from a closed-form one
(`carve`), which makes domes, roofs, bowls, pipes, cupboards and arches.

Faces are numbered: 0..5 flat faces (2 * axis + (1 if it faces +axis)), CURVED, CLIPPED; CARVED is added for the walls
of the hollow.
"""

from typing import NamedTuple

import numpy as np
from numpy import float32 as f32

BOX, ELLIPSOID, FRUSTUM = range(3)  # intersected in closed form
TORUS, ROUNDED, SUPERQUADRIC, RELIEF, TERRAIN = range(3, 8)  # intersected by marching
CURVED, CLIPPED, CARVED = 6, 7, 8

FAR = f32(1e30)
PARAMS = 4  # numbers that describe a solid beyond its size


class Shapes(NamedTuple):
    """N solids as flat arrays (float32 unless stated otherwise).

    `param` by kind, unused ones 0: FRUSTUM (1 - top radius); TORUS (tube radius of the unit); ROUNDED (edge radius,
    world units); SUPERQUADRIC (p, q of `marching.superquadric`, at least 1); RELIEF and TERRAIN (depth of the relief as
    share of the solid, periods of the tile across x and y, number of the tile). In closed-form kinds the second number
    is the taper of a hollow FRUSTUM.
    """

    kind: np.ndarray  # [N] int32
    local_from_world: np.ndarray  # [N, 3, 4] to the unit space
    half: np.ndarray  # [N, 3] half sizes, world units
    param: np.ndarray  # [N, PARAMS]
    clip: np.ndarray  # [N, 4] unit space, kept where n . p <= d; n = 0 keeps all
    carve: np.ndarray  # [N, 6] centre and half sizes of the hollow in unit space; half 0 = no hollow
    hollow: np.ndarray  # [N] int32 kind of the hollow: BOX, ELLIPSOID or FRUSTUM
    material: np.ndarray  # [N] int32
    corners: np.ndarray  # [N, 8, 3] of the oriented bounding box, world units
    relief: np.ndarray  # [T, side * side] shared tiles of heights in [0, 1]
    steepness: np.ndarray  # [T] largest slope of each tile, heights per period
