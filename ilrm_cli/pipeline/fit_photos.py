"""The prediction fitted to its inputs, or to all posed photos that are not held out.

Photos that were neither predicted from nor fitted to judge how long a fit helps. Where no photo can be spared, the same
is done twice (cross-validation): without one photo, which judges, and then with all of them for as long.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from threading import Event
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from ilrm_cli.capture.load_views import StoredPhotos, common_size, store_photos
from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.views import PosedPhoto, SomeViews, ViewSource
from ilrm_cli.pipeline.backdrop import BEYOND
from ilrm_cli.pipeline.optimize.course import LAST_TIME, Course, KeptState, Running, course_within, state_file
from ilrm_cli.pipeline.optimize.fit import Effort, Fit, effort_for
from ilrm_cli.pipeline.optimize.judging import Optimized, optimize
from ilrm_cli.pipeline.optimize.poses import PoseCorrections
from ilrm_cli.pipeline.predict import Prediction
from ilrm_cli.pipeline.prepare import Prepared, normalized_cameras
from ilrm_cli.pipeline.refine import LEAST_TO_LEAVE_ONE_OUT, Predict, best_covered, refine_start, without
from ilrm_cli.pipeline.refine_poses import Posed, corrections_of, fixed_poses, with_tried_poses
from ilrm_cli.pipeline.select_inputs import Selection
from ilrm_cli.pipeline.settings import Settings
from ilrm_cli.runtime.memory import free_bytes
from ilrm_cli.runtime.progress import Report, ignore

MEMORY_SHARE = 0.25  # of the free memory, for photos; what does not fit is read again when it is needed
MULTIPLE = 16  # px, of sides: tiles of the rasteriser, and photos that halve evenly

# Share of the predicted Gaussians with which a fit to all photos begins; it splits them where that is needed. A tenth
# takes half the time of all of them, and what is seen by few photos is explained more simply: held-out photos gained
# 0.3 dB on fox, 0.9 on apple, 0.3 on toy; a quarter gained as much on fox and toy, and half of that on apple.
START_SHARE, LEAST_START = 0.1, 5000  # the latter a number of Gaussians, for small pictures


@dataclass(frozen=True)
class PhotoFit:
    """A scene fitted to photos, and where those of them were taken that are no inputs."""

    optimized: Optimized
    cameras: Cameras  # normalised, of `Selection.only_fitted`, at the size of the fit
    quarter_turns: Int64[Tensor, " view"] | None  # see `Views`
    cross_validated: str | None = None  # as in `Refinement`
    stopped: bool = False  # whether it was told to end early
    went_on_at: int = 0  # steps that an earlier process had taken, which was killed
    pose_gain_db: float | None = None  # see `TriedPoses`
    corrections: PoseCorrections | None = None  # of the poses of all photos; None: they stayed as given
    measured_with: PoseCorrections | None = None  # those that belong to `Optimized.measured`

    @property
    def warnings(self) -> tuple[str, ...]:
        """One sentence each, on what happened to it."""
        ran, planned = self.optimized.ran, sum(self.optimized.plans[-1])
        went_on = f"the fit went on after the {self.went_on_at} steps of an earlier run, which was ended."
        stopped = f"the fit was stopped after {ran} of {planned} steps; `ilrm refine` goes on with the scene."
        return (*([went_on] if self.went_on_at else ()), *([stopped] if self.stopped else ()))

    @property
    def figures(self) -> dict[str, Any]:
        """The figures of the fit, as JSON values."""
        return {
            **self.optimized.figures,
            "cross_validated": self.cross_validated,
            "pose_gain_db": self.pose_gain_db,
        }


def sparse_start(predicted: Prediction, prepared: Prepared, seed: int) -> Gaussians:
    """Return where a fit to all photos begins: a share of the prediction, larger by as much, and the sparse points.

    Those that remain are chosen at random; the backdrop, and predictions without support, stay whole.
    """
    gaussians, known = predicted.gaussians, predicted.support
    if known is None:
        return gaussians
    near = gaussians.means.norm(dim=1) < horizon(prepared)
    share = min(1.0, max(START_SHARE, LEAST_START / max(1, int(near.sum()))))
    chosen = torch.rand(len(gaussians), generator=torch.Generator().manual_seed(seed)).to(known.device) < share
    scales = torch.where(near[:, None], gaussians.scales / math.sqrt(share), gaussians.scales)
    kept = chosen | ~near
    return refine_start(replace(gaussians, scales=scales)[kept], known[kept], prepared.inputs)


def horizon(prepared: Prepared) -> float:
    """Return the distance from the origin beyond which there is the backdrop alone, in normalised units."""
    return BEYOND / 2 * prepared.depth_range[1]


def fit_photos(
    predict: Predict | None,
    predicted: Prediction,
    prepared: Prepared,
    chosen: Selection,
    settings: Settings,
    *,
    running: Running = Running(),
    key: Sequence[object] = (),
    report: Report = ignore,
) -> PhotoFit:
    """Fit a prediction to `chosen.fitted` at the size of the settings' effort.

    `chosen.scored` judge, and are fitted as well at the end unless the settings keep them out. If there are none, there
    is cross-validation if `predict` is what made the prediction; if it is None, all steps are taken. Two photos leave
    the prediction as it is. `key` tells all that the fit depends on, by which a state of it is found again.
    """
    how, name = effort_for(settings.effort, len(chosen.fitted)), None
    given = _stored(chosen, how, prepared, report)
    once = given[1] is not None or predict is None  # not in two halves, of which the second depends on the first
    kept = KeptState(state_file(key) if running.keeps and once else None)
    begun_s, far = time.monotonic(), horizon(prepared)
    with running.stopping() as stop:
        begin = with_tried_poses(
            Posed(predicted, prepared, *given),
            predict,
            partial(sparse_start, seed=settings.seed),
            chosen,
            how,
            settings.refine_poses,
            horizon=far,
            seed=settings.seed,
            report=report,
        )
        predicted, prepared, photos, judges = begin.predicted, begin.prepared, begin.photos, begin.judges
        seconds = None if settings.minutes is None else 60 * settings.minutes - (time.monotonic() - begun_s)
        fits = _Fits(how, seconds, settings.seed, far, running, stop, begin.refines and once)
        if judges is not None:
            start = sparse_start(predicted, prepared, settings.seed)
            out = settings.keep_out
            optimized = fits.judged(predicted.gaussians, start, photos, judges, kept, report, keep_out=out)
        elif len(photos) < LEAST_TO_LEAVE_ONE_OUT:
            size = photos.cameras.width, photos.cameras.height
            found = predicted.gaussians
            optimized = Optimized(found, found, 0, 0, ((0, 0),), "no gain", len(photos), *size, None, None)
        elif predict is None:
            optimized = fits.judged(predicted.gaussians, predicted.gaussians, photos, None, kept, report)
        else:
            name, optimized = fits.cross_validated(predict, predicted, prepared, chosen, photos, report)
        stopped = stop.is_set()
    inputs = {photo.name for photo in chosen.used}
    others = torch.tensor([photo.name not in inputs for photo in chosen.fitted])
    went_on_at = kept.found["fit"]["done"] if kept.found else 0
    poses = optimized.poses or (fixed_poses(photos, judges) if begin.refines else None)
    corrections, measured_with = corrections_of(chosen, *given, poses) if poses else (None, None)
    return PhotoFit(
        optimized=optimized,
        cameras=(photos.cameras.moved(poses.photos) if poses else photos.cameras)[others],
        quarter_turns=given[0].quarter_turns[others],
        cross_validated=name,
        stopped=stopped,
        went_on_at=went_on_at,
        pose_gain_db=begin.gain_db,
        corrections=corrections,
        measured_with=measured_with,
    )


def _stored(
    chosen: Selection, how: Effort, prepared: Prepared, report: Report
) -> tuple[StoredPhotos, StoredPhotos | None]:
    """Return the photos to fit and those that judge, no larger than they are, within their share of the memory."""
    largest = max(max(photo.lens.width, photo.lens.height) for photo in chosen.fitted)
    width, height = common_size(chosen.fitted, long_side=min(how.long_side_px, largest), multiple=MULTIPLE)
    device = prepared.inputs.images.device
    most_bytes = MEMORY_SHARE * free_bytes(torch.device("cpu")) / (len(chosen.fitted) + len(chosen.scored))

    def store(photos: tuple[PosedPhoto, ...], stage: str) -> StoredPhotos:
        stored = store_photos(photos, width, height, int(most_bytes * len(photos)), stage, report)
        return stored.seen_by(normalized_cameras(stored.cameras, prepared.normalized_from_world).to(device))

    judges = store(chosen.scored, "photos that judge") if chosen.scored else None
    return store(chosen.fitted, "photos to fit"), judges


@dataclass(frozen=True)
class _Fits:
    """Fits that share an effort and what ends them."""

    how: Effort
    seconds: float | None  # for all of them; None: as long as their steps take
    seed: int
    horizon: float
    running: Running
    stop: Event
    refines_poses: bool = False

    def judged(
        self,
        predicted: Gaussians,
        start: Gaussians,
        photos: ViewSource,
        judges: ViewSource | None,
        kept: KeptState,
        report: Report,
        *,
        share: float = 1.0,
        keep_out: bool = True,
    ) -> Optimized:
        """Fit to photos, within a share of the time."""
        if (taken := self.running.taken) is not None:
            course = Course(taken.plans, taken=taken)
        elif self.seconds is None:
            course = Course([(0, self.how.steps)], stop=self.stop)
        else:
            left_s = max(0.0, share * self.seconds - kept.spent_s) / (1.0 if keep_out else 1 + LAST_TIME)
            course = course_within(left_s, Fit(start, photos, self.how), self.stop, kept.found)
        made = self._optimize(
            predicted,
            start,
            photos,
            judges,
            self.how,
            refines_poses=self.refines_poses,
            keep_out=keep_out,
            course=course,
            kept=kept,
            report=report,
        )
        kept.drop()
        return made

    @property
    def _optimize(self) -> Callable[..., Optimized]:
        return partial(optimize, horizon=self.horizon, seed=self.seed)

    def cross_validated(
        self,
        predict: Predict,
        predicted: Prediction,
        prepared: Prepared,
        chosen: Selection,
        photos: ViewSource,
        report: Report,
    ) -> tuple[str, Optimized]:
        """Return the name of the photo that was left out of a trial, and the fit to all photos with the trial's scores.

        One that is no input is left out if there is any: the prediction then never saw it. The final fit has its own
        schedule over as many steps as were best in the trial. If the trial is told to end early, it is all there is.
        """
        names, inputs = [photo.name for photo in chosen.fitted], [photo.name for photo in chosen.used]
        spare = [i for i, name in enumerate(names) if name not in inputs]
        left_out = best_covered(photos.cameras, prepared.distance, spare or range(len(names)))
        fold, before = prepared, predicted
        if not spare:
            fold = without(prepared, inputs.index(names[left_out]))
            before = predict(fold)
        start, judge = sparse_start(before, fold, self.seed), SomeViews(photos, [left_out])
        others = SomeViews(photos, [i for i in range(len(names)) if i != left_out])
        trial = self.judged(before.gaussians, start, others, judge, KeptState(None), report, share=0.5)
        if trial.ended == "stopped":
            return names[left_out], trial
        fitted, steps = predicted.gaussians, 0
        if trial.steps:
            start, taken = sparse_start(predicted, prepared, self.seed), self.running.taken
            taken = taken and replace(taken, ran=taken.steps)
            seconds = None if self.seconds is None or taken else self.seconds / 2
            course = Course([(0, trial.steps)], stop=self.stop, seconds=seconds, taken=taken)
            final = self._optimize(fitted, start, photos, None, self.how, course=course, report=report)
            fitted, steps = final.gaussians, final.steps
        return names[left_out], replace(trial, gaussians=fitted, measured=fitted, steps=steps, photos=len(names))
