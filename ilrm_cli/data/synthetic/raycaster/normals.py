"""Surface normals of a scene at pixel centres."""

import numpy as np
import torch
from jaxtyping import Float
from numpy import float32 as f32
from torch import Tensor

from ilrm_cli.data.synthetic.raycaster.casting import BEHIND, DOME, nearest
from ilrm_cli.data.synthetic.raycaster.hits import normal_at
from ilrm_cli.data.synthetic.raycaster.scene import Scene
from ilrm_cli.data.synthetic.raycaster.tiling import TILE, project, solids_in_tile
from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.runtime.kernels import shared_kernel


@shared_kernel
def normal_pixels(shapes, surround, poses, focal, center, matrix, origin, reach, near, order, chosen, out):
    """Write the world normals of all views into out [V, 3, H, W]."""
    height, width = out.shape[2], out.shape[3]
    for view in range(out.shape[0]):
        for top in range(0, height, TILE):
            for left in range(0, width, TILE):
                count = solids_in_tile(order[view], reach[view], left, top, chosen)
                for row in range(top, min(top + TILE, height)):
                    for column in range(left, min(left + TILE, width)):
                        pose = poses[view]
                        x = (f32(column) + f32(0.5) - center[view, 0]) / focal[view, 0]
                        y = (f32(row) + f32(0.5) - center[view, 1]) / focal[view, 1]
                        t, solid, face = nearest(
                            shapes, surround, pose, matrix[view], origin[view], near[view], chosen, count, x, y
                        )
                        nx, ny, nz = f32(0), f32(0), f32(0)
                        if solid != BEHIND:
                            px = pose[0, 3] + t * (pose[0, 0] * x + pose[0, 1] * y + pose[0, 2])
                            py = pose[1, 3] + t * (pose[1, 0] * x + pose[1, 1] * y + pose[1, 2])
                            pz = pose[2, 3] + t * (pose[2, 0] * x + pose[2, 1] * y + pose[2, 2])
                            w = shapes.local_from_world[solid]
                            nx, ny, nz = normal_at(
                                shapes, solid, face,
                                w[0, 0] * px + w[0, 1] * py + w[0, 2] * pz + w[0, 3],
                                w[1, 0] * px + w[1, 1] * py + w[1, 2] * pz + w[1, 3],
                                w[2, 0] * px + w[2, 1] * py + w[2, 2] * pz + w[2, 3],
                            )  # fmt: skip
                        elif face != DOME:  # rooms face inwards
                            sign = f32(1) if face % 2 == 0 else f32(-1)
                            nx = sign if face < 2 else f32(0)
                            ny = sign if 2 <= face < 4 else f32(0)
                            nz = sign if face >= 4 else f32(0)
                        out[view, 0, row, column] = nx
                        out[view, 1, row, column] = ny
                        out[view, 2, row, column] = nz


def normals_of(scene: Scene, cameras: Cameras) -> Float[Tensor, "view 3 height width"]:
    """Return unit normals of the geometry (no bump maps) in world axes at pixel centres, 0 for the sky; on the CPU."""
    out = np.empty((len(cameras), 3, cameras.height, cameras.width), np.float32)
    chosen = np.empty(len(scene.shapes.kind), np.int64)
    normal_pixels(scene.shapes, scene.surround, *project(scene.shapes, cameras), chosen, out)
    return torch.from_numpy(out)
