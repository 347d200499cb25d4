"""What of structure from motion is believed, and what the user should know about it."""

from collections.abc import Sequence

import numpy as np
import pycolmap

MIN_PHOTOS = 3  # two photos agree by chance too easily
MIN_OBSERVATIONS = 30  # points seen per photo; fewer were junk in all photo sets that we looked at
WEAK_OBSERVATIONS = 100  # below, models held together but looked doubtful
FOCAL_RANGE = (0.3, 5.0)  # focal length over longer side: 120 to 11 degrees of view
MAX_DISTORTION = 1.0  # first radial coefficient
STILL_DEG = 2.0  # camera travel seen from the scene below which depth is guesswork
NAMED = 12  # photos that a warning spells out


def believable(models: Sequence[pycolmap.Reconstruction], count: int) -> list[pycolmap.Reconstruction]:
    """Models with enough photos, enough points per photo and possible lenses; the one with most photos first."""
    sound = [
        model
        for model in models
        if model.num_reg_images() >= min(MIN_PHOTOS, count)
        and model.compute_mean_observations_per_reg_image() >= MIN_OBSERVATIONS
        and all(_possible(model.camera(image.camera_id)) for image in _posed(model))
    ]
    return sorted(sound, key=rank, reverse=True)


def _possible(camera: pycolmap.Camera) -> bool:
    relative = camera.mean_focal_length() / max(camera.width, camera.height)
    distortion = np.abs([camera.params[i] for i in camera.extra_params_idxs()])
    return FOCAL_RANGE[0] <= relative <= FOCAL_RANGE[1] and bool((distortion <= MAX_DISTORTION).all())


def _posed(model: pycolmap.Reconstruction) -> list[pycolmap.Image]:
    return [image for image in model.images.values() if image.has_pose]


def rank(model: pycolmap.Reconstruction) -> tuple[int, float]:
    """Sorting key: more photos are better, then a smaller reprojection error."""
    return model.num_reg_images(), -model.compute_mean_reprojection_error()


def shortcomings(models: Sequence[pycolmap.Reconstruction], names: list[str]) -> list[str]:
    """What the user should know about the model that is used, the first, and the rest."""
    used, *others = [{image.name for image in _posed(model)} for model in models]
    warnings = []
    if others:
        rest = " and ".join(f"{len(other)} (such as {min(other)})" for other in others)
        warnings.append(
            f"{len(models)} separate models were found; the largest, with {len(used)} of {len(names)} photos, is used; "
            f"{'the others have' if len(others) > 1 else 'the other has'} {rest}: the photos may show different places."
        )
    if len(used) < len(names):
        left_out = [name for name in names if name not in used]
        more = f" and {len(left_out) - NAMED} more" if len(left_out) > NAMED else ""
        warnings.append(
            f"{len(left_out)} of {len(names)} photos could not be placed: {', '.join(left_out[:NAMED])}{more}."
        )
    observations = models[0].compute_mean_observations_per_reg_image()
    if observations < WEAK_OBSERVATIONS:
        warnings.append(
            f"Few points tie the photos together ({observations:.0f} per photo): their poses may be wrong; "
            "photos with more overlap would help."
        )
    angle = travel_deg(models[0])
    if angle < STILL_DEG:
        warnings.append(
            f"The camera hardly moved ({angle:.1f} degrees seen from the scene): depth is uncertain; "
            "take photos from places further apart."
        )
    return warnings


def travel_deg(model: pycolmap.Reconstruction) -> float:
    """Angle between the two most distant cameras as seen from the middle of the scene."""
    positions = np.array([image.projection_center() for image in _posed(model)])
    points = np.array([point.xyz for point in model.points3D.values()])
    travel = np.linalg.norm(positions[:, None] - positions, axis=-1).max()
    depth = np.median(np.linalg.norm(points - positions.mean(0), axis=1))
    return float(np.degrees(2 * np.arctan2(travel / 2, depth)))
