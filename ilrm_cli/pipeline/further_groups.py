"""Predictions of the parts of a capture that the inputs leave out: from further groups of the photos to fit.

A model predicts from as many views as it was trained for. Further groups are as large as that of the inputs and spread
over the capture like it, each is predicted in its own normalised frame, and all are moved into that of the inputs.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float64
from torch import Tensor

from ilrm_cli.geometry.frames import normalisation_of
from ilrm_cli.geometry.transforms import Similarity
from ilrm_cli.geometry.views import PosedPhoto, stacked_poses
from ilrm_cli.pipeline.choose_views import select_views
from ilrm_cli.pipeline.optimize.poses import PoseCorrections
from ilrm_cli.pipeline.predict import Prediction
from ilrm_cli.pipeline.prepare import Prepared, load_photos, normalized_views
from ilrm_cli.pipeline.select_inputs import Selection
from ilrm_cli.pipeline.starts import Predict, horizon
from ilrm_cli.runtime.progress import Report, ignore

WORTH_A_PASS = 0.5  # of a group: with fewer photos of its own it tells little that is new


def further_groups(chosen: Selection, most: int, seed: int) -> list[tuple[PosedPhoto, ...]]:
    """Return up to so many groups of fitted photos that are no inputs, each as large as the group of inputs.

    The last is filled up with the inputs that are nearest to it.
    """
    size, rest, groups = len(chosen.used), list(chosen.only_fitted), list[tuple[PosedPhoto, ...]]()
    while len(groups) < most and len(rest) >= WORTH_A_PASS * size:
        group = [rest[i] for i in select_views(_poses(rest).numpy(), min(size, len(rest)), seed=seed)]
        rest = [photo for photo in rest if photo not in group]
        places = _poses(group)[:, :3, 3]
        gaps = torch.cdist(_poses(chosen.used)[:, :3, 3], places).amin(1)
        groups.append((*group, *(chosen.used[i] for i in gaps.argsort()[: size - len(group)].tolist())))
    return groups


def predict_further(
    predict: Predict,
    prepared: Prepared,
    groups: Sequence[Sequence[PosedPhoto]],
    corrections: PoseCorrections | None = None,
    report: Report = ignore,
) -> list[Prediction]:
    """Predict from each group, with poses corrected in the frame of `prepared`, and return the scenes in that frame.

    What lies beyond the horizon is left to the prediction from the inputs.
    """
    made = []
    for group in groups:
        to_own = _own_from_inputs(group, prepared, corrections)
        predicted = predict(_prepared(group, prepared, to_own, corrections, report))
        assert predicted.support is not None, "as for the inputs"
        scene = predicted.gaussians.transformed(to_own.inverse())
        near = scene.means.norm(dim=1) < horizon(prepared)
        made.append(Prediction(scene[near], predicted.support[near]))
    return made


def _own_from_inputs(
    group: Sequence[PosedPhoto], prepared: Prepared, corrections: PoseCorrections | None
) -> Similarity:
    """Return the transform to the normalised frame of a group from that of the inputs, whose scale it keeps."""
    upright = prepared.normalized_from_world.poses(_poses(group))
    if corrections is not None:
        upright = corrections.of_poses([photo.name for photo in group], upright)
    own = normalisation_of(upright)
    return Similarity(1.0, own.rotation, own.translation / own.scale)


def _prepared(
    group: Sequence[PosedPhoto],
    prepared: Prepared,
    to_own: Similarity,
    corrections: PoseCorrections | None,
    report: Report,
) -> Prepared:
    """Return a group as the model expects it, as large and as far from the scene as the inputs are."""
    size = prepared.inputs.cameras.width, prepared.inputs.cameras.height
    loaded, _ = load_photos(tuple(group), (), *size, report)
    views = normalized_views(loaded, prepared.normalized_from_world)
    if corrections is not None:
        views = replace(views, cameras=corrections.applied([photo.name for photo in group], views.cameras))
    views = normalized_views(views, to_own).to(prepared.inputs.images.device)
    return Prepared(views, None, prepared.depth_range, to_own.after(prepared.normalized_from_world))


def _poses(photos: Sequence[PosedPhoto]) -> Float64[Tensor, "photo 4 4"]:
    return torch.from_numpy(stacked_poses(photos))
