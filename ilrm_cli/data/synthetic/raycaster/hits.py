"""Intersections of a ray in unit space with a solid, its half-space and its hollow, and outward normals."""

import math

from numpy import float32 as f32

from ilrm_cli.data.synthetic.raycaster.marching import marched, marched_gradient, superquadric
from ilrm_cli.data.synthetic.raycaster.solids import (
    CARVED,
    CLIPPED,
    CURVED,
    ELLIPSOID,
    FAR,
    RELIEF,
    SUPERQUADRIC,
    TERRAIN,
    TORUS,
    box_interval,
    closed_interval,
)
from ilrm_cli.runtime.kernels import shared_kernel

SHADOW_STEPS = 3  # Newton steps to a superquadric that casts a soft shadow


@shared_kernel
def cut_interval(shapes, i, ox, oy, oz, dx, dy, dz, limit):
    """Return the interval inside solid `i` and its half-space; a marched solid's exit is that of its box.

    Marched solids are not searched beyond `limit`.
    """
    kind = shapes.kind[i]
    if kind < TORUS:
        t0, f0, t1, f1 = closed_interval(kind, ox, oy, oz, dx, dy, dz, shapes.param[i, 0])
    else:
        t0, f0, t1, f1 = box_interval(ox, oy, oz, dx, dy, dz)
        if kind < RELIEF:
            f0, f1 = CURVED, CURVED
    nx, ny, nz = shapes.clip[i, 0], shapes.clip[i, 1], shapes.clip[i, 2]
    if t0 < t1 and (nx != f32(0) or ny != f32(0) or nz != f32(0)):
        along = nx * dx + ny * dy + nz * dz
        t = (shapes.clip[i, 3] - nx * ox - ny * oy - nz * oz) / along
        if along < f32(0):
            if t > t0:
                t0, f0 = t, CLIPPED
        elif t < t1:
            t1, f1 = t, CLIPPED
    if kind >= TORUS:
        t1 = min(t1, limit)
        if t0 >= t1 or t1 <= f32(0):
            return FAR, CURVED, -FAR, CURVED
        start = max(t0, f32(0))
        t0 = marched(shapes, i, ox, oy, oz, dx, dy, dz, start, t1)
        if t0 > start:
            f0 = CURVED
    return t0, f0, t1, f1


@shared_kernel
def hollow_interval(shapes, i, ox, oy, oz, dx, dy, dz):
    """Return the interval inside the hollow of solid `i`; only closed-form shapes have one."""
    sx, sy, sz = f32(1) / shapes.carve[i, 3], f32(1) / shapes.carve[i, 4], f32(1) / shapes.carve[i, 5]
    ox, oy, oz = (ox - shapes.carve[i, 0]) * sx, (oy - shapes.carve[i, 1]) * sy, (oz - shapes.carve[i, 2]) * sz
    return closed_interval(shapes.hollow[i], ox, oy, oz, dx * sx, dy * sy, dz * sz, shapes.param[i, 1])


@shared_kernel
def first_hit(shapes, i, ox, oy, oz, dx, dy, dz, limit):
    """Return (t, face) of the first outer surface of solid `i` with 0 < t < limit; t = FAR if there is none."""
    t0, f0, t1, _ = cut_interval(shapes, i, ox, oy, oz, dx, dy, dz, limit)
    if t0 >= t1 or t1 <= f32(0) or t0 >= limit:
        return FAR, 0
    if shapes.carve[i, 3] > f32(0):
        c0, _, c1, f1 = hollow_interval(shapes, i, ox, oy, oz, dx, dy, dz)
        if c0 <= max(t0, f32(0)) and c1 > max(t0, f32(0)):  # the ray enters through the hollow
            return (c1, CARVED + f1) if c1 < min(t1, limit) else (FAR, 0)
    return (t0, f0) if t0 > f32(0) else (FAR, 0)


@shared_kernel
def thick_superquadric(shapes, i, ox, oy, oz, dx, dy, dz):
    """Return (t of entry, length inside) after a few Newton steps from both sides, which stop short of the surface."""
    p, q = shapes.param[i, 0], shapes.param[i, 1]
    t0, _, t1, _ = box_interval(ox, oy, oz, dx, dy, dz)
    t0 = max(t0, f32(0))
    for _ in range(SHADOW_STEPS):
        if t0 >= t1:
            return f32(0), f32(0)
        value, gx, gy, gz = superquadric(ox + t0 * dx, oy + t0 * dy, oz + t0 * dz, p, q)
        if value <= f32(1.01):
            break
        slope = gx * dx + gy * dy + gz * dz
        if slope >= f32(0):
            return f32(0), f32(0)
        t0 -= (value - f32(1)) / slope
    for _ in range(SHADOW_STEPS):
        value, gx, gy, gz = superquadric(ox + t1 * dx, oy + t1 * dy, oz + t1 * dz, p, q)
        slope = gx * dx + gy * dy + gz * dz
        if value <= f32(1.01) or slope <= f32(0):
            break
        t1 -= (value - f32(1)) / slope
    return t0, max(t1 - t0, f32(0))


@shared_kernel
def chord(shapes, i, ox, oy, oz, dx, dy, dz):
    """Return (t of entry, length inside) of solid `i` along a ray from t = 0 on; the length is 0 for a miss.

    For soft shadows: height fields count only below their deepest valley, superquadrics are slightly thicker.
    """
    kind = shapes.kind[i]
    if kind == SUPERQUADRIC:
        return thick_superquadric(shapes, i, ox, oy, oz, dx, dy, dz)
    if kind == TERRAIN:
        return f32(0), f32(0)
    if kind == RELIEF:  # the box up to the valleys, as a unit box
        z = f32(1) / max(f32(1) - shapes.param[i, 0], f32(1e-3))
        t0, _, t1, _ = box_interval(ox, oy, (oz + f32(1)) * z - f32(1), dx, dy, dz * z)
    else:
        t0, _, t1, _ = cut_interval(shapes, i, ox, oy, oz, dx, dy, dz, FAR)
    t0 = max(t0, f32(0))
    if t0 >= t1:
        return f32(0), f32(0)
    inside = t1 - t0
    if shapes.carve[i, 3] > f32(0):
        c0, _, c1, _ = hollow_interval(shapes, i, ox, oy, oz, dx, dy, dz)
        inside -= max(min(c1, t1) - max(c0, t0), f32(0))
    return t0, inside


@shared_kernel
def closed_gradient(kind, x, y, z, taper):
    """Return the gradient in unit space of the curved surface of an ellipsoid or frustum, of any length."""
    if kind == ELLIPSOID:
        return x, y, z
    slope = f32(-0.5) * taper
    return x, y, -slope * (f32(1) + slope + slope * z)


@shared_kernel
def face_kind(shapes, i, face):
    """Return the kind of shape that a face belongs to: the solid's or its hollow's."""
    return shapes.hollow[i] if face >= CARVED else shapes.kind[i]


@shared_kernel
def unit_normal(shapes, i, face, x, y, z):
    """Return the outward normal in unit space at the point (x, y, z), of any length."""
    if face == CLIPPED:
        return shapes.clip[i, 0], shapes.clip[i, 1], shapes.clip[i, 2]
    if face == CURVED:
        if shapes.kind[i] < TORUS:
            return closed_gradient(shapes.kind[i], x, y, z, shapes.param[i, 0])
        return marched_gradient(shapes, i, x, y, z)
    flip = f32(1)
    if face >= CARVED:
        face -= CARVED
        flip = f32(-1)
    if face == CURVED:
        sx, sy, sz = f32(1) / shapes.carve[i, 3], f32(1) / shapes.carve[i, 4], f32(1) / shapes.carve[i, 5]
        x, y, z = (x - shapes.carve[i, 0]) * sx, (y - shapes.carve[i, 1]) * sy, (z - shapes.carve[i, 2]) * sz
        nx, ny, nz = closed_gradient(shapes.hollow[i], x, y, z, shapes.param[i, 1])
        return -nx * sx, -ny * sy, -nz * sz
    side = flip * f32(2 * (face % 2) - 1)
    if face < 2:
        return side, f32(0), f32(0)
    if face < 4:
        return f32(0), side, f32(0)
    return f32(0), f32(0), side


@shared_kernel
def normal_at(shapes, i, face, x, y, z):
    """Return the unit outward normal in world axes at the point (x, y, z) of unit space."""
    nx, ny, nz = unit_normal(shapes, i, face, x, y, z)
    m = shapes.local_from_world
    wx = m[i, 0, 0] * nx + m[i, 1, 0] * ny + m[i, 2, 0] * nz
    wy = m[i, 0, 1] * nx + m[i, 1, 1] * ny + m[i, 2, 1] * nz
    wz = m[i, 0, 2] * nx + m[i, 1, 2] * ny + m[i, 2, 2] * nz
    scale = f32(1) / (math.sqrt(wx * wx + wy * wy + wz * wz) + f32(1e-20))
    return wx * scale, wy * scale, wz * scale
