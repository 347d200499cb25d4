"""Kernels that trace the rays of a pixel, shared by CPU and CUDA.

A ray through each pixel centre finds the surface, its depth and its colour (textures and shadows are filtered over the
pixel); further jittered rays per pixel only find which surfaces share the pixel, and a colour is computed for each new
one. The jitter is a hash of pixel and sample, so images do not depend on the device or the order of rays.
"""

import math

from numpy import float32 as f32

from ilrm_cli.data.synthetic.raycaster.hits import face_kind, first_hit, normal_at
from ilrm_cli.data.synthetic.raycaster.shading import OPEN, ROOM, lit_colour, sky_colour, to_display
from ilrm_cli.data.synthetic.raycaster.solids import FAR, box_interval
from ilrm_cli.data.synthetic.raycaster.surface import surface_uv
from ilrm_cli.data.synthetic.raycaster.tiling import hash01
from ilrm_cli.runtime.kernels import shared_kernel

BEHIND, NOTHING = -1, -2  # "solid" numbers: ground, room and sky; no ray cast yet
DOME = 9  # face number of the sky


@shared_kernel
def behind(surround, ox, oy, oz, dx, dy, dz):
    """Return (t, face) where a world ray hits the ground, room or sky."""
    box = surround.box
    if surround.kind[0] == ROOM:
        sx, sy, sz = (
            f32(2) / (box[1, 0] - box[0, 0]),
            f32(2) / (box[1, 1] - box[0, 1]),
            f32(2) / (box[1, 2] - box[0, 2]),
        )
        _, _, t, face = box_interval(
            (ox - box[0, 0]) * sx - f32(1), (oy - box[0, 1]) * sy - f32(1), (oz - box[0, 2]) * sz - f32(1),
            dx * sx, dy * sy, dz * sz,
        )  # fmt: skip
        return max(t, f32(0)), face
    dome = surround.dome
    cx, cy, cz = ox - dome[0], oy - dome[1], oz - dome[2]
    a = dx * dx + dy * dy + dz * dz
    b = cx * dx + cy * dy + cz * dz
    c = cx * cx + cy * cy + cz * cz - dome[3] * dome[3]
    t = (math.sqrt(max(b * b - a * c, f32(0))) - b) / a
    if surround.kind[0] == OPEN and dz < f32(0):
        ground = (box[0, 2] - oz) / dz
        if f32(0) < ground < t:
            return ground, 4
    return t, DOME


@shared_kernel
def nearest(shapes, surround, pose, matrix, origin, near, chosen, count, x, y):
    """Return (z-depth, solid, face) of the first surface hit by the ray through (x, y, 1) in camera axes."""
    best, face = behind(
        surround, pose[0, 3], pose[1, 3], pose[2, 3],
        pose[0, 0] * x + pose[0, 1] * y + pose[0, 2],
        pose[1, 0] * x + pose[1, 1] * y + pose[1, 2],
        pose[2, 0] * x + pose[2, 1] * y + pose[2, 2],
    )  # fmt: skip
    solid = BEHIND
    for k in range(count):
        i = chosen[k]
        if near[i] >= best:
            break
        m = matrix[i]
        t, f = first_hit(
            shapes, i, origin[i, 0], origin[i, 1], origin[i, 2],
            m[0, 0] * x + m[0, 1] * y + m[0, 2],
            m[1, 0] * x + m[1, 1] * y + m[1, 2],
            m[2, 0] * x + m[2, 1] * y + m[2, 2],
            best,
        )  # fmt: skip
        if t < best:
            best, solid, face = t, i, f
    return best, solid, face


@shared_kernel
def colour_of(shapes, materials, surround, sun, above, texels, pose, pixel_angle, t, solid, face, x, y):
    """Return the linear colour of the surface hit at depth t by the ray through (x, y, 1)."""
    dx = pose[0, 0] * x + pose[0, 1] * y + pose[0, 2]
    dy = pose[1, 0] * x + pose[1, 1] * y + pose[1, 2]
    dz = pose[2, 0] * x + pose[2, 1] * y + pose[2, 2]
    px, py, pz = pose[0, 3] + t * dx, pose[1, 3] + t * dy, pose[2, 3] + t * dz
    if face == DOME and solid == BEHIND:
        dome = surround.dome
        s = f32(1) / dome[3]
        return sky_colour(
            surround, materials, texels, (px - dome[0]) * s, (py - dome[1]) * s, (pz - dome[2]) * s, pixel_angle
        )
    length = math.sqrt(x * x + y * y + f32(1))
    ex, ey, ez = -dx / length, -dy / length, -dz / length
    if solid == BEHIND:
        m = surround.material[face]
        sign = f32(1) if face % 2 == 0 else f32(-1)  # room faces point inwards
        nx = sign if face < 2 else f32(0)
        ny = sign if 2 <= face < 4 else f32(0)
        nz = sign if face >= 4 else f32(0)
        u, v = (py, pz) if face < 2 else ((px, pz) if face < 4 else (px, py))
    else:
        m = shapes.material[solid]
        w = shapes.local_from_world[solid]
        lx = w[0, 0] * px + w[0, 1] * py + w[0, 2] * pz + w[0, 3]
        ly = w[1, 0] * px + w[1, 1] * py + w[1, 2] * pz + w[1, 3]
        lz = w[2, 0] * px + w[2, 1] * py + w[2, 2] * pz + w[2, 3]
        nx, ny, nz = normal_at(shapes, solid, face, lx, ly, lz)
        h = shapes.half
        hx, hy, hz = h[solid, 0], h[solid, 1], h[solid, 2]
        u, v = surface_uv(
            face_kind(shapes, solid, face), face, lx, ly, lz,
            (w[0, 0] * nx + w[0, 1] * ny + w[0, 2] * nz) * hx,
            (w[1, 0] * nx + w[1, 1] * ny + w[1, 2] * nz) * hy,
            (w[2, 0] * nx + w[2, 1] * ny + w[2, 2] * nz) * hz,
            hx, hy, hz,
        )  # fmt: skip
    slant = min(max(nx * ex + ny * ey + nz * ez, f32(0.05)), f32(1))
    footprint = pixel_angle * t / math.sqrt(slant)
    r, g, b = lit_colour(
        shapes, materials, surround, sun, above, texels, m, u, v, (px, py, pz), (nx, ny, nz), (ex, ey, ez), footprint
    )
    haze = surround.weather[5]
    if haze > f32(0):
        part = f32(1) - math.exp(-haze * t * length)
        s = surround.sky
        r, g, b = r + part * (s[0, 0] - r), g + part * (s[0, 1] - g), b + part * (s[0, 2] - b)
    return r, g, b


@shared_kernel
def cast_pixel(
    shapes, materials, surround, sun, above, texels, pose, focal, center, matrix, origin, near, chosen, count,
    column, row, samples,
):  # fmt: skip
    """Return (z-depth at the centre, display red, green, blue) of a pixel; the colour is 0 if samples = 0.

    `matrix` to `near` come from `project_solids`; chosen[:count] are the solids that the pixel may see, nearest first.
    """
    angle = f32(1) / focal[0]
    side = 1  # jitter cells across and down a pixel
    while side * side < samples:
        side += 1
    rows = (samples + side - 1) // side
    depth, solid, face = FAR, NOTHING, 0
    r, g, b = f32(0), f32(0), f32(0)
    red, green, blue = r, g, b
    across, down = 0, 0
    for s in range(-1, samples if samples > 1 else 0):  # a single call site, as it is inlined: faster compilation
        jx, jy = f32(0.5), f32(0.5)
        if s >= 0:
            jx = (f32(across) + hash01(column, row, 2 * s)) / f32(side)
            jy = (f32(down) + hash01(column, row, 2 * s + 1)) / f32(rows)
            across += 1
            if across == side:
                across, down = 0, down + 1
        x = (f32(column) + jx - center[0]) / focal[0]
        y = (f32(row) + jy - center[1]) / focal[1]
        t, other, side_of = nearest(shapes, surround, pose, matrix, origin, near, chosen, count, x, y)
        if s < 0:
            depth = t
            if samples == 0:
                return depth, red, green, blue
        if other != solid or side_of != face:
            solid, face = other, side_of
            r, g, b = colour_of(shapes, materials, surround, sun, above, texels, pose, angle, t, solid, face, x, y)
        if s >= 0 or samples == 1:
            red, green, blue = red + r, green + g, blue + b
    red, green, blue = red / f32(samples), green / f32(samples), blue / f32(samples)
    gain = surround.exposure[0]
    return depth, to_display(red * gain), to_display(green * gain), to_display(blue * gain)
