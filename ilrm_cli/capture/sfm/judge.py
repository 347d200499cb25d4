"""Plausibility checks of structure-from-motion models, and warnings for the user."""

import copy
from collections.abc import Sequence

import numpy as np

from ilrm_cli.capture.photos.folder import MIN_PHOTOS
from ilrm_cli.capture.poses.colmap_library import pycolmap
from ilrm_cli.capture.poses.overlap import distance_to_scene, farthest_apart
from ilrm_cli.capture.sfm.match_graph import FEW_FEATURES, MatchGraph, advice_on_overlap
from ilrm_cli.geometry.views import LeftOut
from ilrm_cli.runtime.errors import listed

MIN_OWN_POINTS = 15  # per photo; with fewer, global mapping placed photos anywhere, one 80 times too far away
MIN_OBSERVATIONS = 30  # points seen per photo; models with fewer were junk in all photo sets we examined
WEAK_OBSERVATIONS = 100  # below, models held together but looked doubtful
MAX_ERROR_PX = 2.0  # mean reprojection error; COLMAP drops points beyond 4, sound models stay below 1
MIN_TRACK = 2.1  # mean photos per point; if hardly any point is seen by a third photo, nothing verifies the pairs
MIN_ANGLE_DEG = 1.0  # median angle between a point's rays; below, depth is noise
FOCAL_RANGE = (0.3, 5.0)  # focal length over longer side: 120 to 11 degrees of view
MAX_DISTORTION = 1.0  # first radial coefficient
# Share of the photos and error from which a model is believed whatever its lens: so much of junk does not fit, while
# action cameras and ultra-wide phone lenses reach 150 degrees.
CONVINCING_SHARE, CONVINCING_ERROR_PX = 0.5, 1.0
STILL_DEG = 2.0  # camera travel seen from the scene below which depth is guesswork
ENOUGH_MATCHES = 60  # with placed photos; an unplaced photo with this many fails for another reason
SAMPLED_POINTS = 2000  # of a model for its angles: the median of more is the same
NAMED = 3  # photos that a warning lists


def believable(models: Sequence[pycolmap.Reconstruction], offered: int) -> list[pycolmap.Reconstruction]:
    """Return the models without fault, less weakly connected photos; the one with most photos first.

    `offered` is the number of photos that there are.
    """
    held = [without_loose_photos(model) for model in models]
    return sorted((model for model in held if fault(model, offered) is None), key=rank, reverse=True)


def without_loose_photos(model: pycolmap.Reconstruction) -> pycolmap.Reconstruction:
    """Return the model, or a copy in which every photo sees enough points; removing one may loosen others."""
    held = model
    while loose := [image for image in _posed(held) if image.num_points3D < MIN_OWN_POINTS]:
        held = copy.deepcopy(model) if held is model else held
        held.deregister_frame(min(loose, key=lambda image: image.num_points3D).frame_id)
    return held


def fault(model: pycolmap.Reconstruction, offered: int) -> str | None:
    """Return why a model of so many photos is implausible, as a clause; None if it is plausible."""
    if model.num_reg_images() < MIN_PHOTOS:
        return "hardly any photos could be joined"
    if model.compute_mean_observations_per_reg_image() < MIN_OBSERVATIONS:
        return "too few points are shared"
    if _unusual(model) and not _convincing(model, offered):
        return "no real lens explains what they show"
    if model.compute_mean_reprojection_error() > MAX_ERROR_PX:
        return "the points do not fit one rigid place"
    if model.num_reg_images() > MIN_PHOTOS and model.compute_mean_track_length() < MIN_TRACK:
        return "hardly any point is seen in more than two photos"
    if triangulation_deg(model) < MIN_ANGLE_DEG:
        return "the camera hardly moved"
    return None


def _convincing(model: pycolmap.Reconstruction, offered: int) -> bool:
    """Return whether so much of a model fits together that its lens is evidence of a lens, and not of junk."""
    return (
        model.num_reg_images() >= CONVINCING_SHARE * offered
        and model.compute_mean_reprojection_error() <= CONVINCING_ERROR_PX
        and model.compute_mean_observations_per_reg_image() >= WEAK_OBSERVATIONS
    )


def _unusual(model: pycolmap.Reconstruction) -> list[pycolmap.Camera]:
    """Return the cameras of photos that are no common lens."""
    cameras = [model.camera(key) for key in sorted({image.camera_id for image in _posed(model)})]
    return [camera for camera in cameras if not _common(camera)]


def _common(camera: pycolmap.Camera) -> bool:
    distortion = np.abs([camera.params[i] for i in camera.extra_params_idxs()])
    return FOCAL_RANGE[0] <= _relative(camera) <= FOCAL_RANGE[1] and bool((distortion <= MAX_DISTORTION).all())


def _relative(camera: pycolmap.Camera) -> float:
    """Return the focal length over the longer side."""
    return float(camera.mean_focal_length() / max(camera.width, camera.height))


def _posed(model: pycolmap.Reconstruction) -> list[pycolmap.Image]:
    return [image for image in model.images.values() if image.has_pose]


def _names(model: pycolmap.Reconstruction) -> set[str]:
    return {image.name for image in _posed(model)}


def rank(model: pycolmap.Reconstruction) -> tuple[int, float]:
    """Return a sort key: more photos are better, then a smaller reprojection error."""
    return model.num_reg_images(), -model.compute_mean_reprojection_error()


def shortcomings(models: Sequence[pycolmap.Reconstruction], names: Sequence[str]) -> list[str]:
    """Return warnings about the first model, which is used, and about the others."""
    used, *others = [_names(model) for model in models]
    warnings = []
    if others:
        rest = " and ".join(f"{len(other)} ({listed(sorted(other), NAMED)})" for other in others)
        warnings.append(
            f"{len(models)} separate models were found; the largest, with {len(used)} of {len(names)} photos, is used; "
            f"{'the others have' if len(others) > 1 else 'the other has'} {rest}: the photos may show different places."
        )
    left_out = [name for name in names if name not in used]
    if not set(left_out) <= set().union(*others):  # else the first sentence names them
        warnings.append(f"{len(left_out)} of {len(names)} photos could not be placed: {listed(left_out, NAMED)}.")
    observations = models[0].compute_mean_observations_per_reg_image()
    if observations < WEAK_OBSERVATIONS:
        warnings.append(
            f"Few points tie the photos together ({observations:.0f} per photo): their poses may be wrong; "
            "photos with more overlap would help."
        )
    for camera in _unusual(models[0]):
        view_deg = 2 * np.degrees(np.arctan(0.5 / _relative(camera)))
        warnings.append(
            f"The photos fit a lens of {view_deg:.0f} degrees of view, which is unusual; if that is not yours, give it "
            "with --camera."
        )
    angle = travel_deg(models[0])
    if angle < STILL_DEG:
        warnings.append(
            f"The camera hardly moved ({angle:.1f} degrees seen from the scene): depth is uncertain; "
            "take photos from places further apart."
        )
    return warnings


def left_out(models: Sequence[pycolmap.Reconstruction], graph: MatchGraph) -> tuple[LeftOut, ...]:
    """Return every photo that the first model lacks, with the reason suggested by its features and matches."""
    used, *others = [_names(model) for model in models]
    return tuple(LeftOut(name, _reason(name, used, others, graph)) for name in graph.names if name not in used)


def _reason(name: str, used: set[str], others: Sequence[set[str]], graph: MatchGraph) -> str:
    index = graph.names.index(name)
    assert graph.features is not None
    features = graph.features[index]
    for other in others:
        if name in other:
            return f"it belongs to another model of {len(other)} photos, which may show another place"
    if features is None:
        return "structure from motion could not read it"
    if features < FEW_FEATURES:
        return f"it has too few features ({features}; it is blurred, dark or blank)"
    shared = {other: int(count) for other, count in zip(graph.names, graph.matches[index], strict=True) if count}
    placed = {other: count for other, count in shared.items() if other in used}
    if not shared:
        return "it shares no points with the other photos"
    if not placed:
        return f"it shares no points with the photos that were placed, only with {max(shared, key=lambda n: shared[n])}"
    nearest = max(placed, key=lambda other: placed[other])
    if placed[nearest] < ENOUGH_MATCHES:
        return f"it shares too few points with the photos that were placed ({placed[nearest]} with {nearest})"
    return f"its {placed[nearest]} points shared with {nearest} fit no single position"


def failure(models: Sequence[pycolmap.Reconstruction], graph: MatchGraph) -> str:
    """Return one sentence on why none of the faulty `models` is used and which photos would help."""
    count = len(graph.names)
    advice = advice_on_overlap(graph)
    if advice:
        return f"No camera positions were found for the {count} photos, as {advice[0]}"
    found = fault(max(models, key=rank), count) if models else None
    return (
        f"No camera positions were found for the {count} photos, although they overlap: "
        f"{found or 'the camera hardly moved, or only turned where it stood'}; "
        "take photos from places further apart, walking sideways around what you want to show."
    )


def travel_deg(model: pycolmap.Reconstruction) -> float:
    """Return the angle between the two most distant cameras as seen from the scene."""
    positions = np.array([image.projection_center() for image in _posed(model)])
    found = [
        np.array([model.points3D[point.point3D_id].xyz for point in image.points2D if point.has_point3D()])
        for image in _posed(model)
    ]
    return float(np.degrees(2 * np.arctan2(farthest_apart(positions) / 2, distance_to_scene(positions, found))))


def triangulation_deg(model: pycolmap.Reconstruction) -> float:
    """Return the median over points of the widest angle between two of their rays, in degrees."""
    center = {image.image_id: image.projection_center() for image in _posed(model)}
    points = list(model.points3D.values())
    widest = []
    for point in points[:: max(1, len(points) // SAMPLED_POINTS)]:
        rays = np.array([center[element.image_id] - point.xyz for element in point.track.elements])
        rays /= np.linalg.norm(rays, axis=1, keepdims=True)
        widest.append(np.degrees(np.arccos(np.clip((rays @ rays.T).min(), -1, 1))))
    return float(np.median(widest)) if widest else 0.0
