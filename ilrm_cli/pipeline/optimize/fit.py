"""The fit of a scene to photos, one photo a step, coarse to fine.

It begins with few Gaussians (see `pipeline.starts`) and splits those that are pulled most. The error is 0.8 L1 +
0.2 (1 - SSIM), as in 3D Gaussian splatting (Kerbl et al. 2023). How long it takes is a number of steps, not of seconds:
the same photos give the same scene. Who judges it is in `pipeline.optimize.judging`.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import avg_pool2d

from ilrm_cli.geometry.cameras import Cameras, stack
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.harmonics import from_color
from ilrm_cli.geometry.views import Views, ViewSource
from ilrm_cli.pipeline.optimize.density import Density
from ilrm_cli.pipeline.optimize.parameters import OPACITY_MARGIN, Parameters, Rates
from ilrm_cli.pipeline.optimize.per_photo import EVEN_STOPS, PhotoColors, exposed
from ilrm_cli.pipeline.optimize.poses import PhotoPoses, moved, pose_gradient
from ilrm_cli.pipeline.settings import FIT_SIDES_PX
from ilrm_cli.render.depth_maps import SOLID, normals_from_depth
from ilrm_cli.render.metrics import mean_ssim
from ilrm_cli.render.rasterize import render
from ilrm_cli.runtime.progress import Report, Step, ignore

L1_WEIGHT, SSIM_WEIGHT = 0.8, 0.2
# Reduction of photos in the first share of the steps; a full one takes three times as long. Between shares of 0.3 and
# 0.7 photos that had no part in it differed by 0.1 dB at most on fox, toy, room and apple.
COARSE, COARSE_SHARE = 2, 0.7
# Transmittance at which blocks of pixels are finished while they are fitted (see `render`): a sixth less is blended,
# and pictures differ by 0.15 of 255 levels in the mean (fox).
CUTOFF = 1e-2
LEAST_COARSE_PX = 96  # long side of reduced photos: smaller ones would show too little
FINAL_RATE, LAST_RATE = 0.02, 1.0  # shares of the first step sizes: at the end, and where a last stretch begins
CONTROL_EVERY, CONTROL_SHARE = 100, 0.7  # steps between two changes of density, in the first share of the steps
COLOR_TRIAL = 0.25  # share of the steps after which photos of equal exposure lose colours of their own, for good

SURFACES_FROM = 0.3  # share of the steps after which surfaces count: before, there are hardly any (2DGS: 0.23)
# Of the two parts of `surface_error`; the latter is that of 2DGS. Four times as much of it smooths edges away: on a
# procedural scene the F-score of the mesh was 0.841 instead of 0.862, and 0.826 without both.
THICKNESS_WEIGHT, BEND_WEIGHT = 0.1, 0.05


@dataclass(frozen=True)
class Effort:
    """How far a fit goes, and what it may change."""

    steps: int
    long_side_px: int  # of the photos
    degree: int  # of the harmonics
    growth: float  # share of the Gaussians that is split at each change of density
    most: int  # Gaussians
    groups: int = 2  # of photos that are no inputs, at most, from which there is a prediction as well
    dropped: float = 0.0  # share of the Gaussians that is missing from each step's picture, others each time
    # Looks of the judges without a better score after which it ends. On three scenes where that was half way, all steps
    # found nothing better (statue, fruit, monstree). Twice as many steps are longer on reduced photos, where scores
    # stand still: if they ended, photos of fern that had no part in it had 23.8 instead of 25.8 dB, of fountain 23.0
    # instead of 23.7. `high` has as many as there are looks, so that it takes all steps.
    patience: int = 2
    refines_poses: bool = False
    # Distance from the origin beyond which, as in the backdrop, only colours change: if it grew, what shines through a
    # hole somewhere would fill directions that no photo shows (room: 23.9 dB instead of 25.1).
    horizon: float = math.inf
    geometry: bool = False  # whether surfaces are fitted as well, see `surface_error`
    seed: int = 0


EFFORTS = {
    "standard": Effort(1000, FIT_SIDES_PX["standard"], degree=1, growth=0.2, most=250_000),
    "high": Effort(2000, FIT_SIDES_PX["high"], degree=2, growth=0.2, most=400_000, groups=6, patience=8),
}


# Photos below which what lies between them is not told by them alone. Then a share of the Gaussians is dropped at each
# step (DropGaussian, Park et al. 2025), so that none explains one photo for itself. On the three of nine scenes with so
# few, castle, fountain and apple, photos that had no part in it gained 0.8, 0.9 and 0.2 dB; a tenth gained 0.5, 0.5 and
# 0.1, a third 0.9, 0.5 and -0.1. With 13 photos or more a tenth changed three scenes by less than 0.1 dB, and lost 0.5
# and 0.8 on beach and room.
FEW, DROPPED = 12, 0.2


def effort_for(
    quality: str,
    photos: int,
    *,
    long_side_px: int | None = None,
    horizon: float = math.inf,
    geometry: bool = False,
    seed: int = 0,
) -> Effort:
    """Return how far a fit to so many photos goes, with their size if another one is asked for than the quality's.

    See `Effort` for `horizon`, `geometry` and `seed`.
    """
    effort = replace(EFFORTS[quality], horizon=horizon, geometry=geometry, seed=seed)
    if long_side_px is not None:
        larger = long_side_px > effort.long_side_px  # takes all steps, as scores stand still on reduced photos
        patience = EFFORTS["high"].patience if larger else effort.patience
        effort = replace(effort, long_side_px=long_side_px, patience=patience)
    return replace(effort, dropped=DROPPED) if photos < FEW else effort


class Fit:
    """A fit under way."""

    def __init__(self, start: Gaussians, photos: ViewSource, effort: Effort):
        """Begin at `start`; everything is in one normalised frame. Masked pixels do not count."""
        self.effort, self.photos, self.done = effort, photos, 0
        self.scene = Parameters(start, effort.degree, Rates())
        self.colors: PhotoColors | None = PhotoColors(len(photos), self.scene.means.device)
        self._colors_on_trial = True
        self.poses = PhotoPoses(len(photos), self.scene.means.device) if effort.refines_poses else None
        self._density = Density(len(self.scene), self.scene.means.device)
        self._more: ViewSource | None = None  # photos that joined later
        self._generator, self._order = torch.Generator().manual_seed(effort.seed), list[int]()

    def step(self, progress: float) -> None:
        """Take one step, at a progress in (0, 1] of the whole fit."""
        grows = progress < CONTROL_SHARE
        coarse, surfaces = progress < COARSE_SHARE, self.effort.geometry and progress >= SURFACES_FROM
        share = FINAL_RATE + (1 - FINAL_RATE) * fallen(progress)
        self._step(share, coarse=coarse, grows=grows, surfaces=surfaces)
        if self._colors_on_trial and progress >= COLOR_TRIAL:
            self._colors_on_trial = False
            if self.exposure_stops < EVEN_STOPS:
                self.colors = None
        if self.done % CONTROL_EVERY == 0 and grows:
            self._density = self._density.control(self.scene, self.effort.growth, self.effort.most)

    def last_step(self, progress: float) -> None:
        """Take one step of a last stretch, with the Gaussians that there are, at a progress in (0, 1] of it."""
        self._step(FINAL_RATE + (LAST_RATE - FINAL_RATE) * fallen(progress), surfaces=self.effort.geometry)

    @property
    def exposure_stops(self) -> float:
        """By how much exposures differ; 0 if they are taken to be equal, as they are while that is on trial."""
        return 0.0 if self._colors_on_trial or self.colors is None else self.colors.spread_stops

    def join(self, photos: ViewSource) -> None:
        """Fit to these photos as well from now on."""
        self._more, self._order = photos, []
        for own in (self.colors, self.poses):
            if own is not None:
                own.join(len(photos))

    def go_back(self, scene: Gaussians, changes: Float[Tensor, "photo 6"] | None) -> None:
        """Go on from a scene, and changes of poses if they are refined, that were reached before."""
        self.scene = Parameters(scene, self.effort.degree, Rates())
        if self.poses is not None and changes is not None:
            self.poses.numbers = changes.clone()
        self._density = Density(len(self.scene), self.scene.means.device)

    @property
    def cameras(self) -> Cameras:
        """Those of the photos as they are now, then those of photos that joined."""
        given = self.photos.cameras if self._more is None else stack([self.photos.cameras, self._more.cameras])
        return given if self.poses is None else moved(given, self.poses.numbers)

    def _step(self, share: float, *, coarse: bool = False, grows: bool = False, surfaces: bool = False) -> None:
        """Take one step with a share of the first step sizes; if the scene `grows`, note what pulls at it."""
        count = len(self.photos) + (0 if self._more is None else len(self._more))
        self._order = self._order or torch.randperm(count, generator=self._generator).tolist()
        photo = self._order.pop()
        view = self._view(photo)
        if self.poses is not None:
            view = replace(view, cameras=self.poses.of(photo, view.cameras))
        if coarse and max(view.cameras.width, view.cameras.height) >= COARSE * LEAST_COARSE_PX:
            view = reduced(view, COARSE)
        numbers = None if self.colors is None else self.colors.of(photo)
        drawn = thinned(self.scene.gaussians(), self.effort.dropped, self._generator)
        error = photo_error(drawn, view, numbers)
        if surfaces:
            error = error + surface_error(drawn, view, self.effort.horizon)
        error.backward()
        if self.poses is not None:
            self.poses.step(photo, pose_gradient(self.scene, view.cameras.positions[0]), share)
        self.scene.hold(self.scene.means.norm(dim=1) > self.effort.horizon)
        if grows:
            self._density.record(self.scene.means, view.cameras)
        if self.colors is not None and numbers is not None:
            assert numbers.grad is not None, "after the backward pass"
            self.colors.step(photo, numbers.grad, share)
        self.scene.step(share)
        self.done += 1

    def _view(self, photo: int) -> Views:
        if self._more is None or photo < len(self.photos):
            return self.photos[[photo]]
        return self._more[[photo - len(self.photos)]]

    def state(self) -> dict[str, Any]:
        """Return all that changes, as tensors and numbers."""
        return {
            "done": self.done,
            "order": list(self._order),
            "generator": self._generator.get_state(),
            "scene": self.scene.state(),
            "colors": None if self.colors is None else self.colors.state(),
            "colors_on_trial": self._colors_on_trial,
            "poses": None if self.poses is None else self.poses.state(),
            "density": self._density.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go back to a state of a fit of the same start to the same photos with the same effort."""
        self.done, self._order = state["done"], list(state["order"])
        self._generator.set_state(state["generator"])
        self.scene.restore(state["scene"])
        self._colors_on_trial = state["colors_on_trial"]
        if state["colors"] is None:
            self.colors = None
        elif self.colors is not None:
            self.colors.restore(state["colors"])
        if self.poses is not None:
            self.poses.restore(state["poses"])
        self._density.restore(state["density"])


def take_first_steps(
    fit: Fit, steps: int, stage: str, ends: Callable[[], bool] = lambda: False, report: Report = ignore
) -> None:
    """Take the first steps of a fit, on small photos, unless it `ends` before.

    Step sizes stay nearly what they are at first, and photos keep colours of their own.
    """
    for done in range(steps):
        if ends():
            return
        fit.step(COLOR_TRIAL * done / steps)
        report(Step(stage, done + 1, steps))


def photo_error(gaussians: Gaussians, view: Views, numbers: Float[Tensor, "2 3"] | None = None) -> Float[Tensor, ""]:
    """Return the error of a scene against one photo, seen with colours of its own (see `PhotoColors`) if it has any."""
    image = render(gaussians, view.cameras, cutoff=CUTOFF).color
    if numbers is not None:
        image = exposed(image, numbers)
    difference = view.counted(image - view.images).abs()
    return L1_WEIGHT * difference.mean() + SSIM_WEIGHT * (1 - mean_ssim(image, view.images, view.masks))


def surface_error(gaussians: Gaussians, view: Views, horizon: float) -> Float[Tensor, ""]:
    """Return how far Gaussians up to the horizon are from discs that lie in the surface which one camera sees.

    The first part is how thick they are. The second is Σ w (1 - n · N) of each pixel (Huang et al. 2024, 2DGS, eq. 14):
    w are the weights with which Gaussians are blended, n their normals, and N is that of the surface through the depth
    of neighbouring pixels.
    """
    near = gaussians[gaussians.means.detach().norm(dim=1) <= horizon]
    scales = near.scales.sort(dim=1).values
    thickness = (scales[:, 0] / scales[:, 1]).mean()
    normals = near.normals(view.cameras.positions[0].to(near.means))
    shown = replace(near, harmonics=from_color((normals + 1) / 2))
    drawn = render(shown, view.cameras, background=torch.full((3,), 0.5), cutoff=CUTOFF)
    blended = (2 * drawn.color[0] - 1).permute(1, 2, 0)  # [H, W, 3]: Σ w n
    solid = drawn.alpha[0] >= SOLID
    if view.masks is not None:
        solid = solid & (view.masks[0] > 0)
    facing = normals_from_depth(torch.where(solid, drawn.depth[0], 1.0), view.cameras)
    bent = torch.where(solid, drawn.alpha[0] - (blended * facing).sum(-1), 0.0).mean()
    return THICKNESS_WEIGHT * thickness + BEND_WEIGHT * bent


def thinned(gaussians: Gaussians, share: float, generator: torch.Generator) -> Gaussians:
    """Return the scene without a random share of its Gaussians, the others more opaque by as much."""
    if share == 0:
        return gaussians
    opacities = gaussians.opacities
    kept = (torch.rand(len(gaussians), generator=generator) >= share).to(opacities)
    return replace(gaussians, opacities=(opacities * kept / (1 - share)).clamp_max(1 - OPACITY_MARGIN))


def fallen(progress: float) -> float:
    """Return a cosine that falls from 1 to 0 over a progress in [0, 1]."""
    return (1 + math.cos(math.pi * progress)) / 2


def reduced(views: Views, factor: int) -> Views:
    """Return the views at a size smaller by a whole factor; a pixel counts if all that it is made of does."""
    images = avg_pool2d(views.images, factor)
    cameras = views.cameras.resized(images.shape[-1], images.shape[-2])
    masks = None if views.masks is None else (avg_pool2d(views.masks[:, None], factor)[:, 0] == 1).to(images)
    return replace(views, images=images, cameras=cameras, masks=masks, sparse_depth=None, empty=None)
