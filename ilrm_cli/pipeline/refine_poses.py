"""Refined poses on their way from a fit to all that knows cameras by photos."""

from dataclasses import replace

import numpy as np
import torch

from ilrm_cli.capture.poses.lenses import turned_pose
from ilrm_cli.geometry.cameras import stack
from ilrm_cli.geometry.views import Capture, Views, ViewSource
from ilrm_cli.pipeline.optimize.optimized import FitPoses
from ilrm_cli.pipeline.optimize.pose_trial import squares
from ilrm_cli.pipeline.optimize.poses import PoseCorrections, counting
from ilrm_cli.pipeline.prepare import Prepared
from ilrm_cli.pipeline.select_inputs import Selection
from ilrm_cli.scene.record import SceneRecord


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
