"""Fits whose judges are photos: those that are held out, or one that a trial leaves out where none can be spared.

The judges also tell, in a trial before, whether poses are to be refined.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from threading import Event

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.views import SomeViews, ViewSource
from ilrm_cli.pipeline.optimize.course import Course, Running, course_within
from ilrm_cli.pipeline.optimize.fit import Effort, Fit, take_first_steps
from ilrm_cli.pipeline.optimize.judging import Judges, optimize
from ilrm_cli.pipeline.optimize.kept_state import KeptState
from ilrm_cli.pipeline.optimize.optimized import Optimized
from ilrm_cli.pipeline.optimize.pose_trial import try_poses
from ilrm_cli.pipeline.optimize.poses import PoseCorrections, PosedAgain
from ilrm_cli.pipeline.predict import Prediction
from ilrm_cli.pipeline.prepare import Prepared
from ilrm_cli.pipeline.select_inputs import Selection
from ilrm_cli.pipeline.settings import RefinePoses
from ilrm_cli.pipeline.starts import Predict, best_covered, sparse_start, without
from ilrm_cli.runtime.progress import Report

# Steps from either start, after which the judges choose, and by how much the points have to lead, as states are
# compared (see `SSIM_DB`), in dB. Of 20 real scenes they led by 0.6 on beach, and by 2 after 300 steps; the prediction
# led by 0.1 on beer, where neither led by more later, and by 1 to 9 on the others. After 50 steps it led on all.
START_STEPS, LEAST_LEAD_DB = 100, 0.3
START_STAGE = "trying where to begin"  # on progress bars


@dataclass(frozen=True)
class Posed:
    """What a fit begins with, as far as it depends on poses."""

    predicted: Prediction
    prepared: Prepared
    photos: ViewSource
    judges: ViewSource | None
    gain_db: float | None = None  # see `TriedPoses`
    refines: bool = False  # whether the poses are to be refined further
    tried: bool = True  # whether a trial of poses ran to its end, if there was to be one


@dataclass(frozen=True)
class Fits:
    """Fits to the photos of one selection, which share an effort and what ends them."""

    chosen: Selection
    predict: Predict | None  # what made the prediction; None: it is not made again
    how: Effort
    seconds: float | None  # for all of them; None: as long as their steps take
    running: Running
    stop: Event
    report: Report

    def with_tried_poses(self, begin: Posed, wanted: RefinePoses, ends: Callable[[], bool]) -> Posed:
        """Refine poses, as far as it is wanted and, unless it is asked for, helps photos that are held out.

        The prediction is made again from refined poses, if what made it is known. A trial that `ends` early, or that
        did so where this fit is one that is repeated, leaves poses as they were given.
        """
        if wanted == "off" or (wanted == "auto" and begin.judges is None):
            return begin
        if self.running.taken is not None and not self.running.taken.poses_tried:
            return replace(begin, refines=wanted == "on", tried=False)
        names, given = [photo.name for photo in self.chosen.fitted], begin.photos.cameras

        def predicted_again(found: Cameras) -> tuple[Prediction, Prepared]:
            corrections = PoseCorrections.between(names, given.world_from_cam, found.world_from_cam)
            inputs = begin.prepared.inputs
            moved = corrections.applied([photo.name for photo in self.chosen.used], inputs.cameras)
            prepared = replace(begin.prepared, inputs=replace(inputs, cameras=moved))
            return self.predict(prepared) if self.predict else begin.predicted, prepared

        tried = try_poses(
            self.start(begin.predicted, begin.prepared),
            (lambda found: self.start(*predicted_again(found))) if self.predict else None,
            begin.photos,
            begin.judges,
            self.how,
            always=wanted == "on",
            ends=ends,
            report=self.report,
        )
        if not (tried.complete and tried.refines):
            return replace(begin, gain_db=tried.gain_db, refines=tried.refines, tried=tried.complete)
        judges = begin.judges and PosedAgain(begin.judges, tried.judges or begin.judges.cameras)
        predicted, prepared = predicted_again(tried.photos)
        return Posed(predicted, prepared, PosedAgain(begin.photos, tried.photos), judges, tried.gain_db, refines=True)

    def start(self, predicted: Prediction, prepared: Prepared, further: Sequence[Prediction] = ()) -> Gaussians:
        """Return where a fit to all photos begins; see `sparse_start`."""
        return sparse_start(predicted, prepared, self.how.seed, further)

    def points_are_better(self, begin: Posed, start: Gaussians, points: Gaussians, ends: Callable[[], bool]) -> bool:
        """Return whether the judges clearly prefer the points to `start` after the first steps from either.

        A trial that `ends` early prefers nothing.
        """
        judges = Judges(begin.judges, refines_poses=False)
        worth = []
        for scene in (start, points):
            fit = Fit(scene, begin.photos, self.how)
            take_first_steps(fit, min(START_STEPS, self.how.steps // 2), START_STAGE, ends, self.report)
            if ends():
                return False
            opinion = judges.score(fit.scene.snapshot())
            assert opinion is not None, "photos judge"
            worth.append(opinion.worth)
        return worth[1] > worth[0] + LEAST_LEAD_DB

    def run(
        self,
        predicted: Gaussians,
        start: Gaussians,
        photos: ViewSource,
        judges: ViewSource | None,
        kept: KeptState | None = None,
        *,
        share: float = 1.0,
        keep_out: bool = True,
    ) -> Optimized:
        """Fit to photos, within a share of the time."""
        kept = kept or KeptState(None)
        if (taken := self.running.taken) is not None:
            course = Course(taken.plans, taken=taken)
        elif self.seconds is None:
            course = Course([(0, self.how.steps)], stop=self.stop)
        else:
            left_s, rehearsal = max(0.0, share * self.seconds - kept.spent_s), Fit(start, photos, self.how)
            last_stretch = not keep_out
            course = course_within(
                left_s, rehearsal, self.stop, kept.plans, begun_at=kept.done, last_stretch=last_stretch
            )
        made = optimize(
            predicted, start, photos, judges, self.how, keep_out=keep_out, course=course, kept=kept, report=self.report
        )
        kept.drop()
        return made

    def cross_validated(self, begin: Posed, further: Sequence[Prediction]) -> tuple[str, Optimized]:
        """Return the name of the photo that was left out of a trial, and the fit to all photos with the trial's scores.

        One that is no input is left out if there is any: the prediction then never saw it, and predictions of `further`
        groups have no part in the trial. The final fit has its own schedule over as many steps as were best in the
        trial. If the trial is told to end early, it is all there is.
        """
        assert self.predict is not None, "the photo that is left out may be an input"
        predicted, prepared, photos = begin.predicted, begin.prepared, begin.photos
        names, inputs = ([photo.name for photo in some] for some in (self.chosen.fitted, self.chosen.used))
        spare = [i for i, name in enumerate(names) if name not in inputs]
        left_out = best_covered(photos.cameras, prepared.distance, spare or range(len(names)))
        fold, before = prepared, predicted
        if not spare:
            fold = without(prepared, inputs.index(names[left_out]))
            before = self.predict(fold)
        start, judge = self.start(before, fold), SomeViews(photos, [left_out])
        others = SomeViews(photos, [i for i in range(len(names)) if i != left_out])
        trial = self.run(before.gaussians, start, others, judge, share=0.5)
        if trial.ended == "stopped":
            return names[left_out], trial
        made = replace(trial, gaussians=predicted.gaussians, measured=predicted.gaussians, photos=len(names))
        if trial.steps:
            final = self._final(trial, begin, self.start(predicted, prepared, further))
            made = replace(made, gaussians=final.gaussians, measured=final.gaussians, steps=final.steps)
            made = replace(made, final_ended=final.ended, psnr_fitted=final.psnr_fitted)
        return names[left_out], made

    def _final(self, trial: Optimized, begin: Posed, start: Gaussians) -> Optimized:
        """Fit to all photos for as many steps as were best in a trial."""
        taken, seconds = self.running.taken, None if self.seconds is None else self.seconds / 2
        if taken is not None:
            taken, seconds = replace(taken, ran=taken.steps, ended=taken.final_ended or taken.ended), None
        course = Course([(0, trial.steps)], stop=self.stop, seconds=seconds, taken=taken)
        return optimize(
            begin.predicted.gaussians, start, begin.photos, None, self.how, course=course, report=self.report
        )
