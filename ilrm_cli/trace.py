"""The refinement trace: what the model has of the scene before its first update layer and after each.

The final head decodes the viewpoint tokens of every layer, and the Gaussians are cleaned, given their backdrop, scored
and drawn as those of the last layer are. The head was trained to read the last layer only. So the last row is exactly
the predicted scene, and the earlier ones are a lower bound of what the tokens know by then: a part of what a layer
seems to gain is that its tokens come closer to the form in which the head reads them. `README.md` has the measurement.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy import ndarray
from torch import Tensor

from ilrm_cli.cameras import Cameras
from ilrm_cli.gaussians import Gaussians
from ilrm_cli.model.ilrm import Ilrm
from ilrm_cli.prediction import cleaned
from ilrm_cli.preparation import Prepared
from ilrm_cli.progress import Report, Step, ignore
from ilrm_cli.refine import score
from ilrm_cli.render.circuits import wobble
from ilrm_cli.render.rasterize import render

LONG_SIDE_PX = 480  # of the pictures: more than most models see, so that single Gaussians can be told apart
NEAREST = 1e-6  # normalised units: keeps the logarithm of a depth finite

Picture = UInt8[ndarray, "height width 3"]


@dataclass(frozen=True)
class TracedLayer:
    """The scene after one update layer. Changes are those since the row before; None in the first."""

    layer: int  # 0: before the first
    psnr: float | None  # dB, mean over the held-out photos; None where there are none
    token_change: float | None  # Frobenius norm of the change of all viewpoint tokens over that of the tokens before
    depth_change: float | None  # mean of |log(z / z before)| over all predicted Gaussians, z in their own photo
    means_change: float | None  # mean distance that they moved, in units of the scene's distance
    gaussians: int  # that are drawn: those that float in front of what other photos see are left out, as in the scene


@dataclass(frozen=True)
class Trace:
    """How the scene forms."""

    layers: tuple[TracedLayer, ...]  # one more than the model has update layers
    pictures: tuple[tuple[Picture, ...], ...]  # of each row, sRGB
    shown: int  # the photo they are drawn from: an index of the held-out photos, or of the inputs where there are none
    photo: Picture  # that photo, of the same size


@torch.inference_mode()
def trace(model: Ilrm, prepared: Prepared, pictures: int = 1, report: Report = ignore) -> Trace:
    """Run the model once more and look at it after every layer.

    With one picture per layer it is drawn from the very camera of a held-out photo (of an input where none is held
    out): an input would look right at any depth, since Gaussians lie along its own rays. With more, the camera goes
    once around that place in every layer, and the parallax shows the depths.
    """
    views, depth = prepared.targets or prepared.inputs, prepared.distance
    shown = len(views) // 2
    cameras = _film_cameras(views.cameras[[shown]], depth, pictures)
    rows: list[TracedLayer] = []
    drawn: list[tuple[Picture, ...]] = []
    before: tuple[Tensor, Gaussians] | None = None

    def look(tokens: Float[Tensor, "view token dim"], scenes: list[Gaussians]) -> None:
        nonlocal before
        scene = cleaned(scenes[0], prepared, model.config).gaussians
        rows.append(
            TracedLayer(
                layer=len(rows),
                psnr=score(scene, prepared.targets) if prepared.targets else None,
                token_change=_relative_change(before[0], tokens) if before else None,
                depth_change=_depth_change(before[1], scenes[0], prepared.inputs.cameras) if before else None,
                means_change=_distance_moved(before[1], scenes[0]) / depth if before else None,
                gaussians=len(scene),
            )
        )
        drawn.append(tuple(_picture(render(scene, cameras[[i]]).color[0]) for i in range(len(cameras))))
        before = tokens, scenes[0]
        report(Step("trace", len(rows), len(model.layers) + 1))

    model([prepared.inputs], [prepared.depth_range], tap=look)
    size = (cameras.height, cameras.width)
    photo = torch.nn.functional.interpolate(views.images[[shown]], size, mode="bicubic", antialias=True)[0]
    return Trace(tuple(rows), tuple(drawn), shown, _picture(photo))


def _film_cameras(camera: Cameras, depth: float, count: int) -> Cameras:
    """The camera itself, or a closed loop around it, at the size of the pictures: even sides, as video wants them."""
    factor = LONG_SIDE_PX / max(camera.width, camera.height)
    camera = camera.resized(*(2 * round(side * factor / 2) for side in (camera.width, camera.height)))
    return camera if count == 1 else wobble(camera, depth).frames(count)


def _relative_change(before: Tensor, after: Tensor) -> float:
    return float((after - before).norm() / before.norm())


def _depth_change(before: Gaussians, after: Gaussians, cameras: Cameras) -> float:
    """Of Gaussians in (view, row, column) order, as they are predicted."""
    source = torch.arange(len(cameras), device=cameras.positions.device).repeat_interleave(len(after) // len(cameras))

    def depths(gaussians: Gaussians) -> Tensor:
        ahead = (gaussians.means - cameras.positions[source]) * cameras.forward[source]
        return ahead.sum(1).clamp_min(NEAREST)

    return float((depths(after) / depths(before)).log().abs().mean())


def _distance_moved(before: Gaussians, after: Gaussians) -> float:
    return float((after.means - before.means).norm(dim=1).mean())


def _picture(color: Float[Tensor, "3 height width"]) -> Picture:
    pixels = (color.clamp(0, 1) * 255).round().to(torch.uint8)
    return np.ascontiguousarray(pixels.permute(1, 2, 0).cpu().numpy())
