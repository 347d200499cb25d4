"""Ray casting on CUDA: one kernel with a thread per pixel for all views of several scenes at once.

The functions that cast rays are those of the CPU (`casting.py`). This module adds what only a GPU needs: threads that
find the solids of a tile together, and scenes and cameras as tables of fixed-size rows, which are sent to a GPU in one
piece. Kernels access a row by the same names: `row.shapes.kind[i]` works for a NamedTuple of arrays and for a record.
Arrays whose length differs between scenes are padded, always to the same few lengths, since each length is compiled
separately; nothing reads the padding.
"""

import inspect
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numba import cuda, int32
from torch import Tensor

from ilrm_cli.data.synthetic.materials.textures import Tiles
from ilrm_cli.data.synthetic.raycaster.casting import cast_pixel
from ilrm_cli.data.synthetic.raycaster.scene import Scene
from ilrm_cli.data.synthetic.raycaster.tiling import TILE, Projected, project, touches_tile
from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.runtime.kernels import on_cuda

GROUPS = ("shapes", "materials", "surround", "sun", "above")  # fields of Scene, each a NamedTuple of arrays
CONSTANT = {  # fields that have the same length in every scene
    "shapes": ("relief", "steepness"),
    "surround": ("kind", "box", "dome", "material", "to_sun", "sun", "ambient", "pool", "softness", "sky", "weather",
                 "exposure"),
    "sun": ("to_light", "axes", "corner", "per_unit", "start"),
    "above": ("to_light", "axes", "corner", "per_unit", "start"),
}  # fmt: skip
ROOM = 512  # minimum rows of every padded array: enough for 97 % of the scenes
LONG_ROOM = {"solids": 8192}  # entries of the light maps

BANKS_KEPT = 2  # texture banks per device, 19 MB each

_cast_pixel, _touches_tile = on_cuda(cast_pixel), on_cuda(touches_tile)


def _room(field: str, length: int) -> int:
    """Return the rows allocated for an array of the given length, a power of two."""
    return max(LONG_ROOM.get(field, ROOM), 1 << (length - 1).bit_length())


def _row_type(group: str, examples: Sequence[Any]) -> np.dtype:
    """Return the record type that holds any of the given NamedTuples of arrays."""
    fields = []
    for number, name in enumerate(type(examples[0])._fields):
        arrays = [example[number] for example in examples]
        shape = arrays[0].shape
        if name not in CONSTANT.get(group, ()):
            shape = (_room(name, max(len(array) for array in arrays)), *shape[1:])
        fields.append((name, arrays[0].dtype, shape))
    return np.dtype(fields, align=True)


def scene_type(scenes: Sequence[Scene]) -> np.dtype:
    """Return the record type that holds any of the scenes."""
    groups = [(group, _row_type(group, [getattr(scene, group) for scene in scenes])) for group in GROUPS]
    return np.dtype(groups, align=True)


def view_type(solids: int) -> np.dtype:
    """Return the record type of one camera in a scene of at most `solids` solids: the fields of Projected and more."""
    return np.dtype(
        [
            ("scene", np.int32), ("solids", np.int32), ("pose", np.float32, (3, 4)), ("focal", np.float32, 2),
            ("center", np.float32, 2), ("matrix", np.float32, (solids, 3, 3)), ("origin", np.float32, (solids, 3)),
            ("reach", np.float32, (solids, 4)), ("near", np.float32, solids), ("order", np.int32, solids),
        ],
        align=True,
    )  # fmt: skip


def fill_scenes(rows: np.ndarray, scenes: Sequence[Scene]) -> None:
    """Write the scenes into rows [S] of `scene_type`."""
    for group in GROUPS:
        table = rows[group]
        for number, name in enumerate(table.dtype.fields or ()):
            column = table[name]
            for row, scene in enumerate(scenes):
                array = getattr(scene, group)[number]
                column[row, : len(array)] = array


def fill_views(rows: np.ndarray, projected: Sequence[Projected]) -> None:
    """Write the cameras of each scene, one scene after the other, into rows of `view_type`."""
    first = 0
    for scene, cameras in enumerate(projected):
        views, solids = cameras.near.shape
        part = rows[first : first + views]
        part["scene"], part["solids"] = scene, solids
        for name in ("pose", "focal", "center"):
            part[name] = getattr(cameras, name)
        for name in ("matrix", "origin", "reach", "near", "order"):
            part[name][:, :solids] = getattr(cameras, name)
        first += views


def cast(scenes, views, texels, samples, image, depth):
    """Cast one tile of view blockIdx.z per block of TILE x TILE threads into image [V, 3, H, W] and depth [V, H, W].

    `scenes` and `views` are the records of `raycast_cuda.py`.
    """
    number = cuda.blockIdx.z
    view = views[number]
    scene = scenes[view.scene]
    left, top = cuda.blockIdx.x * TILE, cuda.blockIdx.y * TILE
    me = cuda.threadIdx.y * TILE + cuda.threadIdx.x
    seen = cuda.shared.array(0, int32)  # twice as many numbers as a view has room for solids
    chosen = seen[view.near.shape[0] :]
    count = cuda.shared.array(1, int32)
    if me == 0:
        count[0] = 0
    cuda.syncthreads()
    for rank in range(me, view.solids, TILE * TILE):  # which solids touch the tile, in any order
        if _touches_tile(view.reach, view.order[rank], left, top):
            seen[cuda.atomic.add(count, 0, 1)] = rank
    cuda.syncthreads()
    for k in range(me, count[0], TILE * TILE):  # sort them, nearest first
        place = 0
        for other in range(count[0]):
            if seen[other] < seen[k]:
                place += 1
        chosen[place] = view.order[seen[k]]
    cuda.syncthreads()
    column, row = left + cuda.threadIdx.x, top + cuda.threadIdx.y
    if row < depth.shape[1] and column < depth.shape[2]:
        t, r, g, b = _cast_pixel(
            scene.shapes, scene.materials, scene.surround, scene.sun, scene.above, texels, view.pose, view.focal,
            view.center, view.matrix, view.origin, view.near, chosen, count[0], column, row, samples,
        )  # fmt: skip
        depth[number, row, column] = t
        image[number, 0, row, column] = r
        image[number, 1, row, column] = g
        image[number, 2, row, column] = b


@lru_cache(maxsize=1)
def cast_kernel():
    """Return `cast`, compiled at the first launch on this machine (half a minute), then cached on disk.

    `fastmath` here selects fast division and square roots (2 ulp) everywhere; NaN and infinity keep their meaning in
    `cast_pixel`, which is compiled without it.
    """
    return cuda.jit(fastmath=True, launch_bounds=TILE * TILE, cache=True)(inspect.unwrap(cast))


def launch_shape(views: int, height: int, width: int, solids: int) -> tuple[tuple[int, ...], tuple[int, ...], int]:
    """Return grid, block and bytes of shared memory of `cast`; a view has room for `solids` solids."""
    return (-(-width // TILE), -(-height // TILE), views), (TILE, TILE), 2 * 4 * solids


def pack(scenes: Sequence[tuple[Scene, Cameras]], pinned: bool = False) -> tuple[Tensor, np.dtype, Tensor, np.dtype]:
    """Pack scenes and their cameras into bytes, each with the record type of its rows."""
    scene_rows = scene_type([scene for scene, _ in scenes])
    view_rows = view_type(scene_rows["shapes"]["kind"].shape[0])
    projected = [project(scene.shapes, cameras) for scene, cameras in scenes]
    scene_bytes = torch.empty(len(scenes) * scene_rows.itemsize, dtype=torch.uint8, pin_memory=pinned)
    view_count = sum(len(cameras) for _, cameras in scenes)
    view_bytes = torch.empty(view_count * view_rows.itemsize, dtype=torch.uint8, pin_memory=pinned)
    fill_scenes(scene_bytes.numpy().view(scene_rows), [scene for scene, _ in scenes])
    fill_views(view_bytes.numpy().view(view_rows), projected)
    return scene_bytes, scene_rows, view_bytes, view_rows


_banks: dict[tuple[int, torch.device], tuple[Tiles, Tensor]] = {}


def _texels_on(device: torch.device, tiles: Tiles) -> Tensor:
    """Return the texels of a bank on the device, cached; the bank is kept too, so that its id stays unique."""
    key = id(tiles), device
    if key not in _banks:
        _banks[key] = tiles, torch.from_numpy(tiles.texels.copy()).to(device)
    while len(_banks) > BANKS_KEPT:
        del _banks[next(iter(_banks))]
    return _banks[key][1]


def render_on_cuda(
    scenes: Sequence[tuple[Scene, Cameras]], samples: int, device: torch.device
) -> list[tuple[Tensor, Tensor]]:
    """Render images [V, 3, H, W] and depth [V, H, W] of every scene on the device, on torch's current stream.

    All cameras have one image size. The call returns before the GPU is done.
    """
    tiles = scenes[0][0].tiles
    if any(scene.tiles is not tiles for scene, _ in scenes):
        return [render_on_cuda([scene], samples, device)[0] for scene in scenes]
    height, width = scenes[0][1].height, scenes[0][1].width
    assert all((cameras.height, cameras.width) == (height, width) for _, cameras in scenes)
    counts = [len(cameras) for _, cameras in scenes]
    with torch.cuda.device(device), cuda.gpus[torch.cuda.current_device()]:
        scene_bytes, scene_rows, view_bytes, view_rows = pack(scenes, pinned=True)
        image = torch.empty(sum(counts), 3, height, width, device=device)
        depth = torch.empty(sum(counts), height, width, device=device)
        grid, block, shared = launch_shape(sum(counts), height, width, view_rows["near"].shape[0])
        handle = torch.cuda.current_stream().cuda_stream
        stream = cuda.external_stream(handle) if handle else 0
        cast_kernel()[grid, block, stream, shared](
            cuda.as_cuda_array(scene_bytes.to(device, non_blocking=True), sync=False).view(scene_rows),
            cuda.as_cuda_array(view_bytes.to(device, non_blocking=True), sync=False).view(view_rows),
            cuda.as_cuda_array(_texels_on(device, tiles), sync=False),
            np.int32(samples),
            cuda.as_cuda_array(image, sync=False),
            cuda.as_cuda_array(depth, sync=False),
        )
    return list(zip(image.split(counts), depth.split(counts), strict=True))
