"""Shapes intersected by marching along the ray: tori, rounded boxes, superquadrics, height fields.

Every step is safe: it never passes the first surface. Everything is in unit space unless stated otherwise.
"""

import math

from numpy import float32 as f32

from ilrm_cli.data.synthetic.materials.reliefs import RELIEF_SIDE, relief_at
from ilrm_cli.data.synthetic.raycaster.solids import FAR, RELIEF, ROUNDED, SUPERQUADRIC, TERRAIN, TORUS
from ilrm_cli.runtime.kernels import shared_kernel

MARCH_STEPS = 40  # sphere tracing of tori and rounded boxes: enough for grazing rays at 1e-4 of their size
NEWTON_STEPS = 24  # rays tangent to a superquadric converge by halves, all others within 8
RELIEF_STEPS = 128  # height fields: at most two periods of grazing steps, plenty elsewhere
REFINE_STEPS = 8  # to the crossing between two steps
RIM_SLOPE = f32(3.08)  # largest slope of 2 (1 - r^2)^2, the falloff of terrain to its rim
TOUCH = f32(1e-4)  # distance that counts as a hit, in units of the solid


@shared_kernel
def torus_distance(x, y, z, tube):
    """Return the signed distance to a ring of radius 1 - tube around z."""
    ring = math.sqrt(x * x + y * y) - (f32(1) - tube)
    return math.sqrt(ring * ring + z * z) - tube


@shared_kernel
def rounded_distance(x, y, z, hx, hy, hz, edge):
    """Return the signed distance to a box with rounded edges, in world units."""
    qx, qy, qz = abs(x) - hx + edge, abs(y) - hy + edge, abs(z) - hz + edge
    mx, my, mz = max(qx, f32(0)), max(qy, f32(0)), max(qz, f32(0))
    return math.sqrt(mx * mx + my * my + mz * mz) + min(max(qx, max(qy, qz)), f32(0)) - edge


@shared_kernel
def sphere_traced(shapes, i, ox, oy, oz, dx, dy, dz, t, end):
    """Return the first t before `end` on a torus or rounded box, by sphere tracing (Hart 1996)."""
    rounded = shapes.kind[i] == ROUNDED
    hx, hy, hz = f32(1), f32(1), f32(1)
    if rounded:
        hx, hy, hz = shapes.half[i, 0], shapes.half[i, 1], shapes.half[i, 2]
        ox, oy, oz, dx, dy, dz = ox * hx, oy * hy, oz * hz, dx * hx, dy * hy, dz * hz
    pace = f32(1) / math.sqrt(dx * dx + dy * dy + dz * dz)
    tiny = TOUCH * max(hx, max(hy, hz))
    param = shapes.param[i, 0]
    for _ in range(MARCH_STEPS):
        x, y, z = ox + t * dx, oy + t * dy, oz + t * dz
        gap = rounded_distance(x, y, z, hx, hy, hz, param) if rounded else torus_distance(x, y, z, param)
        if gap < tiny:
            return t
        t += gap * pace
        if t > end:
            break
    return FAR


@shared_kernel
def superquadric(x, y, z, p, q):
    """Return G = ((|x|^q + |y|^q)^(p/q) + |z|^p)^(1/p) (Barr 1981) and its gradient; the solid is G <= 1.

    G is a norm for p, q >= 1: it is convex, and where G = 1 its gradient has the length of a surface normal.
    """
    ax, ay, az = max(abs(x), f32(1e-7)), max(abs(y), f32(1e-7)), max(abs(z), f32(1e-7))
    a, b, c = ax**q, ay**q, az**p
    flat = a + b
    disc = flat ** (p / q)
    whole = disc + c
    value = whole ** (f32(1) / p)
    scale = value / whole
    across = scale * disc / flat
    return (
        value,
        math.copysign(across * a / ax, x),
        math.copysign(across * b / ay, y),
        math.copysign(scale * c / az, z),
    )


@shared_kernel
def superquadric_root(ox, oy, oz, dx, dy, dz, p, q, t, end):
    """Return the first root of G = 1 in [t, end], or FAR if there is none.

    Newton's method on a convex function from outside approaches the root from one side and cannot step over it.
    """
    for _ in range(NEWTON_STEPS):
        value, gx, gy, gz = superquadric(ox + t * dx, oy + t * dy, oz + t * dz, p, q)
        if value < f32(1) + TOUCH:
            return t
        slope = gx * dx + gy * dy + gz * dz
        if slope >= f32(0):
            return FAR
        t -= (value - f32(1)) / slope
        if t > end:
            return FAR
    return FAR


@shared_kernel
def relief_top(shapes, i, x, y):
    """Return the height of the upper surface of a height field at (x, y), and its slopes along x and y."""
    share, across, along, tile = shapes.param[i, 0], shapes.param[i, 1], shapes.param[i, 2], int(shapes.param[i, 3])
    h, hx, hy = relief_at(shapes.relief, tile, f32(0.5) * across * x, f32(0.5) * along * y)
    hx, hy = f32(0.5) * across * hx, f32(0.5) * along * hy
    if shapes.kind[i] == RELIEF:
        return f32(1) - f32(2) * share * (f32(1) - h), f32(2) * share * hx, f32(2) * share * hy
    square = x * x + y * y
    if square >= f32(1):
        return f32(-1.001), f32(0), f32(0)  # nothing outside the rim
    low, body = f32(1) - square, f32(1) - share * (f32(1) - h)
    rim, fall = low * low, f32(-8) * low * body
    return (
        f32(-1) + f32(2) * rim * body,
        fall * x + f32(2) * rim * share * hx,
        fall * y + f32(2) * rim * share * hy,
    )


@shared_kernel
def relief_traced(shapes, i, ox, oy, oz, dx, dy, dz, t, end):
    """Return the first t before `end` that is below the upper surface of a height field.

    Steps are safe for the largest possible slope, but never shorter than a cell of the tile, in which the surface
    hardly bends; if a step ends below the surface, regula falsi (Illinois) finds the crossing.
    """
    share, across, along, tile = shapes.param[i, 0], shapes.param[i, 1], shapes.param[i, 2], int(shapes.param[i, 3])
    lateral = math.sqrt(across * across * dx * dx + along * along * dy * dy) + f32(1e-9)
    steep = share * shapes.steepness[tile] * lateral
    if shapes.kind[i] == TERRAIN:
        steep += RIM_SLOPE * math.sqrt(dx * dx + dy * dy)
    closing = max(f32(1e-9), steep - dz)  # the fastest rate at which the gap can shrink
    least = f32(2 / RELIEF_SIDE) / lateral
    start, before, gap_before, gap = t, t, f32(0), f32(0)
    for _ in range(RELIEF_STEPS):
        top, _, _ = relief_top(shapes, i, ox + t * dx, oy + t * dy)
        gap = oz + t * dz - top
        if gap < f32(0):
            break
        if t >= end:
            return FAR
        before, gap_before = t, gap
        t = min(t + max(gap / closing, least), end)
    if t == start or gap >= f32(0):
        return t if gap < f32(0) else FAR
    for _ in range(REFINE_STEPS):
        middle = before + (t - before) * gap_before / (gap_before - gap)
        top, _, _ = relief_top(shapes, i, ox + middle * dx, oy + middle * dy)
        now = oz + middle * dz - top
        if abs(now) < TOUCH * f32(0.1):
            return middle
        if now > f32(0):
            before, gap_before, gap = middle, now, f32(0.5) * gap
        else:
            t, gap, gap_before = middle, now, f32(0.5) * gap_before
    return t


@shared_kernel
def marched(shapes, i, ox, oy, oz, dx, dy, dz, t, end):
    """Return the first t in [t, end] inside solid `i`, for a ray within its bounding box there; else FAR."""
    kind = shapes.kind[i]
    if kind == SUPERQUADRIC:
        return superquadric_root(ox, oy, oz, dx, dy, dz, shapes.param[i, 0], shapes.param[i, 1], t, end)
    if kind >= RELIEF:
        return relief_traced(shapes, i, ox, oy, oz, dx, dy, dz, t, end)
    return sphere_traced(shapes, i, ox, oy, oz, dx, dy, dz, t, end)


@shared_kernel
def marched_gradient(shapes, i, x, y, z):
    """Return the gradient in unit space of the marched surface through (x, y, z), of any length."""
    kind, param = shapes.kind[i], shapes.param[i, 0]
    if kind == TORUS:
        keep = f32(1) - (f32(1) - param) / max(math.sqrt(x * x + y * y), f32(1e-9))
        return x * keep, y * keep, z
    if kind == SUPERQUADRIC:
        _, gx, gy, gz = superquadric(x, y, z, param, shapes.param[i, 1])
        return gx, gy, gz
    if kind >= RELIEF:
        _, hx, hy = relief_top(shapes, i, x, y)
        return -hx, -hy, f32(1)
    hx, hy, hz = shapes.half[i, 0], shapes.half[i, 1], shapes.half[i, 2]
    nx = math.copysign(max(abs(x) * hx - hx + param, f32(0)), x)
    ny = math.copysign(max(abs(y) * hy - hy + param, f32(0)), y)
    nz = math.copysign(max(abs(z) * hz - hz + param, f32(0)), z)
    return nx * hx, ny * hy, nz * hz  # the gradient in world units, pulled back to unit space
