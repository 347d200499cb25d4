"""Appearance of a surface before lighting: texture coordinates, albedo, bumps."""

import math

from numpy import float32 as f32

from ilrm_cli.data.synthetic.materials.textures import fetch, fetch_noise
from ilrm_cli.data.synthetic.raycaster.solids import CARVED, CLIPPED, CURVED, ELLIPSOID, FRUSTUM, RELIEF, TORUS
from ilrm_cli.runtime.kernels import shared_kernel

BUMP_SLOPE = f32(8)  # slope of a bump of strength 1 per difference of noise between texels


@shared_kernel
def surface_uv(kind, face, x, y, z, nx, ny, nz, hx, hy, hz):
    """Return texture coordinates in world units of a point in unit space; (nx, ny, nz) is its normal in unit space."""
    if face >= CARVED:
        face -= CARVED
    if face == CURVED and kind in (ELLIPSOID, FRUSTUM):
        around = math.atan2(y, x) * f32(0.5) * (hx + hy)
        return around, (math.asin(min(max(z, f32(-1)), f32(1))) * hz if kind == ELLIPSOID else z * hz)
    if face == CURVED and kind == TORUS:
        ring = math.sqrt(x * x + y * y)
        return math.atan2(y, x) * hx * f32(0.7), math.atan2(z, ring - f32(0.7)) * hx * f32(0.3)
    axis = face // 2
    if face == CURVED and kind >= RELIEF:
        axis = 2
    elif face in (CURVED, CLIPPED):
        ax, ay, az = abs(nx), abs(ny), abs(nz)
        axis = 0 if ax >= ay and ax >= az else (1 if ay >= az else 2)
    if axis == 0:
        return y * hy, z * hz
    if axis == 1:
        return x * hx, z * hz
    return x * hx, y * hy


@shared_kernel
def albedo(materials, texels, m, u, v, footprint):
    """Return the linear colour of material `m` at (u, v), averaged over `footprint` world units."""
    uv = materials.uv
    size = math.log2(max(footprint, f32(1e-6))) + f32(8)  # 2^8 texels per period
    c, s, u0, v0 = uv[m, 0, 0], uv[m, 0, 1], uv[m, 0, 2], uv[m, 0, 3]
    lod = size + materials.log_frequency[m, 0]
    r, g, b = fetch(texels, materials.tile[m, 0], c * u - s * v + u0, s * u + c * v + v0, lod)
    c, s, u0, v0 = uv[m, 1, 0], uv[m, 1, 1], uv[m, 1, 2], uv[m, 1, 3]
    lod = size + materials.log_frequency[m, 1]
    fine = fetch_noise(texels, materials.tile[m, 1], c * u - s * v + u0, s * u + c * v + v0, lod)
    gain = f32(1) + materials.detail[m] * f32(2) * (fine - f32(0.5))
    base, mix = materials.base, materials.mix
    red = (base[m, 0] + mix[m, 0, 0] * r + mix[m, 0, 1] * g + mix[m, 0, 2] * b) * gain
    green = (base[m, 1] + mix[m, 1, 0] * r + mix[m, 1, 1] * g + mix[m, 1, 2] * b) * gain
    blue = (base[m, 2] + mix[m, 2, 0] * r + mix[m, 2, 1] * g + mix[m, 2, 2] * b) * gain
    low, high = f32(0.008), f32(0.92)
    return min(max(red, low), high), min(max(green, low), high), min(max(blue, low), high)


@shared_kernel
def bumped(materials, texels, m, u, v, footprint, nx, ny, nz):
    """Tilt the normal by the slope of the material's fine noise (Blinn 1978), along an arbitrary pair of tangents."""
    uv = materials.uv
    c, s = uv[m, 1, 0], uv[m, 1, 1]
    x, y = c * u - s * v + uv[m, 1, 2], s * u + c * v + uv[m, 1, 3]
    lod = max(math.log2(max(footprint, f32(1e-6))) + f32(8) + materials.log_frequency[m, 1], f32(0))
    step = f32(2) ** (lod - f32(8))
    here = fetch_noise(texels, materials.tile[m, 1], x, y, lod)
    slope = BUMP_SLOPE * materials.bump[m] / (f32(256) * step)
    a = slope * (fetch_noise(texels, materials.tile[m, 1], x + step, y, lod) - here)
    b = slope * (fetch_noise(texels, materials.tile[m, 1], x, y + step, lod) - here)
    if abs(nz) < f32(0.7):  # tangents n x z and n x (n x z), or with x in place of z
        a, b = a / math.sqrt(nx * nx + ny * ny), b / math.sqrt(nx * nx + ny * ny)
        tx, ty, tz = ny, -nx, f32(0)
    else:
        a, b = a / math.sqrt(ny * ny + nz * nz), b / math.sqrt(ny * ny + nz * nz)
        tx, ty, tz = f32(0), nz, -ny
    bx, by, bz = ny * tz - nz * ty, nz * tx - nx * tz, nx * ty - ny * tx
    nx, ny, nz = nx - a * tx - b * bx, ny - a * ty - b * by, nz - a * tz - b * bz
    shorter = f32(1) / math.sqrt(nx * nx + ny * ny + nz * nz)
    return nx * shorter, ny * shorter, nz * shorter
