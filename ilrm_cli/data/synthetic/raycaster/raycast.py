"""Images and depth of a scene by ray casting, on the CPU or on CUDA."""

from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ilrm_cli.data.synthetic.raycaster.casting import cast_pixel
from ilrm_cli.data.synthetic.raycaster.scene import Scene
from ilrm_cli.data.synthetic.raycaster.tiling import TILE, project, solids_in_tile
from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.kernels import shared_kernel

CPU = torch.device("cpu")


@shared_kernel
def render_band(
    shapes, materials, surround, sun, above, texels, poses, focal, center, matrix, origin, reach, near, order, chosen,
    views, rows, samples, image, depth,
):  # fmt: skip
    """Render rows [first, last) of cameras [first, last) into image [V, 3, H, W] and depth [V, H, W].

    No image is written if samples = 0; `chosen` [N] is scratch space.
    """
    width = depth.shape[2]
    for view in range(views[0], views[1]):
        pose, f, c = poses[view], focal[view], center[view]
        m, o, z = matrix[view], origin[view], near[view]
        for top in range(rows[0], rows[1], TILE):
            for left in range(0, width, TILE):
                count = solids_in_tile(order[view], reach[view], left, top, chosen)
                for row in range(top, min(top + TILE, rows[1])):
                    for column in range(left, min(left + TILE, width)):
                        t, r, g, b = cast_pixel(
                            shapes, materials, surround, sun, above, texels, pose, f, c, m, o, z, chosen, count,
                            column, row, samples,
                        )  # fmt: skip
                        depth[view, row, column] = t
                        if samples > 0:
                            image[view, 0, row, column] = r
                            image[view, 1, row, column] = g
                            image[view, 2, row, column] = b


def _render(scene: Scene, cameras: Cameras, samples: int, threads: int) -> tuple[np.ndarray, np.ndarray]:
    views, height, width = len(cameras), cameras.height, cameras.width
    images = np.empty((views, 3, height, width) if samples else (views, 3, 0, 0), np.float32)
    depth = np.empty((views, height, width), np.float32)
    projected = project(scene.shapes, cameras)

    def work(views: tuple[int, int], rows: tuple[int, int]) -> None:
        chosen = np.empty(len(scene.shapes.kind), np.int64)
        render_band(
            scene.shapes, scene.materials, scene.surround, scene.sun, scene.above, scene.tiles.texels, *projected,
            chosen, views, rows, samples, images, depth,
        )  # fmt: skip

    if threads == 1:
        work((0, views), (0, height))
        return images, depth
    bands = max(1, 2 * threads // views)
    edges = [TILE * (height * band // bands // TILE) for band in range(bands)] + [height]
    with ThreadPoolExecutor(threads) as pool:
        jobs = [
            pool.submit(work, (view, view + 1), (edges[band], edges[band + 1]))
            for view in range(views)
            for band in range(bands)
        ]
    for job in jobs:
        job.result()
    return images, depth


def render_scenes(
    scenes: list[tuple[Scene, Cameras]], samples: int = 4, threads: int = 1, device: torch.device = CPU
) -> list[tuple[Float[Tensor, "view 3 height width"], Float[Tensor, "view height width"]]]:
    """Render several scenes whose images have one size, each as `render_scene` does; on CUDA in one launch.

    Raises InputError if CUDA is requested without the packages that compile for it.
    """
    assert samples >= 1
    if device.type == "cpu":
        drawn = [_render(scene, cameras, samples, threads) for scene, cameras in scenes]
        return [(torch.from_numpy(images), torch.from_numpy(depth)) for images, depth in drawn]
    if find_spec("numba_cuda") is None:
        raise InputError("Casting rays on CUDA needs numba-cuda: pip install 'ilrm[cuda]', or make scenes on the CPU.")
    from ilrm_cli.data.synthetic.raycaster.raycast_cuda import render_on_cuda

    return render_on_cuda(scenes, samples, device)


def render_scene(
    scene: Scene, cameras: Cameras, samples: int = 4, threads: int = 1, device: torch.device = CPU
) -> tuple[Float[Tensor, "view 3 height width"], Float[Tensor, "view height width"]]:
    """Render images in [0, 1] with `samples` rays per pixel, and z-depth at pixel centres in world units, on `device`.

    The images do not depend on the number of threads, and on CUDA are the same up to rounding. The GIL is released
    while rays are cast.
    """
    return render_scenes([(scene, cameras)], samples, threads, device)[0]


def depth_of(scene: Scene, cameras: Cameras) -> Float[Tensor, "view height width"]:
    """Render z-depth alone, in world units, for a fraction of the work."""
    return torch.from_numpy(_render(scene, cameras, 0, 1)[1])
