"""Held-out photos beside renders from their cameras."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray
from torch import Tensor

from ilrm_cli.pipeline.reconstruct import Reconstruction
from ilrm_cli.render.rasterize import pixels_of
from ilrm_cli.runtime.progress import Report as Progress
from ilrm_cli.runtime.progress import Step, ignore
from ilrm_cli.visualize.film.channels import ramp_colors

FULL_ERROR = 1 / 3  # mean difference over channels that gets the last colour of the ramp
# Dark is right, bright is wrong: evenly spaced anchors of matplotlib's "inferno".
ERROR_RAMP = ((0, 0, 4), (87, 16, 110), (188, 55, 84), (249, 142, 9), (252, 255, 164))


@dataclass(frozen=True)
class Comparison:
    """A held-out photo, upright as photographed, with its render. Pictures have the model's image size."""

    name: str
    psnr: float  # dB
    ssim: float
    photo: UInt8[ndarray, "height width 3"]
    render: UInt8[ndarray, "height width 3"]
    error: UInt8[ndarray, "height width 3"]  # in the colours of ERROR_RAMP


def comparisons(result: Reconstruction, progress: Progress = ignore) -> tuple[Comparison, ...]:
    """Compare every photo the result was scored on, in the order of `Selection.scored`. Masked pixels show no error."""
    if result.prepared.targets is None or result.score is None:
        return ()
    made, photos = [], result.selection.scored
    targets = result.prepared.targets.to("cpu")
    for index, (photo, scored) in enumerate(zip(photos, result.score.views, strict=True)):
        view = targets[[index]]
        turns = 0 if view.quarter_turns is None else int(view.quarter_turns[0])
        difference = (scored.render[None].clamp(0, 1) - view.images).abs().mean(1)
        if view.masks is not None:
            difference = difference * view.masks
        made.append(
            Comparison(
                name=photo.name,
                psnr=scored.psnr,
                ssim=scored.ssim,
                photo=_turned_back(pixels_of(view.images[0]), turns),
                render=_turned_back(pixels_of(scored.render), turns),
                error=_turned_back(in_ramp(difference[0] / FULL_ERROR), turns),
            )
        )
        progress(Step("checking", index + 1, len(photos)))
    return tuple(made)


def in_ramp(values: Float[Tensor, "height width"]) -> UInt8[ndarray, "height width 3"]:
    """Map values in [0, 1] to the colours of ERROR_RAMP; larger ones get the last."""
    return ramp_colors(values.cpu().numpy() * (len(ERROR_RAMP) - 1), ERROR_RAMP).round().astype(np.uint8)


def _turned_back(image: UInt8[ndarray, "_ _ 3"], turns: int) -> UInt8[ndarray, "_ _ 3"]:
    return np.ascontiguousarray(np.rot90(image, -turns))
