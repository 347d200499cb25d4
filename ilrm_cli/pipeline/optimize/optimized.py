"""The result of a fit to photos, and a picture of a scene beside one of them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy import ndarray
from torch import Tensor

from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.views import ViewSource
from ilrm_cli.pipeline.optimize.course import Begun, Ending
from ilrm_cli.render.rasterize import pixels_of, render


@dataclass(frozen=True)
class FitPoses:
    """Refined poses, world_from_cam, of the scene and of `Optimized.measured`."""

    photos: Float[Tensor, "photo 4 4"]
    judges: Float[Tensor, "judge 4 4"] | None
    measured_from: Float[Tensor, "judge 4 4"] | None  # of the judges, told by half of their pixels: see `PosedJudges`


@dataclass(frozen=True)
class Optimized:
    """The result of a fit; scores are means over the judging views, in dB."""

    gaussians: Gaussians
    measured: Gaussians  # the scene before the judges were fitted as well, which the scores are of
    steps: int  # that led to the latter; 0 if nothing was better than the start
    ran: int  # steps taken until it ended
    plans: tuple[tuple[int, int], ...]  # after so many steps, so many more were planned to its end; see `Course`
    ended: Ending  # why
    photos: int  # that were fitted to
    width: int  # px of the photos
    height: int
    psnr_before: float | None  # of the prediction, with exposures evened out; None without judges
    psnr_after: float | None
    ssim_before: float | None = None
    ssim_after: float | None = None
    psnr_fitted: float | None = None  # of `measured` on some of the photos that it was fitted to; None: nothing was
    final_ended: Ending | None = None  # why the fit to all photos ended that came after a trial; None: none did
    begun_at: Begun = "prediction"
    last_steps: int = 0  # in which the judges were fitted as well
    exposure_stops: float = 0.0  # by which the photos' exposures differ; 0 if they were taken to be equal
    poses: FitPoses | None = None  # None: they stayed

    @property
    def figures(self) -> dict[str, Any]:
        """All but the scene and poses, as JSON values."""
        return {name: value for name, value in vars(self).items() if name not in ("gaussians", "measured", "poses")}


@torch.no_grad()
def picture_of(
    gaussians: Gaussians, views: ViewSource
) -> tuple[UInt8[ndarray, "height width 3"], UInt8[ndarray, "height width 3"]]:
    """Return the scene from the camera of the first of the views, and that view, both upright."""
    view = views[[0]]
    turns = 0 if view.quarter_turns is None else int(view.quarter_turns[0])
    shown = (render(gaussians, view.cameras).color[0], view.images[0])
    scene, photo = (np.rot90(pixels_of(image), -turns) for image in shown)
    return scene, photo
