"""Colour of a surface point: texture, sun with soft shadow, ambient light with a soft shadow from above, gloss, sky.

All light except the highlight is independent of the view. Colours are linear; `to_display` makes them sRGB.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy import float32 as f32

from ilrm_cli.data.synthetic.materials.textures import fetch_noise
from ilrm_cli.data.synthetic.raycaster.hits import chord
from ilrm_cli.data.synthetic.raycaster.surface import albedo, bumped
from ilrm_cli.runtime.kernels import shared_kernel

GRID = 24  # cells along a side of the map that finds the solids between a point and a light
OPEN, ROOM, VOID = range(3)  # background: ground and sky, the inside of a box, sky all around


class Surround(NamedTuple):
    """The background behind all solids, and the light (float32 arrays)."""

    kind: np.ndarray  # [1] int32: OPEN, ROOM or VOID
    box: np.ndarray  # [2, 3] lowest and highest corner of the room; the ground is at box[0, 2]
    dome: np.ndarray  # [4] centre and radius of the sky sphere
    material: np.ndarray  # [7] int32: six room faces (x-, x+, y-, y+, floor or ground, ceiling), the far silhouette
    to_sun: np.ndarray  # [3] unit
    sun: np.ndarray  # [3] linear colour
    ambient: np.ndarray  # [2, 3] linear colour from below and from above
    pool: np.ndarray  # [4] centre of a lamp's pool of light and 1 / radius^2; 0 = even light
    softness: np.ndarray  # [1] width of the penumbra per unit of distance to the occluder
    sky: np.ndarray  # [3, 3] horizon, zenith, clouds
    weather: np.ndarray  # [6] cloud cover, cloud size, silhouette height, its roughness, offset, haze per unit
    exposure: np.ndarray  # [1]


class Blockers(NamedTuple):
    """The solids that can occlude one parallel light, by cell of a map perpendicular to it."""

    to_light: np.ndarray  # [3] unit
    local: np.ndarray  # [N, 3] `to_light` in the unit space of each solid
    axes: np.ndarray  # [2, 3] unit, perpendicular to the light
    corner: np.ndarray  # [2] of the map
    per_unit: np.ndarray  # [2] cells per world unit
    span: np.ndarray  # [N, 4] lowest u and v, highest u and v of each solid on the map, in cells
    top: np.ndarray  # [N] extent of each solid towards the light
    start: np.ndarray  # [GRID * GRID + 1] int32
    solids: np.ndarray  # [entries] int32, by cell, nearest to the light first


@shared_kernel
def lit_share(shapes, blockers, px, py, pz, softness, blur, fade):
    """Return the share of a parallel light that reaches a point; each solid dims it by its chord over the penumbra.

    `fade` is 1 / distance^2 at which a solid casts half of its shadow: 0 for the sun, more for ambient light.
    """
    a, b, c = blockers.axes, blockers.corner, blockers.per_unit
    u = (a[0, 0] * px + a[0, 1] * py + a[0, 2] * pz - b[0]) * c[0]
    v = (a[1, 0] * px + a[1, 1] * py + a[1, 2] * pz - b[1]) * c[1]
    if not (f32(0) <= u < f32(GRID) and f32(0) <= v < f32(GRID)):
        return f32(1)
    cell = int(v) * GRID + int(u)
    light = blockers.to_light
    height = light[0] * px + light[1] * py + light[2] * pz
    share = f32(1)
    for k in range(blockers.start[cell], blockers.start[cell + 1]):
        i = blockers.solids[k]
        if blockers.top[i] <= height:
            break
        s = blockers.span
        if u < s[i, 0] or v < s[i, 1] or u > s[i, 2] or v > s[i, 3]:
            continue
        m = shapes.local_from_world
        ox = m[i, 0, 0] * px + m[i, 0, 1] * py + m[i, 0, 2] * pz + m[i, 0, 3]
        oy = m[i, 1, 0] * px + m[i, 1, 1] * py + m[i, 1, 2] * pz + m[i, 1, 3]
        oz = m[i, 2, 0] * px + m[i, 2, 1] * py + m[i, 2, 2] * pz + m[i, 2, 3]
        away, inside = chord(shapes, i, ox, oy, oz, blockers.local[i, 0], blockers.local[i, 1], blockers.local[i, 2])
        if inside > f32(0):
            share *= f32(1) - min(inside / (softness * away + blur), f32(1)) / (f32(1) + fade * away * away)
            if share < f32(0.01):
                return f32(0)
    return share


@shared_kernel
def gradient(surround, up):
    """Return the cloudless sky colour at `up` = sine of the elevation."""
    part = min(max(up, f32(0)), f32(1))
    part = math.sqrt(part)
    s = surround.sky
    return (
        s[0, 0] + part * (s[1, 0] - s[0, 0]),
        s[0, 1] + part * (s[1, 1] - s[0, 1]),
        s[0, 2] + part * (s[1, 2] - s[0, 2]),
    )


@shared_kernel
def sky_colour(surround, materials, texels, x, y, z, angle):
    """Return the colour of the dome in direction (x, y, z) from its centre; `angle` is the pixel's, in radians."""
    weather = surround.weather
    turn = math.atan2(y, x)
    m = surround.material[6]
    around = turn * f32(1 / (2 * math.pi))
    lod = f32(2)
    rough = fetch_noise(texels, materials.tile[m, 1], around * f32(2) + weather[4], weather[4], lod)
    smooth = fetch_noise(texels, materials.tile[m, 0], around + weather[4], f32(0.3), lod + f32(2))
    ridge = weather[2] * (f32(0.2) + f32(1.6) * smooth + weather[3] * (rough - f32(0.5)))
    if z < ridge or surround.kind[0] == VOID:
        r, g, b = albedo(materials, texels, m, turn, z * f32(1.5), angle)
        shade = f32(0.75)
        if surround.kind[0] == OPEN:  # aerial perspective
            s = surround.sky
            r = f32(0.55) * shade * r + f32(0.45) * s[0, 0]
            g = f32(0.55) * shade * g + f32(0.45) * s[0, 1]
            b = f32(0.55) * shade * b + f32(0.45) * s[0, 2]
        return r, g, b
    r, g, b = gradient(surround, z)
    if weather[0] > f32(0):
        scale = weather[1] / (z + f32(0.15))
        lod = math.log2(max(angle * scale / (z + f32(0.15)), f32(1e-6))) + f32(8)
        cover = fetch_noise(texels, materials.tile[m, 1], x * scale, y * scale, lod)
        part = min(max((cover - f32(1) + weather[0]) * f32(3), f32(0)), f32(1)) * min(z * f32(6), f32(1))
        s = surround.sky
        r, g, b = r + part * (s[2, 0] - r), g + part * (s[2, 1] - g), b + part * (s[2, 2] - b)
    return r, g, b


@shared_kernel
def corner_shade(surround, px, py, pz):
    """Return the share of ambient light left near the corners of a room, 1 in the middle."""
    share = f32(1)
    box = surround.box
    near = min(min(px - box[0, 0], box[1, 0] - px), min(py - box[0, 1], box[1, 1] - py))
    second = min(pz - box[0, 2], box[1, 2] - pz)
    share -= f32(0.3) / (f32(1) + f32(16) * near * near)
    share -= f32(0.3) / (f32(1) + f32(16) * second * second)
    return share


@shared_kernel
def lit_colour(shapes, materials, surround, sun, above, texels, m, u, v, p, n, to_eye, footprint):
    """Return the linear colour of material `m` at world point `p` with normal `n` (towards the eye)."""
    px, py, pz = p
    nx, ny, nz = n
    r, g, b = albedo(materials, texels, m, u, v, footprint)
    if materials.glow[m] > f32(0):
        w = materials.glow[m]
        return r * w, g * w, b * w
    bias = f32(1e-3) + f32(0.2) * footprint
    qx, qy, qz = px + bias * nx, py + bias * ny, pz + bias * nz
    if materials.bump[m] > f32(0):
        nx, ny, nz = bumped(materials, texels, m, u, v, footprint, nx, ny, nz)
    light = sun.to_light
    facing = nx * light[0] + ny * light[1] + nz * light[2]
    direct = f32(0)
    if facing > f32(0):
        direct = facing * lit_share(shapes, sun, qx, qy, qz, surround.softness[0], footprint, f32(0))
    if surround.pool[3] > f32(0):
        dx, dy, dz = px - surround.pool[0], py - surround.pool[1], pz - surround.pool[2]
        direct /= f32(1) + surround.pool[3] * (dx * dx + dy * dy + dz * dz)
    overhead = f32(0.35) + f32(0.65) * lit_share(shapes, above, qx, qy, qz, f32(0.8), footprint + f32(0.02), f32(6))
    if surround.kind[0] == ROOM:
        overhead *= corner_shade(surround, px, py, pz)
    up = f32(0.5) + f32(0.5) * nz
    s, a = surround.sun, surround.ambient
    r *= direct * s[0] + overhead * (a[0, 0] + up * (a[1, 0] - a[0, 0]))
    g *= direct * s[1] + overhead * (a[0, 1] + up * (a[1, 1] - a[0, 1]))
    b *= direct * s[2] + overhead * (a[0, 2] + up * (a[1, 2] - a[0, 2]))
    strength = materials.gloss[m, 0]
    if strength > f32(0):
        ex, ey, ez = to_eye
        hx, hy, hz = ex + light[0], ey + light[1], ez + light[2]
        half = (nx * hx + ny * hy + nz * hz) / max(math.sqrt(hx * hx + hy * hy + hz * hz), f32(1e-6))
        shine = direct * strength * max(half, f32(0)) ** materials.gloss[m, 1]
        side = f32(1) - min(max(nx * ex + ny * ey + nz * ez, f32(0)), f32(1))
        mirror = overhead * strength * (f32(0.04) + f32(0.5) * side * side * side * side)
        sr, sg, sb = gradient(surround, f32(2) * nz * (f32(1) - side) - ez)
        r += shine * s[0] + mirror * sr
        g += shine * s[1] + mirror * sg
        b += shine * s[2] + mirror * sb
    return r, g, b


@shared_kernel
def to_display(value):
    """Convert linear to sRGB by roots (error below 0.003), with a camera's contrast and highlights rolled off to 1."""
    value = max(value, f32(0))
    value *= f32(1.535) * math.sqrt(math.sqrt(value))  # v^1.25, keeps middle grey 0.18
    if value > f32(0.7):
        value = f32(1) - f32(0.09) / (value - f32(0.4))
    root = math.sqrt(value)
    fourth = math.sqrt(root)
    shown = f32(0.585122381) * root + f32(0.783140355) * fourth - f32(0.368262736) * math.sqrt(fourth)
    return min(max(shown, f32(0)), f32(1))
