"""The solids visible in each tile of a picture, and the jitter of rays within a pixel."""

from typing import NamedTuple

import numpy as np
from numpy import float32 as f32

from ilrm_cli.data.synthetic.raycaster.solids import FAR, Shapes
from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.runtime.kernels import shared_kernel

TILE = 8  # px; the rays of a tile share a list of candidate solids
NEAR = f32(1e-3)  # corners nearer to the image plane have no bounded projection


class Projected(NamedTuple):
    """V cameras and the projections of N solids into them (float32 unless stated otherwise)."""

    pose: np.ndarray  # [V, 3, 4] world from camera
    focal: np.ndarray  # [V, 2] px
    center: np.ndarray  # [V, 2] px
    matrix: np.ndarray  # [V, N, 3, 3] rays in camera axes to the unit space of each solid
    origin: np.ndarray  # [V, N, 3] the camera in that unit space
    reach: np.ndarray  # [V, N, 4] pixel rectangle: left, top, right, bottom
    near: np.ndarray  # [V, N] nearest depth
    order: np.ndarray  # [V, N] int64: solids by nearest depth


@shared_kernel
def in_camera(corners, i, k, pose):
    """Return corner k of the bounding box of solid i in camera axes."""
    dx, dy, dz = corners[i, k, 0] - pose[0, 3], corners[i, k, 1] - pose[1, 3], corners[i, k, 2] - pose[2, 3]
    return (
        pose[0, 0] * dx + pose[1, 0] * dy + pose[2, 0] * dz,
        pose[0, 1] * dx + pose[1, 1] * dy + pose[2, 1] * dz,
        pose[0, 2] * dx + pose[1, 2] * dy + pose[2, 2] * dz,
    )


@shared_kernel
def clipped_rectangle(shapes, i, pose, focal, center):
    """Return the pixel rectangle of the part of a bounding box in front of the plane z = NEAR, which cuts the box."""
    x0, y0, x1, y1 = FAR, FAR, -FAR, -FAR
    for k in range(8):
        ax, ay, az = in_camera(shapes.corners, i, k, pose)
        for edge in range(4):  # the corner itself, then the intersections of the edges along each axis with the plane
            x, y, z = ax, ay, az
            if edge > 0:
                other = k ^ (1 << (edge - 1))
                bx, by, bz = in_camera(shapes.corners, i, other, pose)
                if other < k or (az < NEAR) == (bz < NEAR):
                    continue
                s = (NEAR - az) / (bz - az)
                x, y, z = ax + s * (bx - ax), ay + s * (by - ay), NEAR
            elif az < NEAR:
                continue
            x, y = x / z * focal[0] + center[0], y / z * focal[1] + center[1]
            x0, y0, x1, y1 = min(x0, x), min(y0, y), max(x1, x), max(y1, y)
    return x0 - f32(1), y0 - f32(1), x1 + f32(1), y1 + f32(1)


@shared_kernel
def project_solids(shapes, pose, focal, center, matrix, origin, reach, near):
    """Fill, for one camera, each solid's ray transform (matrix, origin), pixel rectangle (reach) and nearest depth."""
    for i in range(shapes.kind.shape[0]):
        m = shapes.local_from_world[i]
        for r in range(3):
            for c in range(3):
                matrix[i, r, c] = m[r, 0] * pose[0, c] + m[r, 1] * pose[1, c] + m[r, 2] * pose[2, c]
            origin[i, r] = m[r, 0] * pose[0, 3] + m[r, 1] * pose[1, 3] + m[r, 2] * pose[2, 3] + m[r, 3]
        near[i], x0, y0, x1, y1 = FAR, FAR, FAR, -FAR, -FAR
        furthest = -FAR
        for k in range(8):
            dx = shapes.corners[i, k, 0] - pose[0, 3]
            dy = shapes.corners[i, k, 1] - pose[1, 3]
            dz = shapes.corners[i, k, 2] - pose[2, 3]
            z = pose[0, 2] * dx + pose[1, 2] * dy + pose[2, 2] * dz
            inverse = f32(1) / max(z, NEAR)
            x = (pose[0, 0] * dx + pose[1, 0] * dy + pose[2, 0] * dz) * inverse * focal[0] + center[0]
            y = (pose[0, 1] * dx + pose[1, 1] * dy + pose[2, 1] * dz) * inverse * focal[1] + center[1]
            x0, y0, x1, y1 = min(x0, x), min(y0, y), max(x1, x), max(y1, y)
            near[i], furthest = min(near[i], z), max(furthest, z)
        if furthest < NEAR:
            x0, x1 = FAR, -FAR
        elif near[i] < NEAR:
            x0, y0, x1, y1 = clipped_rectangle(shapes, i, pose, focal, center)
        reach[i, 0], reach[i, 1], reach[i, 2], reach[i, 3] = x0, y0, x1, y1


@shared_kernel
def project_views(shapes, pose, focal, center, matrix, origin, reach, near):
    for view in range(pose.shape[0]):
        project_solids(
            shapes, pose[view], focal[view], center[view], matrix[view], origin[view], reach[view], near[view]
        )


def project(shapes: Shapes, cameras: Cameras) -> Projected:
    """Project the solids into the pictures of the cameras."""
    views, solids = len(cameras), len(shapes.kind)
    camera = (
        np.ascontiguousarray(cameras.world_from_cam[:, :3].numpy(), np.float32),
        np.ascontiguousarray(cameras.focal_px.numpy(), np.float32),
        np.ascontiguousarray(cameras.center_px.numpy(), np.float32),
    )
    matrix, origin = np.empty((views, solids, 3, 3), np.float32), np.empty((views, solids, 3), np.float32)
    reach, near = np.empty((views, solids, 4), np.float32), np.empty((views, solids), np.float32)
    project_views(shapes, *camera, matrix, origin, reach, near)
    return Projected(*camera, matrix, origin, reach, near, np.argsort(near, axis=1, kind="stable"))


@shared_kernel
def touches_tile(reach, i, left, top):
    """Return whether the pixel rectangle of solid `i` touches a tile."""
    right, bottom = f32(left + TILE), f32(top + TILE)
    return reach[i, 0] <= right and reach[i, 2] >= f32(left) and reach[i, 1] <= bottom and reach[i, 3] >= f32(top)


@shared_kernel
def solids_in_tile(order, reach, left, top, chosen):
    """Fill `chosen` with the solids whose rectangle touches a tile, nearest first; return their number."""
    count = 0
    for i in order:
        if touches_tile(reach, i, left, top):
            chosen[count] = i
            count += 1
    return count


@shared_kernel
def hash01(a, b, c):
    """Hash three integers to a number in [0, 1) (xxHash's finaliser)."""
    mask = np.uint64(0xFFFFFFFF)
    h = (np.uint64(a) * np.uint64(2654435761) ^ np.uint64(b) * np.uint64(2246822519) ^ np.uint64(c + 1)) & mask
    h = ((h ^ (h >> np.uint64(15))) * np.uint64(2246822519)) & mask
    h = ((h ^ (h >> np.uint64(13))) * np.uint64(3266489917)) & mask
    h = h ^ (h >> np.uint64(16))
    return f32(h >> np.uint64(8)) * f32(1 / (1 << 24))
