"""The refinement trace: the model's scene before its first update layer and after each.

The scene of every layer is cleaned, given its backdrop, scored and rendered like that of the last. A model with
feedback has a scene after each layer, which the next one is told of. In others only tokens go from layer to layer, and
the head reads all of them as it was trained to read the last (logit lens): there, part of a layer's apparent gain is
that its tokens come closer to the form that the head reads, so the curve makes the layers look better than they are.

`ilrm help trace` states the results for the default model.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from numpy import ndarray
from torch import Tensor
from torch.nn.functional import interpolate

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.models.base import Capabilities, Network
from ilrm_cli.models.memory_plan import fit_to_memory
from ilrm_cli.pipeline.predict import cleaned
from ilrm_cli.pipeline.prepare import Prepared
from ilrm_cli.render.metrics import score
from ilrm_cli.render.paths.orbits import wobble
from ilrm_cli.render.rasterize import pixels_of, render
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.progress import Report, Step, ignore

LONG_SIDE_PX = 480  # of the pictures: larger than most models' images, so that single Gaussians can be told apart
NEAREST = 1e-6  # normalised units: keeps the logarithm of a depth finite

Picture = UInt8[ndarray, "height width 3"]


@dataclass(frozen=True)
class Reading:
    """One reading of the scene after one layer. Changes are relative to the previous row; None in the first."""

    psnr: float | None  # dB, mean over the held-out photos; None without any
    depth_change: float | None  # mean of |log(z / z before)| over all predicted Gaussians, z in their own photo
    means_change: float | None  # mean displacement, relative to the scene's distance
    gaussians: int  # rendered ones, without floaters, as in the scene


@dataclass(frozen=True)
class TracedLayer:
    """The scene after one update layer."""

    layer: int  # 0: before the first
    token_change: float | None  # of all viewpoint tokens: norm of the change over that before; None at first
    head: Reading  # of what the output head makes of it


@dataclass(frozen=True)
class Trace:
    """The trace of a whole forward pass."""

    layers: tuple[TracedLayer, ...]  # one more than the model has update layers
    pictures: tuple[tuple[Picture, ...], ...]  # of each row, from the same cameras, sRGB
    shown: int  # index of the photo whose camera is used: among the held-out photos, or the inputs if there are none
    photo: Picture  # that photo, at the same size


def check_traceable(can: Capabilities) -> None:
    """Raise InputError for a model without layers that can be looked at one by one."""
    if not (can.traced_layers and can.grid_factor):
        raise InputError("this model cannot be traced, it has no layers that decode to Gaussians; leave --trace out.")


@torch.no_grad()
def trace(model: Network, prepared: Prepared, pictures: int = 1, report: Report = ignore) -> Trace:
    """Run the model once more and look at its scene before the first layer and after each.

    A single picture per layer is rendered from the camera of a held-out photo (of an input if none is held out): an
    input would look right at any depth, since Gaussians lie along its own rays. With more, the camera goes once around
    that position in every layer, and the parallax shows the depths. Raises InputError for a model that
    `check_traceable` refuses.
    """
    check_traceable(model.capabilities)
    views = prepared.targets or prepared.inputs
    seen_from = len(views) // 2
    cameras = _film_cameras(views.cameras[[seen_from]], prepared.distance, pictures)
    rows: list[TracedLayer] = []
    drawn: list[tuple[Picture, ...]] = []
    reader = _Reader(model.capabilities, prepared, cameras)
    before: Tensor | None = None

    def look(tokens: Float[Tensor, "view token dim"], decoded: Callable[[], list[Gaussians]]) -> None:
        nonlocal before
        change = None if before is None else float((tokens - before).norm() / before.norm())
        before, (head, shown) = tokens, reader.read(decoded()[0])
        rows.append(TracedLayer(len(rows), change, head))
        drawn.append(shown)
        report(Step("trace", len(rows), model.capabilities.traced_layers + 1))

    chunks = fit_to_memory(model, prepared.inputs).chunks
    model([prepared.inputs], [prepared.depth_range], tap=look, chunks=chunks)
    size = (cameras.height, cameras.width)
    photo = interpolate(views.images[[seen_from]], size, mode="bicubic", antialias=True)[0]
    return Trace(tuple(rows), tuple(drawn), seen_from, pixels_of(photo))


class _Reader:
    """A reader that measures and renders the scene layer by layer, relative to the previous one."""

    def __init__(self, can: Capabilities, prepared: Prepared, cameras: Cameras):
        self._can, self._prepared, self._cameras = can, prepared, cameras
        self._before: Gaussians | None = None

    def read(self, predicted: Gaussians) -> tuple[Reading, tuple[Picture, ...]]:
        """Read a scene; `predicted` is in (view, row, column) order, as the model returns it."""
        prepared, before = self._prepared, self._before
        scene = cleaned(predicted, prepared, self._can).gaussians
        reading = Reading(
            psnr=score(scene, prepared.targets) if prepared.targets else None,
            depth_change=_depth_change(before, predicted, prepared.inputs.cameras) if before else None,
            means_change=_distance_moved(before, predicted) / prepared.distance if before else None,
            gaussians=len(scene),
        )
        self._before = predicted
        drawn = (render(scene, self._cameras[[i]]).color[0] for i in range(len(self._cameras)))
        return reading, tuple(map(pixels_of, drawn))


def _film_cameras(camera: Cameras, depth: float, count: int) -> Cameras:
    """Return the camera itself, or a closed loop around it, at the pictures' size: even sides, as video requires."""
    camera = camera.resized(*camera.size_at(LONG_SIDE_PX, multiple=2))
    return camera if count == 1 else wobble(camera, depth).frames(count)


def _depth_change(before: Gaussians, after: Gaussians, cameras: Cameras) -> float:
    """Return the mean change in log-depth of Gaussians in (view, row, column) order."""
    source = torch.arange(len(cameras), device=cameras.positions.device).repeat_interleave(len(after) // len(cameras))

    def depths(gaussians: Gaussians) -> Tensor:
        ahead = (gaussians.means - cameras.positions[source]) * cameras.forward[source]
        return ahead.sum(1).clamp_min(NEAREST)

    return float((depths(after) / depths(before)).log().abs().mean())


def _distance_moved(before: Gaussians, after: Gaussians) -> float:
    return float((after.means - before.means).norm(dim=1).mean())
