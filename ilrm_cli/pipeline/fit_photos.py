"""The prediction, or a scene that was made before, fitted to all posed photos that are not held out.

Photos that were neither predicted from nor fitted to judge how long a fit helps. Where no photo can be spared, the same
is done twice (cross-validation): without one photo, which judges, and then with all of them for as long.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from ilrm_cli.capture.load_views import StoredPhotos, common_size, store_photos
from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.views import PosedPhoto
from ilrm_cli.pipeline.further_groups import further_groups, predict_further
from ilrm_cli.pipeline.judged_fits import Fits, Posed
from ilrm_cli.pipeline.optimize.course import Begun, Running
from ilrm_cli.pipeline.optimize.fit import Effort, effort_for
from ilrm_cli.pipeline.optimize.kept_state import KeptState, state_file
from ilrm_cli.pipeline.optimize.optimized import Optimized
from ilrm_cli.pipeline.optimize.poses import PoseCorrections
from ilrm_cli.pipeline.predict import Prediction
from ilrm_cli.pipeline.prepare import Prepared, normalized_cameras
from ilrm_cli.pipeline.refine_poses import corrections_of, fixed_poses
from ilrm_cli.pipeline.select_inputs import Selection
from ilrm_cli.pipeline.settings import Settings
from ilrm_cli.pipeline.starts import LEAST_TO_LEAVE_ONE_OUT, Predict, horizon, points_start
from ilrm_cli.runtime.memory import free_bytes
from ilrm_cli.runtime.progress import Report, ignore

MEMORY_SHARE = 0.25  # of the free memory, for photos; what does not fit is read again when it is needed
LEAST_MINUTES = 1.0  # of a fit for which there are further predictions; each takes about ten seconds of two cores
TRIAL_TIME = 0.5  # of the time, after which poses are left as they were given if their trial is not over
MULTIPLE = 16  # px, of sides: tiles of the rasteriser, and photos that halve evenly


@dataclass(frozen=True)
class PhotoFit:
    """A scene fitted to photos, and where those of them were taken that are no inputs."""

    optimized: Optimized
    cameras: Cameras  # normalised, of `Selection.only_fitted`, at the size of the fit
    quarter_turns: Int64[Tensor, " view"] | None  # see `Views`
    cross_validated: str | None = None  # as in `Refinement`
    went_on_at: int = 0  # steps that an earlier process had taken, which was killed
    pose_gain_db: float | None = None  # see `TriedPoses`
    poses_tried: bool = True  # whether their trial ran to its end, if there was one
    corrections: PoseCorrections | None = None  # of the poses of all photos; None: they stayed as given
    measured_with: PoseCorrections | None = None  # those that belong to `Optimized.measured`

    @property
    def warnings(self) -> tuple[str, ...]:
        """One sentence each, on what happened to it."""
        made, said = self.optimized, []
        if self.went_on_at:
            said.append(f"the fit went on after the {self.went_on_at} steps of an earlier run, which was ended.")
        if "stopped" in (made.ended, made.final_ended):
            planned = sum(made.plans[-1])
            when = f"after {made.ran} of {planned} steps" if made.ran < planned else "before its end"
            said.append(f"the fit was stopped {when}; `ilrm refine` goes on with the scene.")
        return tuple(said)

    @property
    def figures(self) -> dict[str, Any]:
        """The figures of the fit, as JSON values."""
        return {
            **self.optimized.figures,
            "cross_validated": self.cross_validated,
            "pose_gain_db": self.pose_gain_db,
            "poses_tried": self.poses_tried,
        }


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
    how = effort_for(
        settings.settled_quality,
        len(chosen.fitted),
        long_side_px=settings.fit_side_px,
        horizon=horizon(prepared),
        geometry=settings.geometry,
        seed=settings.seed,
    )
    given = _stored(chosen, how, prepared, report)
    once = given[1] is not None or predict is None  # not in two halves, of which the second depends on the first
    kept = KeptState(state_file(key) if running.keeps and once else None, running.keeps)
    clock = _Clock(settings.minutes)
    with running.stopping() as stop:
        fits = Fits(chosen, predict, how, clock.left_s, running, stop, report)

        def over() -> bool:
            return stop.is_set() or clock.spent(TRIAL_TIME)

        begin = fits.with_tried_poses(Posed(predicted, prepared, *given), settings.refine_poses, over)
        hurried = settings.minutes is not None and settings.minutes < LEAST_MINUTES
        further = () if hurried else _further(fits, begin, given[0].cameras)
        points = None if hurried else _points(fits, begin, further, kept.begun_at or running.begun_at, over)
        kept.begun_at = "scene" if predict is None else "prediction" if points is None else "points"
        fits = replace(fits, how=replace(how, refines_poses=begin.refines and once), seconds=clock.left_s)
        name, optimized = _fitted(fits, begin, further, points, kept, keep_out=settings.keep_out)
        optimized = replace(optimized, begun_at=kept.begun_at)
    photos, judges = begin.photos, begin.judges
    inputs = {photo.name for photo in chosen.used}
    others = torch.tensor([photo.name not in inputs for photo in chosen.fitted])
    poses = optimized.poses or (fixed_poses(photos, judges) if begin.refines else None)
    corrections, measured_with = corrections_of(chosen, *given, poses) if poses else (None, None)
    return PhotoFit(
        optimized=optimized,
        cameras=(photos.cameras.moved(poses.photos) if poses else photos.cameras)[others],
        quarter_turns=given[0].quarter_turns[others],
        cross_validated=name,
        went_on_at=kept.done,
        pose_gain_db=begin.gain_db,
        poses_tried=begin.tried,
        corrections=corrections,
        measured_with=measured_with,
    )


class _Clock:
    """The time that a fit may take, with all that comes before it."""

    def __init__(self, minutes: float | None):
        self._begun_s, self._seconds = time.monotonic(), None if minutes is None else 60 * minutes

    @property
    def left_s(self) -> float | None:
        """Seconds; None: as long as it takes."""
        return None if self._seconds is None else self._seconds - (time.monotonic() - self._begun_s)

    def spent(self, share: float) -> bool:
        """Return whether so large a share of the time is over."""
        return self._seconds is not None and time.monotonic() - self._begun_s > share * self._seconds


def _fitted(
    fits: Fits,
    begin: Posed,
    further: Sequence[Prediction],
    points: Gaussians | None,
    kept: KeptState,
    *,
    keep_out: bool,
) -> tuple[str | None, Optimized]:
    """Return the fit, judged in the way that the photos allow, and the name of a photo left out of a trial, if one was.

    See `fit_photos`.
    """
    predicted, photos, found = begin.predicted, begin.photos, begin.predicted.gaussians
    if begin.judges is not None:
        start = fits.start(predicted, begin.prepared, further) if points is None else points
        return None, fits.run(found, start, photos, begin.judges, kept, keep_out=keep_out)
    if len(photos) < LEAST_TO_LEAVE_ONE_OUT:
        size = photos.cameras.width, photos.cameras.height
        return None, Optimized(found, found, 0, 0, ((0, 0),), "no gain", len(photos), *size, None, None)
    if fits.predict is None:
        return None, fits.run(found, found, photos, None, kept)
    return fits.cross_validated(begin, further)


def _points(
    fits: Fits, begin: Posed, further: Sequence[Prediction], known: Begun | None, ends: Callable[[], bool]
) -> Gaussians | None:
    """Return the sparse points if the fit is to begin at them: if it is `known`, or the judges of a trial prefer them.

    There is no trial where nobody judges, for a scene that was made before, for a prediction that no model made, if
    poses have moved away from the points, or if their own trial ran out of time.
    """
    comparable = begin.judges is not None and fits.predict is not None and begin.predicted.support is not None
    if not comparable or begin.refines or not begin.tried or known not in (None, "points"):
        return None
    points = points_start(begin.predicted, begin.prepared, begin.photos, fits.chosen.fitted)
    if points is None or known == "points":
        return points
    start = fits.start(begin.predicted, begin.prepared, further)
    return points if fits.points_are_better(begin, start, points, ends) else None


def _further(fits: Fits, begin: Posed, given: Cameras) -> Sequence[Prediction]:
    """Return predictions from photos that are no inputs, if the model's can be thinned.

    There is no time after a trial of poses that was ended early. `given` are the cameras of the fitted photos before
    poses were refined.
    """
    if fits.predict is None or not begin.tried or begin.predicted.support is None:
        return ()
    corrections = None
    if begin.refines:
        names, found = [photo.name for photo in fits.chosen.fitted], begin.photos.cameras.world_from_cam
        corrections = PoseCorrections.between(names, given.world_from_cam, found)
    groups = further_groups(fits.chosen, fits.how.groups, fits.how.seed)
    return predict_further(fits.predict, begin.prepared, groups, corrections, fits.report)


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

    judges = store(chosen.scored, "held-out photos") if chosen.scored else None
    return store(chosen.fitted, "photos to fit"), judges
