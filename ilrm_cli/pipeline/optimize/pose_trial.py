"""Whether the poses fit the photos, told by photos that are held out, and poses to begin with where they do not.

A held-out photo has a pose of its own, which may be off as well. It is refined against the scene, which stays, on half
of the photo's pixels, and scored on the other half: squares as on a chessboard. What that gains tells how far poses are
off; good ones gain next to nothing.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.views import ViewSource
from ilrm_cli.pipeline.optimize.fit import COARSE, Effort, Fit, reduced, take_first_steps
from ilrm_cli.pipeline.optimize.parameters import Parameters, Rates
from ilrm_cli.pipeline.optimize.poses import PhotoPoses, PoseCorrections, PosedAgain, pose_gradient
from ilrm_cli.render.metrics import evened_psnr, score
from ilrm_cli.render.rasterize import render
from ilrm_cli.runtime.progress import Report, ignore

SQUARES = 4  # along either side
FIRST_STEPS, NEXT_STEPS = 30, 10  # of aligning a held-out photo: to a first scene, and to a later state of it

# Steps with poses, over those of the effort: to find out whether they help, and from a new prediction if they do.
TRIAL_SHARE, AGAIN_SHARE = 0.1, 0.25

# By how much of its long side the mean picture has to move in a trial before anything else is tried: with poses off by
# 1 degree and 1 % it came to 1.4 % on fern, 0.7 % on fox, 0.8 % on toy; with good poses to 0.1 to 0.5 % on six scenes.
LEAST_MOVED = 0.004
LEAST_GAIN_DB = 0.3  # of held-out photos, over a trial with the poses as given, from which poses are refined
STAGE = "poses against the photos"  # on progress bars


@dataclass(frozen=True)
class TriedPoses:
    """What was found out about poses."""

    photos: Cameras  # of the photos to fit, as they are best known
    judges: Cameras | None  # of those that judge, if there are any; None: as given
    gain_db: float | None  # of the judges, by refined poses; None: none judges, or poses hardly moved
    refines: bool  # whether poses are to be refined further; if not, cameras are as given
    complete: bool = True  # whether the trial ran to its end; if not, cameras are as given as well


class PosedJudges:
    """Held-out photos whose poses are refined on half of their pixels; the other half scores."""

    def __init__(self, source: ViewSource):
        self._source, self.cameras = source, source.cameras
        self._told = squares(self.cameras.height, self.cameras.width).to(self.cameras.world_from_cam.device)

    def align(self, scene: Gaussians, steps: int) -> None:
        """Go on refining poses against a scene."""
        told = PosedAgain(self._source, self.cameras, self._told)
        found = [aligned(scene, told, photo, steps).world_from_cam for photo in range(len(told))]
        self.cameras = self.cameras.moved(torch.cat(found))

    def score(self, scene: Gaussians, cameras: Cameras | None = None) -> float:
        """Return the mean PSNR of the other half, with exposures evened out; by default with the refined poses."""
        return score(scene, self.scoring(cameras), evened_psnr)

    def scoring(self, cameras: Cameras | None = None) -> PosedAgain:
        """Return the photos with the other half of their pixels; by default with the refined poses."""
        return PosedAgain(self._source, cameras or self.cameras, 1 - self._told)


def squares(height: int, width: int) -> Float[Tensor, "height width"]:
    """Return 1 on half of a picture's pixels, in squares as on a chessboard, which may be longer than wide."""
    rows, columns = (torch.arange(side) * SQUARES // side for side in (height, width))
    return ((rows[:, None] + columns) % 2).float()


def aligned(scene: Gaussians, views: ViewSource, index: int, steps: int) -> Cameras:
    """Return the camera of one of the views, moved in so many steps to where the scene looks most like it."""
    view, still = reduced(views[[index]], COARSE), Parameters(scene, scene.sh_degree, Rates())
    poses = PhotoPoses(1, scene.means.device)
    for done in range(steps):
        camera = poses.of(0, view.cameras)
        view.counted(render(still.gaussians(), camera).color - view.images).abs().mean().backward()
        poses.step(0, pose_gradient(still, camera.positions[0]), 1 - done / steps, centred=False)
        still.forget()
    return poses.of(0, views.cameras[[index]])


def try_poses(
    start: Gaussians,
    predict_again: Callable[[Cameras], Gaussians] | None,
    photos: ViewSource,
    judges: ViewSource | None,
    effort: Effort,
    *,
    always: bool,
    ends: Callable[[], bool] = lambda: False,
    report: Report = ignore,
) -> TriedPoses:
    """Find out whether refined poses help the judges; if they do, or `always`, find better ones for all photos.

    The first steps of a fit, on small photos, are taken with poses. `predict_again` makes another start from refined
    poses of the photos. When it `ends` early poses are as given, whatever was found until then.
    """
    assert judges is not None or always, "somebody decides"

    def stretch(begin: Gaussians, seen: ViewSource, share: float, *, refines: bool = True) -> tuple[Gaussians, Cameras]:
        fit = Fit(begin, seen, replace(effort, refines_poses=refines))
        take_first_steps(fit, int(share * effort.steps), STAGE, ends, report)
        return fit.scene.snapshot(), fit.cameras

    given = photos.cameras
    early = TriedPoses(given, None, None, refines=always, complete=False)
    scene, found = stretch(start, photos, TRIAL_SHARE)
    if ends():
        return early
    if not always and pictures_moved(given, found) < LEAST_MOVED:
        return TriedPoses(given, None, None, refines=False)
    gain_db, judged = None, None
    if judges is not None:
        judged = PosedJudges(judges)
        judged.align(scene, FIRST_STEPS)
        unmoved, _ = stretch(start, photos, TRIAL_SHARE, refines=False)
        if ends():
            return early
        gain_db = judged.score(scene) - judged.score(unmoved, judges.cameras)
        if not always and gain_db < LEAST_GAIN_DB:
            return TriedPoses(given, None, gain_db, refines=False)
    if predict_again is not None:
        scene, found = stretch(predict_again(found), PosedAgain(photos, found), AGAIN_SHARE)
        if ends():
            return early
        if judged is not None:
            judged.align(scene, FIRST_STEPS)
    return TriedPoses(found, judged.cameras if judged else None, gain_db, refines=True)


def pictures_moved(given: Cameras, found: Cameras) -> float:
    """Return how far turns of the cameras move pictures, in the mean, as a share of their long side."""
    names = [str(i) for i in range(len(given))]
    turns = PoseCorrections.between(names, given.world_from_cam, found.world_from_cam)
    return math.radians(turns.turn_deg) * float(given.focal_px.mean()) / max(given.width, given.height)
