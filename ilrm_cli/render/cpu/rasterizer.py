"""The CPU rasteriser as a differentiable torch function.

Data flow of one camera, forward:

    Gaussians --project--> records of the visible ones --depth_order, bin_by_tile--> Bins --blend_tiles--> images

and backward:

    dL/dimages --blend_tiles_backward--> sums per (Gaussian, tile) --project_backward--> dL/dGaussians

Every array element is written by one thread and summed in a fixed order, so results do not depend on thread timing.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32, Int16, Int32, Int64
from numpy import ndarray
from torch import Tensor

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.render.cpu.arrays import RECORD_COLUMNS, SUM_COLUMNS
from ilrm_cli.render.cpu.bins import Bins, bin_by_tile, depth_order, number_entries
from ilrm_cli.render.cpu.blend import blend_tiles
from ilrm_cli.render.cpu.blend_backward import blend_tiles_backward
from ilrm_cli.render.cpu.project import project
from ilrm_cli.render.cpu.project_backward import project_backward
from ilrm_cli.runtime.kernels import in_parallel, is_cached

GAUSSIAN_SHARE = 8192  # Gaussians per work item of a thread
TILE_SHARE = 8  # tiles per work item of a thread
CLAMP = 0.3  # of half the field of view: how far outside the image the Jacobian is followed (gsplat 1.5.3)


@dataclass(frozen=True)
class Projection:
    """The visible Gaussians of one camera, in slots; each share of slots is filled from its start."""

    records: Float32[ndarray, "gaussian columns"]  # see cpu_layout
    ids: Int32[ndarray, " gaussian"]  # index of a slot's Gaussian
    tiles: Int16[ndarray, "gaussian 4"]  # tiles reached: first column, first row, end column, end row
    visible: Int64[ndarray, " share"]  # slots filled in each share


@dataclass(frozen=True)
class Frame:
    """The data of one rendered camera that the backward pass needs."""

    camera: Float32[ndarray, " columns"]  # see cpu_layout
    projection: Projection
    bins: Bins
    blocks: Int32[ndarray, " entry"]  # bits of the 4x4 blocks that were blended for it, see `cpu.tiles`
    color: Float32[ndarray, "3 height width"]
    alpha: Float32[ndarray, "height width"]
    depth: Float32[ndarray, "height width"]


def camera_rows(cameras: Cameras, near: float, antialiased: bool = False) -> Float32[ndarray, "camera columns"]:
    """Return the cameras in the layout of the kernels."""
    cam_from_world = cameras.cam_from_world.detach()
    focal, center = cameras.focal_px.detach(), cameras.center_px.detach()
    size = torch.tensor([cameras.width, cameras.height]).to(focal)
    beyond = CLAMP * 0.5 * size / focal
    low, high = -(center / focal + beyond), (size - center) / focal + beyond
    limits = torch.stack([low, high], dim=-1).flatten(1)  # x low, x high, y low, y high
    rotation, translation = cam_from_world[:, :3, :3].flatten(1), cam_from_world[:, :3, 3]
    plane, mode = (torch.full((len(cameras), 1), float(value)) for value in (near, antialiased))
    columns = [rotation, translation, cameras.positions.detach(), focal, center, plane, limits, mode]
    return torch.cat([c.float() for c in columns], dim=1).numpy()


def draw(
    arrays: tuple[ndarray, ...],
    camera: Float32[ndarray, " columns"],
    background: Float32[ndarray, "3"],
    color: Float32[ndarray, "3 height width"],
    alpha: Float32[ndarray, "height width"],
    depth: Float32[ndarray, "height width"],
    cutoff: float = 0.0,
) -> Frame:
    """Render one camera into the given images; `arrays` are means, quaternions, scales, opacities, harmonics."""
    total, (height, width) = len(arrays[0]), alpha.shape
    records = np.empty((total, RECORD_COLUMNS), np.float32)
    ids, tiles = np.empty(total, np.int32), np.empty((total, 4), np.int16)
    visible = np.zeros(-(-total // GAUSSIAN_SHARE), np.int64)
    in_parallel(
        project, total, GAUSSIAN_SHARE,
        GAUSSIAN_SHARE, *arrays, camera, width, height, records, ids, tiles, visible,
    )  # fmt: skip
    bins = bin_by_tile(depth_order(records, visible, GAUSSIAN_SHARE), tiles, width, height)
    blocks = np.zeros(len(bins.slots), np.int32)
    in_parallel(
        blend_tiles, len(bins.starts) - 1, TILE_SHARE,
        bins.columns, bins.starts, bins.slots, blocks, records, background, np.float32(cutoff), color, alpha, depth,
    )  # fmt: skip
    return Frame(camera, Projection(records, ids, tiles, visible), bins, blocks, color, alpha, depth)


def add_gradients(
    frame: Frame, arrays: tuple[ndarray, ...], upstream: tuple[ndarray, ...], gradients: tuple[ndarray, ...]
) -> None:
    """Add one camera's dL/d(arrays) to `gradients`; `upstream` is dL/dcolor, dL/dalpha, dL/ddepth."""
    p, bins = frame.projection, frame.bins
    first_entry = np.empty(len(p.ids), np.int64)
    entries = number_entries(p.visible, GAUSSIAN_SHARE, p.tiles, first_entry)
    sums = np.zeros((entries, SUM_COLUMNS), np.float32)
    in_parallel(
        blend_tiles_backward, len(bins.starts) - 1, TILE_SHARE,
        bins.columns, bins.starts, bins.slots, frame.blocks, p.records, p.tiles, first_entry,
        frame.color, frame.alpha, frame.depth, *upstream, sums,
    )  # fmt: skip
    in_parallel(
        project_backward, len(p.ids), GAUSSIAN_SHARE,
        GAUSSIAN_SHARE, p.ids, p.tiles, p.visible, first_entry, sums, *arrays, frame.camera, *gradients,
    )  # fmt: skip


class Rasterize(torch.autograd.Function):
    """Autograd function from Gaussians and background to images of all cameras; no gradients for cameras."""

    @staticmethod
    def forward(
        ctx: Any,
        cameras: Cameras,
        near: float,
        cutoff: float,
        antialiased: bool,
        background: Tensor,
        *parameters: Tensor,
    ) -> tuple[Tensor, ...]:
        arrays = tuple(p.detach().numpy() for p in parameters)
        size = (cameras.height, cameras.width)
        color = torch.empty(len(cameras), 3, *size)
        alpha, depth = torch.empty(len(cameras), *size), torch.empty(len(cameras), *size)
        images = zip(color.numpy(), alpha.numpy(), depth.numpy(), strict=True)
        rows = camera_rows(cameras, near, antialiased)
        shade = background.detach().numpy()
        frames = [draw(arrays, row, shade, *into, cutoff) for row, into in zip(rows, images, strict=True)]
        if any(ctx.needs_input_grad):
            ctx.frames = frames
            ctx.save_for_backward(alpha, *parameters)
        return color, alpha, depth

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        alpha, *parameters = ctx.saved_tensors
        arrays = tuple(p.detach().numpy() for p in parameters)
        gradients = [torch.zeros_like(p) for p in parameters]
        images = [u.contiguous().numpy() for u in upstream]
        for index, frame in enumerate(ctx.frames):
            add_gradients(frame, arrays, tuple(i[index] for i in images), tuple(g.numpy() for g in gradients))
        d_background = None
        if ctx.needs_input_grad[4]:
            d_background = (upstream[0] * (1 - alpha)[:, None]).sum((0, 2, 3))
        return None, None, None, None, d_background, *gradients


def rasterize(
    gaussians: Gaussians,
    cameras: Cameras,
    background: Float[Tensor, "3"],
    near: float,
    cutoff: float = 0.0,
) -> tuple[
    Float[Tensor, "camera 3 height width"], Float[Tensor, "camera height width"], Float[Tensor, "camera height width"]
]:
    """Render colour, alpha and expected depth in float32; see `rasterize.render` for the contract."""
    parameters = (p.float().contiguous() for p in gaussians.tensors())
    color, alpha, depth = Rasterize.apply(
        cameras,
        near,
        cutoff,
        gaussians.antialiased,
        background.float().contiguous(),
        *parameters,
    )
    return color, alpha, depth


def is_compiled(*, gradients: bool = False) -> bool:
    """Return whether compiled kernels are cached; if not, the first render waits some seconds for the compiler."""
    needed = [project, blend_tiles, *([project_backward, blend_tiles_backward] if gradients else [])]
    return all(is_cached(kernel) for kernel in needed)


def warm_up(*, gradients: bool = False) -> None:
    """Compile the kernels now, or load them from the cache, by rendering one Gaussian."""
    scene = Gaussians(
        means=torch.tensor([[0.0, 0.0, 1.0]]),
        quaternions=torch.tensor([[1.0, 0.0, 0.0, 0.0]]),
        scales=torch.full((1, 3), 0.1),
        opacities=torch.tensor([0.5]),
        harmonics=torch.zeros(1, 1, 3),
    )
    camera = Cameras(torch.eye(4)[None], torch.full((1, 2), 8.0), torch.full((1, 2), 4.0), 8, 8)
    background = torch.ones(3, requires_grad=gradients)
    color, _, _ = rasterize(scene, camera, background, near=0.01)
    if gradients:
        color.sum().backward()
