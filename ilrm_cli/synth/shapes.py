"""Solids and where a ray enters and leaves them.

Every solid is a unit shape inside [-1, 1]^3, stretched by `half` and placed by a rigid pose. Rays are taken to that
unit space, where the interval inside a convex shape is found in closed form; a half-space may cut it (`clip`) and a
copy of the shape may be taken out of it (`carve`), which makes domes, roofs, bowls, pipes, cupboards and arches.

Faces are numbered: 0..5 flat faces (2 * axis + (1 if it looks along +axis)), CURVED, CLIPPED; CARVED is added for the
walls of the hollow.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy import float32 as f32

from ilrm_cli.synth.compiled import kernel

BOX, ELLIPSOID, FRUSTUM, TORUS, ROUNDED = range(5)
CURVED, CLIPPED, CARVED = 6, 7, 8

FAR = f32(1e30)
MARCH_STEPS = 40  # sphere tracing of tori and rounded boxes: enough for grazing rays at 1e-4 of their size


class Shapes(NamedTuple):
    """N solids as flat arrays (float32 unless said)."""

    kind: np.ndarray  # [N] int32
    local_from_world: np.ndarray  # [N, 3, 4] to the unit space
    half: np.ndarray  # [N, 3] half sizes, world units
    param: np.ndarray  # [N] FRUSTUM: 1 - top radius; TORUS: tube radius of the unit; ROUNDED: edge radius, world units
    clip: np.ndarray  # [N, 4] unit space, kept where n . p <= d; n = 0 keeps all
    carve: np.ndarray  # [N, 6] centre and half sizes of the hollow in unit space; half 0 = solid
    material: np.ndarray  # [N] int32
    corners: np.ndarray  # [N, 8, 3] of the oriented bounding box, world units


@kernel
def box_interval(ox, oy, oz, dx, dy, dz):
    """Slab test: (enter, its face, leave, its face)."""
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


@kernel
def sphere_interval(ox, oy, oz, dx, dy, dz):
    """|o + t d| = 1."""
    a = dx * dx + dy * dy + dz * dz
    b = ox * dx + oy * dy + oz * dz
    nearest = -b / a
    px, py, pz = ox + nearest * dx, oy + nearest * dy, oz + nearest * dz
    rest = f32(1) - (px * px + py * py + pz * pz)  # stable far away: no cancellation of b^2 - ac
    if rest <= f32(0):
        return FAR, CURVED, -FAR, CURVED
    root = math.sqrt(rest / a)
    return nearest - root, CURVED, nearest + root, CURVED


@kernel
def frustum_interval(ox, oy, oz, dx, dy, dz, taper):
    """x^2 + y^2 <= r(z)^2 with r(z) = 1 - taper (1 + z) / 2 between z = -1 and 1."""
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


@kernel
def torus_distance(x, y, z, tube):
    """Signed distance in unit space: ring of radius 1 - tube around z."""
    ring = math.sqrt(x * x + y * y) - (f32(1) - tube)
    return math.sqrt(ring * ring + z * z) - tube


@kernel
def rounded_distance(x, y, z, hx, hy, hz, edge):
    """Signed distance of a box with rounded edges, world units."""
    qx, qy, qz = abs(x) - hx + edge, abs(y) - hy + edge, abs(z) - hz + edge
    mx, my, mz = max(qx, f32(0)), max(qy, f32(0)), max(qz, f32(0))
    return math.sqrt(mx * mx + my * my + mz * mz) + min(max(qx, max(qy, qz)), f32(0)) - edge


@kernel
def marched_interval(kind, ox, oy, oz, dx, dy, dz, hx, hy, hz, param):
    """Sphere tracing (Hart 1996) between the walls of the bounding box; leaving is approximated by the box."""
    t0, _, t1, _ = box_interval(ox, oy, oz, dx, dy, dz)
    if t0 >= t1 or t1 <= f32(0):
        return FAR, CURVED, -FAR, CURVED
    if kind == ROUNDED:
        ox, oy, oz, dx, dy, dz = ox * hx, oy * hy, oz * hz, dx * hx, dy * hy, dz * hz
    pace = f32(1) / math.sqrt(dx * dx + dy * dy + dz * dz)
    tiny = f32(1e-4) * (max(hx, max(hy, hz)) if kind == ROUNDED else f32(1))
    t = max(t0, f32(0))
    for _ in range(MARCH_STEPS):
        x, y, z = ox + t * dx, oy + t * dy, oz + t * dz
        gap = rounded_distance(x, y, z, hx, hy, hz, param) if kind == ROUNDED else torus_distance(x, y, z, param)
        if gap < tiny:
            return t, CURVED, t1, CURVED
        t += gap * pace
        if t > t1:
            break
    return FAR, CURVED, -FAR, CURVED


@kernel
def interval(kind, ox, oy, oz, dx, dy, dz, hx, hy, hz, param):
    if kind == BOX:
        return box_interval(ox, oy, oz, dx, dy, dz)
    if kind == ELLIPSOID:
        return sphere_interval(ox, oy, oz, dx, dy, dz)
    if kind == FRUSTUM:
        return frustum_interval(ox, oy, oz, dx, dy, dz, param)
    return marched_interval(kind, ox, oy, oz, dx, dy, dz, hx, hy, hz, param)


@kernel
def cut_interval(shapes, i, ox, oy, oz, dx, dy, dz):
    """Interval inside solid `i` and inside its half-space, for a ray in unit space."""
    half = shapes.half
    t0, f0, t1, f1 = interval(
        shapes.kind[i], ox, oy, oz, dx, dy, dz, half[i, 0], half[i, 1], half[i, 2], shapes.param[i]
    )
    nx, ny, nz = shapes.clip[i, 0], shapes.clip[i, 1], shapes.clip[i, 2]
    if t0 < t1 and (nx != f32(0) or ny != f32(0) or nz != f32(0)):
        along = nx * dx + ny * dy + nz * dz
        t = (shapes.clip[i, 3] - nx * ox - ny * oy - nz * oz) / along
        if along < f32(0):
            if t > t0:
                t0, f0 = t, CLIPPED
        elif t < t1:
            t1, f1 = t, CLIPPED
    return t0, f0, t1, f1


@kernel
def hollow_interval(shapes, i, ox, oy, oz, dx, dy, dz):
    """Interval inside the hollow of solid `i`; only closed-form shapes are carved."""
    sx, sy, sz = f32(1) / shapes.carve[i, 3], f32(1) / shapes.carve[i, 4], f32(1) / shapes.carve[i, 5]
    ox, oy, oz = (ox - shapes.carve[i, 0]) * sx, (oy - shapes.carve[i, 1]) * sy, (oz - shapes.carve[i, 2]) * sz
    return interval(shapes.kind[i], ox, oy, oz, dx * sx, dy * sy, dz * sz, f32(1), f32(1), f32(1), shapes.param[i])


@kernel
def first_hit(shapes, i, ox, oy, oz, dx, dy, dz, limit):
    """(t, face) of the first surface of solid `i` with 0 < t < limit seen from outside; t = FAR where there is none."""
    t0, f0, t1, _ = cut_interval(shapes, i, ox, oy, oz, dx, dy, dz)
    if t0 >= t1 or t1 <= f32(0) or t0 >= limit:
        return FAR, 0
    if shapes.carve[i, 3] > f32(0):
        c0, _, c1, f1 = hollow_interval(shapes, i, ox, oy, oz, dx, dy, dz)
        if c0 <= max(t0, f32(0)) and c1 > max(t0, f32(0)):  # the ray comes in through the hollow
            return (c1, CARVED + f1) if c1 < min(t1, limit) else (FAR, 0)
    return (t0, f0) if t0 > f32(0) else (FAR, 0)


@kernel
def chord(shapes, i, ox, oy, oz, dx, dy, dz):
    """(t where solid `i` begins, length inside it) along a ray from t = 0 on; length 0 where it is missed."""
    t0, _, t1, _ = cut_interval(shapes, i, ox, oy, oz, dx, dy, dz)
    t0 = max(t0, f32(0))
    if t0 >= t1:
        return f32(0), f32(0)
    inside = t1 - t0
    if shapes.carve[i, 3] > f32(0):
        c0, _, c1, _ = hollow_interval(shapes, i, ox, oy, oz, dx, dy, dz)
        inside -= max(min(c1, t1) - max(c0, t0), f32(0))
    return t0, inside


@kernel
def curved_normal(kind, x, y, z, hx, hy, hz, param):
    """Gradient in unit space of the curved surface through (x, y, z); any length."""
    if kind == ELLIPSOID:
        return x, y, z
    if kind == FRUSTUM:
        slope = f32(-0.5) * param
        return x, y, -slope * (f32(1) + slope + slope * z)
    if kind == TORUS:
        keep = f32(1) - (f32(1) - param) / max(math.sqrt(x * x + y * y), f32(1e-9))
        return x * keep, y * keep, z
    nx = math.copysign(max(abs(x) * hx - hx + param, f32(0)), x)
    ny = math.copysign(max(abs(y) * hy - hy + param, f32(0)), y)
    nz = math.copysign(max(abs(z) * hz - hz + param, f32(0)), z)
    return nx * hx, ny * hy, nz * hz  # the gradient in world units, pulled to the unit space


@kernel
def normal_at(shapes, i, face, x, y, z):
    """Unit outward normal in world axes at the point (x, y, z) of unit space."""
    half = shapes.half
    flip = f32(1)
    nx, ny, nz = f32(0), f32(0), f32(0)
    if face == CLIPPED:
        nx, ny, nz = shapes.clip[i, 0], shapes.clip[i, 1], shapes.clip[i, 2]
    else:
        if face >= CARVED:
            face -= CARVED
            flip = f32(-1)
            x = (x - shapes.carve[i, 0]) / shapes.carve[i, 3]
            y = (y - shapes.carve[i, 1]) / shapes.carve[i, 4]
            z = (z - shapes.carve[i, 2]) / shapes.carve[i, 5]
        if face == CURVED:
            nx, ny, nz = curved_normal(shapes.kind[i], x, y, z, half[i, 0], half[i, 1], half[i, 2], shapes.param[i])
            if flip < f32(0):
                nx, ny, nz = nx / shapes.carve[i, 3], ny / shapes.carve[i, 4], nz / shapes.carve[i, 5]
        elif face < 2:
            nx = f32(2 * face - 1)
        elif face < 4:
            ny = f32(2 * face - 5)
        else:
            nz = f32(2 * face - 9)
    m = shapes.local_from_world
    wx = m[i, 0, 0] * nx + m[i, 1, 0] * ny + m[i, 2, 0] * nz
    wy = m[i, 0, 1] * nx + m[i, 1, 1] * ny + m[i, 2, 1] * nz
    wz = m[i, 0, 2] * nx + m[i, 1, 2] * ny + m[i, 2, 2] * nz
    scale = flip / (math.sqrt(wx * wx + wy * wy + wz * wz) + f32(1e-20))
    return wx * scale, wy * scale, wz * scale
