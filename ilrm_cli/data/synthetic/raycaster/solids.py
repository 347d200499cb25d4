"""Solids in the format of the ray caster, flat arrays, and where rays enter and leave them.

Every solid is a unit shape inside [-1, 1]^3, stretched by `half` and placed by a rigid pose. Rays are transformed to
that unit space (`hits`), where the interval inside a shape is found in closed form, as (enter, its face, leave, its
face), or by bounded marching (`marching`); a half-space may cut it (`clip`) and a closed-form shape may be subtracted
from a closed-form one (`carve`), which makes domes, roofs, bowls, pipes, cupboards and arches.

Faces are numbered: 0..5 flat faces (2 * axis + (1 if it faces +axis)), CURVED, CLIPPED; CARVED is added for the walls
of the hollow.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy import float32 as f32

from ilrm_cli.runtime.kernels import shared_kernel

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


@shared_kernel
def box_interval(ox, oy, oz, dx, dy, dz):
    """Intersect with the unit box by the slab test; return (enter, its face, leave, its face)."""
    ix, iy, iz = f32(1) / dx, f32(1) / dy, f32(1) / dz
    ax, bx = (-math.copysign(f32(1), dx) - ox) * ix, (math.copysign(f32(1), dx) - ox) * ix
    ay, by = (-math.copysign(f32(1), dy) - oy) * iy, (math.copysign(f32(1), dy) - oy) * iy
    az, bz = (-math.copysign(f32(1), dz) - oz) * iz, (math.copysign(f32(1), dz) - oz) * iz
    t0, f0, t1, f1 = ax, 0 if dx > 0 else 1, bx, 1 if dx > 0 else 0
    if ay > t0:
        t0, f0 = ay, 2 if dy > 0 else 3
    if az > t0:
        t0, f0 = az, 4 if dz > 0 else 5
    if by < t1:
        t1, f1 = by, 3 if dy > 0 else 2
    if bz < t1:
        t1, f1 = bz, 5 if dz > 0 else 4
    return t0, f0, t1, f1


@shared_kernel
def sphere_interval(ox, oy, oz, dx, dy, dz):
    """Intersect with the unit sphere |o + t d| = 1; return (enter, its face, leave, its face)."""
    a = dx * dx + dy * dy + dz * dz
    b = ox * dx + oy * dy + oz * dz
    nearest = -b / a
    px, py, pz = ox + nearest * dx, oy + nearest * dy, oz + nearest * dz
    rest = f32(1) - (px * px + py * py + pz * pz)  # stable far away: no cancellation in b^2 - ac
    if rest <= f32(0):
        return FAR, CURVED, -FAR, CURVED
    root = math.sqrt(rest / a)
    return nearest - root, CURVED, nearest + root, CURVED


@shared_kernel
def frustum_interval(ox, oy, oz, dx, dy, dz, taper):
    """Intersect with x^2 + y^2 <= r(z)^2, r(z) = 1 - taper (1 + z) / 2, -1 <= z <= 1; return enter and leave."""
    slope = f32(-0.5) * taper
    at = f32(1) + slope + slope * oz
    a = dx * dx + dy * dy - slope * slope * dz * dz
    b = ox * dx + oy * dy - slope * dz * at
    c = ox * ox + oy * oy - at * at
    up = math.copysign(f32(1), dz)
    z0, z1 = (-up - oz) / dz, (up - oz) / dz
    t0, f0, t1, f1 = z0, 4 if dz > 0 else 5, z1, 5 if dz > 0 else 4
    square = b * b - a * c
    if a > f32(0):
        if square <= f32(0):
            return FAR, CURVED, -FAR, CURVED
        root = math.sqrt(square)
        s0, s1 = (-b - root) / a, (-b + root) / a
        if s0 > t0:
            t0, f0 = s0, CURVED
        if s1 < t1:
            t1, f1 = s1, CURVED
    elif square > f32(0):  # a steep ray meets both nappes of the cone; only one lies between the caps
        root = math.sqrt(square)
        s0, s1 = (-b + root) / a, (-b - root) / a
        if t0 < s0:
            if s0 < t1:
                t1, f1 = s0, CURVED
        elif s1 > t0:
            t0, f0 = s1, CURVED
    return t0, f0, t1, f1


@shared_kernel
def closed_interval(kind, ox, oy, oz, dx, dy, dz, taper):
    """Return the interval inside a box, an ellipsoid or a frustum."""
    if kind == BOX:
        return box_interval(ox, oy, oz, dx, dy, dz)
    if kind == ELLIPSOID:
        return sphere_interval(ox, oy, oz, dx, dy, dz)
    return frustum_interval(ox, oy, oz, dx, dy, dz, taper)
