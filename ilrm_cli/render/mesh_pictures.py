"""Pictures of meshes: depth and colour in cameras, by a depth buffer, and triangles laid out flat."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.meshes import Mesh
from ilrm_cli.runtime.kernels import in_parallel, kernel

ROW_SHARE = 32  # rows of the picture per work item of a thread
ZERO, HALF, ONE = np.float32(0), np.float32(0.5), np.float32(1)


@dataclass(frozen=True)
class MeshPicture:
    """What one camera sees of a mesh, from both sides of its triangles."""

    depth: Float[Tensor, "height width"]  # z in world units; infinite where there is no triangle
    color: Float[Tensor, "3 height width"]  # in [0, 1]; 1 where there is no triangle


@kernel
def fill_triangles(start, stop, pixels, ahead, colors, triangles, near, depth, color):
    """Draw all triangles into rows start:stop; those with a corner nearer than `near` are left out."""
    width = depth.shape[1]
    for t in range(triangles.shape[0]):
        i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        if min(min(ahead[i], ahead[j]), ahead[k]) < near:
            continue
        ax, ay, bx, by, cx, cy = pixels[i, 0], pixels[i, 1], pixels[j, 0], pixels[j, 1], pixels[k, 0], pixels[k, 1]
        top = max(start, int(np.floor(min(min(ay, by), cy) - HALF)))
        bottom = min(stop - 1, int(np.floor(max(max(ay, by), cy) + HALF)))
        left = max(0, int(np.floor(min(min(ax, bx), cx) - HALF)))
        right = min(width - 1, int(np.floor(max(max(ax, bx), cx) + HALF)))
        if top > bottom or left > right:
            continue
        area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
        if area == ZERO:
            continue
        over_a, over_b, over_c = ONE / ahead[i], ONE / ahead[j], ONE / ahead[k]
        for row in range(top, bottom + 1):
            y = np.float32(row) + HALF
            for column in range(left, right + 1):
                x = np.float32(column) + HALF
                u = ((bx - x) * (cy - y) - (cx - x) * (by - y)) / area
                v = ((cx - x) * (ay - y) - (ax - x) * (cy - y)) / area
                w = ONE - u - v
                if u < ZERO or v < ZERO or w < ZERO:
                    continue
                z = ONE / (u * over_a + v * over_b + w * over_c)  # 1/z is linear in the picture
                if z < depth[row, column]:
                    depth[row, column] = z
                    for channel in range(3):
                        color[channel, row, column] = z * (
                            u * over_a * colors[i, channel] + v * over_b * colors[j, channel]
                            + w * over_c * colors[k, channel]
                        )  # fmt: skip


def mesh_picture(mesh: Mesh, camera: Cameras, near: float) -> MeshPicture:
    """Draw a mesh in one camera, on the CPU; `near` in world units."""
    assert len(camera) == 1, "one camera at a time"
    seen = camera.to("cpu").to(torch.float32).project(mesh.vertices.float().cpu())
    depth = torch.full((camera.height, camera.width), torch.inf)
    color = torch.ones(3, camera.height, camera.width)
    in_parallel(
        fill_triangles, camera.height, ROW_SHARE,
        seen.pixels[0].numpy(), seen.depth[0].numpy(), mesh.colors.float().cpu().numpy(), mesh.triangles.cpu().numpy(),
        np.float32(near), depth.numpy(), color.numpy(),
    )  # fmt: skip
    return MeshPicture(depth, color)


def flat_picture(
    pixels: Float[Tensor, "vertex 2"],
    values: Float[Tensor, "vertex 3"],
    triangles: Int[Tensor, "triangle 3"],
    width: int,
    height: int,
) -> tuple[Bool[Tensor, "height width"], Float[Tensor, "3 height width"]]:
    """Draw triangles that lie in the picture's plane; return where there are any, and the values between corners."""
    depth = torch.full((height, width), torch.inf)
    drawn = torch.zeros(3, height, width)
    in_parallel(
        fill_triangles, height, ROW_SHARE,
        pixels.float().numpy(), np.ones(len(pixels), np.float32), values.float().numpy(), triangles.numpy(),
        ZERO, depth.numpy(), drawn.numpy(),
    )  # fmt: skip
    return depth.isfinite(), drawn
