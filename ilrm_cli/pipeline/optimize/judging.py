"""Which state of a fit is best, and when it ends: photos that it does not see judge it a few times on the way.

They judge with exposures evened out: else a scene whose photos differ in exposure is best before it is sharp
(redkitchen, 0.24 stops: after an eighth of the steps, with an SSIM of 0.76 instead of 0.82 on other photos).

The best state is kept, the prediction included: a fit explains few photos far apart without getting the scene right,
and goes too far. It ends when the judges find nothing better any more, when its steps are taken, or when it is told to.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy import ndarray
from torch import Tensor

from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.views import ViewSource
from ilrm_cli.pipeline.optimize.course import Course, Ending, KeptState
from ilrm_cli.pipeline.optimize.fit import Effort, Fit
from ilrm_cli.pipeline.optimize.pose_trial import NEXT_STEPS, PosedJudges
from ilrm_cli.pipeline.optimize.poses import PosedAgain, moved
from ilrm_cli.render.metrics import evened_psnr, score
from ilrm_cli.render.rasterize import pixels_of, render
from ilrm_cli.runtime.progress import Report, Step, ignore

LOOKS = 8  # of the judges, evenly over the fit
# Looks without a better score after which the fit ends. On three scenes where that was half way, all steps found
# nothing better (statue, fruit, monstree).
PATIENCE = 2
LAST_STAGE = "with all photos"  # on progress bars


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
    last_steps: int = 0  # in which the judges were fitted as well
    exposure_stops: float = 0.0  # by which the photos' exposures differ; 0 if they were taken to be equal
    poses: "FitPoses | None" = None  # None: they stayed

    @property
    def figures(self) -> dict[str, Any]:
        """All but the scene and poses, as JSON values."""
        return {name: value for name, value in vars(self).items() if name not in ("gaussians", "measured", "poses")}


@dataclass(frozen=True)
class FitPoses:
    """Refined poses, world_from_cam, of the scene and of `Optimized.measured`."""

    photos: Float[Tensor, "photo 4 4"]
    judges: Float[Tensor, "judge 4 4"] | None
    measured_from: Float[Tensor, "judge 4 4"] | None  # of the judges, told by half of their pixels: see `PosedJudges`


@dataclass(frozen=True)
class Best:
    """The best state so far."""

    gaussians: Gaussians
    steps: int  # that led to it
    psnr: float  # dB; negative infinity without judges
    looks: int = 0  # of the judges, until they saw it
    changes: Float[Tensor, "photo 6"] | None = None  # of refined poses, see `PhotoPoses`
    seen_from: Float[Tensor, "judge 4 4"] | None = None  # refined poses of the judges


def optimize(
    predicted: Gaussians,
    start: Gaussians,
    photos: ViewSource,
    judges: ViewSource | None,
    effort: Effort,
    *,
    horizon: float = math.inf,
    seed: int = 0,
    refines_poses: bool = False,
    keep_out: bool = True,
    course: Course | None = None,
    kept: KeptState | None = None,
    report: Report = ignore,
) -> Optimized:
    """Fit to `photos`, beginning at `start`; return the best state that the judges saw, `predicted` included.

    Everything is in one normalised frame. Without judges the last state is returned. Masked pixels count neither for
    fitting nor for judging. Unless the judges are to be kept out, they are fitted as well in a last stretch from the
    best state, which nobody can judge any more. See `Fit` for `horizon`. `course` may take other steps than those of
    the effort. With `refines_poses` poses are refined, too, beginning at those given. If `kept` holds a state, left by
    a process that was killed, the fit goes on from there, to the same result.
    """
    fit = Fit(start, photos, effort, horizon=horizon, seed=seed, refines_poses=refines_poses)
    course, found = course or Course([(0, effort.steps)]), kept.found if kept else {}
    posed = PosedJudges(judges) if refines_poses and judges is not None else None
    before = None if judges is None else posed.score(predicted) if posed else score(predicted, judges, evened_psnr)
    best, looks = _best(predicted, 0, before, 0, fit, posed), 0
    ended: Ending | None = found.get("ended")
    last: int | None = found.get("last")
    if found:
        best, looks = Best(Gaussians(**found["gaussians"]), **found["best"]), found["looks"]
        if last is not None and judges is not None:
            fit.join(_as_seen(best, judges))
        fit.restore(found["fit"])
        if posed:
            posed.cameras = posed.cameras.moved(found["judges"])
        report(Step("optimize", fit.done - (last or 0), course.steps, "going on from an earlier run"))
    while ended is None:
        progress = course.progress(fit.done + 1)
        fit.step(progress)
        ended, picture = course.ending(fit.done), None
        if ended is not None or int(LOOKS * progress) > looks:
            looks, now = looks + 1, fit.scene.snapshot()
            if posed:
                posed.align(now, NEXT_STEPS)
            psnr = None if judges is None else posed.score(now) if posed else score(now, judges, evened_psnr)
            if psnr is None or psnr > best.psnr:
                best = _best(now, fit.done, psnr, looks, fit, posed)
            elif best.steps and looks - best.looks >= PATIENCE:
                ended = ended or "no gain"
            picture = partial(picture_of, now, judges or photos)
            if ended is None:
                course.looked(fit.done)
        size = f"{len(fit.scene) // 1000}k Gaussians"
        said = size if judges is None else f"{best.psnr:.2f} dB, {size}"
        report(Step("optimize", fit.done, course.steps, said, picture))
        if kept is not None and ended is None:
            kept.keep(partial(_state, fit, best, looks, course, posed))
    ran, whole, last_steps, poses = fit.done - (last or 0), best.gaussians, 0, _poses(best, photos)
    report(Step("optimize", ran, ran))
    if judges is not None and not keep_out and best.steps:
        for done, planned in _last_stretch(fit, best, judges, course, last):
            report(Step(LAST_STAGE, done, planned))
            if kept is not None and done < planned:
                kept.keep(partial(_state, fit, best, looks, course, posed, ended=ended, last=done))
            if done == planned:
                whole, last_steps = fit.scene.snapshot(), planned
                if poses:
                    seen = fit.cameras.world_from_cam
                    poses = replace(poses, photos=seen[: len(photos)], judges=seen[len(photos) :])
        ended = "stopped" if course.stopped else ended
    return Optimized(
        gaussians=whole,
        measured=best.gaussians,
        steps=best.steps,
        ran=ran,
        plans=course.told,
        ended=ended,
        photos=len(photos),
        width=photos.cameras.width,
        height=photos.cameras.height,
        psnr_before=before,
        psnr_after=None if judges is None else best.psnr,
        last_steps=last_steps,
        exposure_stops=fit.exposure_stops,
        poses=poses,
    )


def _best(scene: Gaussians, steps: int, psnr: float | None, looks: int, fit: Fit, posed: PosedJudges | None) -> Best:
    changes = None if fit.poses is None else fit.poses.changes.clone()
    seen_from = posed.cameras.world_from_cam if posed else None
    return Best(scene, steps, -math.inf if psnr is None else psnr, looks, changes, seen_from)


def _poses(best: Best, photos: ViewSource) -> FitPoses | None:
    """Return the poses of a state, if they are refined."""
    if best.changes is None:
        return None
    return FitPoses(moved(photos.cameras, best.changes).world_from_cam, best.seen_from, best.seen_from)


def _as_seen(best: Best, judges: ViewSource) -> ViewSource:
    """Return the judges from where they saw the best state."""
    return judges if best.seen_from is None else PosedAgain(judges, judges.cameras.moved(best.seen_from))


def _last_stretch(
    fit: Fit, best: Best, judges: ViewSource, course: Course, last: int | None
) -> Iterator[tuple[int, int]]:
    """Fit to the judges as well, from the best state on; yield the steps taken and those planned, until told to end.

    `last` steps of it were taken by a killed process; None: it had not begun.
    """
    steps = course.last_steps(best.steps)
    if last is None:
        if best.steps < fit.done:
            fit.go_back(best.gaussians, best.changes)
        fit.join(_as_seen(best, judges))
    for done in range(1 + (last or 0), steps + 1):
        if course.stopped:
            return
        fit.last_step(done / steps)
        yield done, steps


def _state(fit: Fit, best: Best, looks: int, course: Course, posed: PosedJudges | None, **more: Any) -> dict[str, Any]:
    told = {name: value for name, value in vars(best).items() if name != "gaussians"}
    return {
        "fit": fit.state(), "best": told, "gaussians": vars(best.gaussians), "looks": looks, "plans": course.plans,
        "judges": posed.cameras.world_from_cam if posed else None, **more,
    }  # fmt: skip


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
