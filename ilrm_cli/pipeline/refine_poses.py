"""Refined poses on their way through the pipeline: into a fit, and from it to all that knows cameras by photos."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch

from ilrm_cli.capture.poses.lenses import turned_pose
from ilrm_cli.geometry.cameras import Cameras, stack
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.views import Capture, Views, ViewSource
from ilrm_cli.pipeline.optimize.fit import Effort
from ilrm_cli.pipeline.optimize.optimized import FitPoses
from ilrm_cli.pipeline.optimize.pose_trial import squares, try_poses
from ilrm_cli.pipeline.optimize.poses import PoseCorrections, PosedAgain, counting
from ilrm_cli.pipeline.predict import Prediction
from ilrm_cli.pipeline.prepare import Prepared
from ilrm_cli.pipeline.select_inputs import Selection
from ilrm_cli.pipeline.settings import RefinePoses
from ilrm_cli.runtime.progress import Report
from ilrm_cli.scene.record import SceneRecord


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


def with_tried_poses(
    begin: Posed,
    predict: Callable[[Prepared], Prediction] | None,
    start_of: Callable[[Prediction, Prepared], Gaussians],
    chosen: Selection,
    how: Effort,
    wanted: RefinePoses,
    *,
    ends: Callable[[], bool],
    skipped: bool,
    report: Report,
) -> Posed:
    """Refine poses, as far as it is wanted and, unless it is asked for, helps photos that are held out.

    `predict` is what made the prediction, and makes it again from refined poses; None: it stays. A trial that `ends`
    early, or is `skipped` as one did that is repeated, leaves them as they were given.
    """
    if wanted == "off" or (wanted == "auto" and begin.judges is None):
        return begin
    if skipped:
        return replace(begin, refines=wanted == "on", tried=False)
    names, given = [photo.name for photo in chosen.fitted], begin.photos.cameras

    def predicted_again(found: Cameras) -> tuple[Prediction, Prepared]:
        corrections = PoseCorrections.between(names, given.world_from_cam, found.world_from_cam)
        inputs = begin.prepared.inputs
        moved = corrections.applied([photo.name for photo in chosen.used], inputs.cameras)
        prepared = replace(begin.prepared, inputs=replace(inputs, cameras=moved))
        return predict(prepared) if predict else begin.predicted, prepared

    tried = try_poses(
        start_of(begin.predicted, begin.prepared),
        (lambda found: start_of(*predicted_again(found))) if predict else None,
        begin.photos,
        begin.judges,
        how,
        always=wanted == "on",
        ends=ends,
        report=report,
    )
    if not (tried.complete and tried.refines):
        return replace(begin, gain_db=tried.gain_db, refines=tried.refines, tried=tried.complete)
    judges = begin.judges and PosedAgain(begin.judges, tried.judges or begin.judges.cameras)
    predicted, prepared = predicted_again(tried.photos)
    return Posed(predicted, prepared, PosedAgain(begin.photos, tried.photos), judges, tried.gain_db, refines=True)


def corrections_of(
    chosen: Selection, photos: ViewSource, judges: ViewSource | None, found: FitPoses
) -> tuple[PoseCorrections, PoseCorrections | None]:
    """Return what a fit did to the poses of `photos` and `judges` as given, and to those that measured it, if any."""
    names = [photo.name for photo in chosen.fitted]
    if judges is None or found.judges is None or found.measured_from is None:
        return PoseCorrections.between(names, photos.cameras.world_from_cam, found.photos), None
    names += [photo.name for photo in chosen.scored]
    given = stack([photos.cameras, judges.cameras]).world_from_cam
    last, measured = (
        PoseCorrections.between(names, given, torch.cat([found.photos, poses]))
        for poses in (found.judges, found.measured_from)
    )
    return last, measured


def fixed_poses(photos: ViewSource, judges: ViewSource | None) -> FitPoses:
    """Return the poses of a fit that left them as they were found before it."""
    seen = None if judges is None else judges.cameras.world_from_cam
    return FitPoses(photos.cameras.world_from_cam, seen, seen)


def corrected(prepared: Prepared, chosen: Selection, corrections: PoseCorrections | None) -> Prepared:
    """Return inputs and targets with refined poses."""
    if corrections is None:
        return prepared
    inputs, targets = prepared.inputs, prepared.targets
    inputs = replace(inputs, cameras=corrections.applied([photo.name for photo in chosen.used], inputs.cameras))
    names = [photo.name for photo in chosen.scored]
    if targets is not None and set(names) <= set(corrections.names):
        targets = replace(targets, cameras=corrections.applied(names, targets.cameras))
    return replace(prepared, inputs=inputs, targets=targets)


def on_other_half(targets: Views) -> Views:
    """Return held-out photos of which only those pixels count that did not tell their pose."""
    return counting(targets, 1 - squares(targets.cameras.height, targets.cameras.width))


def posed_as_recorded(capture: Capture, record: SceneRecord) -> Capture:
    """Return a capture with the poses that were refined for a scene, if they were."""
    if record.poses_refined is None:
        return capture
    input_from_frame = np.array(record.frame_from_input).T
    poses = {}
    for view in record.views:
        pose = np.array(view.world_from_cam)
        pose[:3] = input_from_frame @ pose[:3]
        pose[:3, 3] += record.origin or (0.0, 0.0, 0.0)
        poses[view.name] = turned_pose(pose, -(view.quarter_turns or 0))
    photos = tuple(
        replace(photo, world_from_cam=poses.get(photo.name, photo.world_from_cam)) for photo in capture.photos
    )
    return replace(capture, photos=photos)
