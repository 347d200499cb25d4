"""Pictures by the CUDA kernel in numba's simulator, in a process of its own: numba reads NUMBA_ENABLE_CUDASIM once.

Prints a line of JSON per kind of scene named on the command line: how far the pictures are from those of the CPU. In
the simulator the kernels run as Python, so this is also a check of what numba makes of them.
"""

import json
import sys
import warnings
from types import SimpleNamespace

import numpy as np
from numba import cuda

from ilrm_cli.data.synthetic.raycaster.raycast import render_scene
from ilrm_cli.data.synthetic.raycaster.raycast_cuda import cast, launch_shape, pack
from ilrm_cli.data.synthetic.scenes.by_number import make_scene
from ilrm_cli.data.synthetic.trajectories import draw_cameras

WIDTH, HEIGHT, SAMPLES = 12, 8, 2


def named(row: np.void):
    """Return a record as an object with its fields; the simulator's own takes `row.clip` for a numpy method."""
    fields = {name: named(row[name]) if row.dtype[name].names else row[name] for name in row.dtype.names}
    return SimpleNamespace(**fields)


def render_in_simulator(scenes, samples: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Do the work of `render_on_cuda` with arrays in place of tensors on a GPU."""
    scene_bytes, scene_rows, view_bytes, view_rows = pack(scenes)
    counts = [len(cameras) for _, cameras in scenes]
    image = np.zeros((sum(counts), 3, HEIGHT, WIDTH), np.float32)
    depth = np.zeros((sum(counts), HEIGHT, WIDTH), np.float32)
    grid, block, shared = launch_shape(sum(counts), HEIGHT, WIDTH, view_rows["near"].shape[0])
    cuda.jit(cast)[grid, block, 0, shared](
        [named(row) for row in scene_bytes.numpy().view(scene_rows)],
        [named(row) for row in view_bytes.numpy().view(view_rows)],
        scenes[0][0].tiles.texels.copy(), samples, image, depth,
    )  # fmt: skip
    edges = np.cumsum(counts)[:-1]
    return list(zip(np.split(image, edges), np.split(depth, edges), strict=True))


def scene_with_cameras(kind: str):
    for index in range(20):
        scene = make_scene(3, index, kind=kind)
        cameras = draw_cameras(scene, np.random.default_rng(index), 1, WIDTH, HEIGHT)
        if cameras is not None:
            return scene, cameras
    raise AssertionError(f"no {kind} offers cameras")


def main(kinds: list[str]) -> None:
    warnings.simplefilter("ignore", RuntimeWarning)  # integers of the hash wrap around, rays along an axis divide by 0
    scenes = [scene_with_cameras(kind) for kind in kinds]
    for kind, (scene, cameras), (image, depth) in zip(kinds, scenes, render_in_simulator(scenes, SAMPLES), strict=True):
        wanted, wanted_depth = (tensor.numpy() for tensor in render_scene(scene, cameras, SAMPLES))
        off = np.abs(image - wanted).max(1)
        far_off = np.abs(depth / wanted_depth - 1)
        found = {"kind": kind, "contrast": float(image.std()), "colour": off.ravel(), "depth": far_off.ravel()}
        sys.stdout.write(json.dumps(found, default=np.ndarray.tolist) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
