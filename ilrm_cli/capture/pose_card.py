"""The pose card: quality of a capture's camera poses, deviation from the training data, and advice."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from ilrm_cli.capture.poses.lenses import colmap_camera, undistorted_lens
from ilrm_cli.capture.poses.overlap import distance_to_scene, farthest_apart, overlap_matrix
from ilrm_cli.capture.poses.undistort import common_size_of
from ilrm_cli.capture.sfm.match_graph import MatchGraph, advice_on_overlap
from ilrm_cli.geometry.cameras import Lens
from ilrm_cli.geometry.views import Capture, TrainingRange

TIED_POINTS = 15  # points in common from which two posed photos overlap
FLAT = 0.015  # relief over distance below which a scene counts as planar; the least of a building was 0.018
FLAT_SHARE = 0.75  # of the points that lie within the relief; the rest is ignored
STILL = 0.035  # baseline over distance below which depth is guesswork: 2 degrees seen from the scene
WIDE_STEP_DEG = 30.0  # between a photo and its nearest one, as seen from the scene; beyond, much is seen only once
FIT_ROUNDS = 5  # of fitting a plane to the nearer half of the points
SHAPE_SIDE_PX = 1024  # long side of the common shape; only the aspect ratio matters
ORIGINS = {  # in words; other tools have their names
    "colmap": "a COLMAP model",
    "transforms": "transforms.json",
    "sfm": "structure from motion",
    "model": "the model, which takes the photo's for granted",
}


@dataclass(frozen=True)
class PoseCard:
    """Figures about the poses of one capture; None if the source of the poses does not provide them."""

    origin: str  # "colmap", "transforms", "sfm" or another tool
    found: int  # photos offered
    registered: int  # photos with a pose
    error_px: float | None  # mean reprojection error
    points: int  # sparse points
    points_per_photo: float | None  # mean number of points per photo
    names: tuple[str, ...]  # the registered photos: rows and columns of `overlap`
    overlap: tuple[tuple[int, ...], ...] | None  # sparse points shared by two photos; 0 on the diagonal
    baseline_to_depth: float | None  # distance of the two farthest cameras over the median distance of the scene
    step_deg: float | None  # median angle between a photo and its nearest one, as seen from the scene
    relief: float | None  # distance from the best plane containing three quarters of the points, over their distance
    fov_deg: tuple[float, float]  # smallest and largest angle of view of the longer side, as photographed
    fov_kept_deg: tuple[float, float]  # smallest and largest after undistortion and cropping to the common shape
    unlike_training: tuple[str, ...]  # one clause for each difference from the model's training data
    advice: tuple[str, ...]  # one sentence each, most useful first; empty if all is well

    @property
    def figures(self) -> tuple[tuple[str, str], ...]:
        """The figures that are known, each with a label in front and its unit."""
        return tuple(_figures(self))


def pose_card(capture: Capture, trained_on: TrainingRange | None = None) -> PoseCard:
    """Compute the card of a capture, compared with what the model that is to be used was trained on, if it is known."""
    names = tuple(photo.name for photo in capture.photos)
    positions = capture.world_from_cam[:, :3, 3]
    found = [photo.points for photo in capture.photos if photo.points is not None and len(photo.points)]
    overlap = overlap_matrix(found) if len(found) == len(names) else None
    distance = distance_to_scene(positions, [photo.points for photo in capture.photos])
    known = math.isfinite(distance)
    baseline = farthest_apart(positions) / distance if known else None
    step_deg = _step_deg(positions, distance) if known else None
    relief = relief_of(capture.points) / distance if known else None
    lenses = list({photo.lens for photo in capture.photos})
    taken, kept = [angle_of_view_deg(lens) for lens in lenses], _kept_deg([p.lens for p in capture.photos])
    fov_kept_deg = (min(kept), max(kept))
    return PoseCard(
        origin=capture.origin,
        found=capture.found,
        registered=len(names),
        error_px=capture.error_px,
        points=len(capture.points),
        points_per_photo=float(np.mean([len(points) for points in found])) if overlap is not None else None,
        names=names,
        overlap=None if overlap is None else tuple(tuple(row) for row in overlap.tolist()),
        baseline_to_depth=baseline,
        step_deg=step_deg,
        relief=relief,
        fov_deg=(min(taken), max(taken)),
        fov_kept_deg=fov_kept_deg,
        unlike_training=tuple(_differences(trained_on, len(names), fov_kept_deg, baseline)) if trained_on else (),
        advice=(*_overlap_advice(capture, names, overlap), *_advice(baseline, step_deg, relief)),
    )


def _figures(card: PoseCard) -> Iterator[tuple[str, str]]:
    yield "Poses come from", ORIGINS.get(card.origin, card.origin)
    yield "Photos with a pose", f"{card.registered} of {card.found}"
    if card.points:
        yield "Sparse points", f"{card.points:,}"
    if card.points_per_photo is not None:
        yield "Points in a photo", f"{card.points_per_photo:,.0f} on average"
    if card.error_px is not None:
        yield "Reprojection error", f"{card.error_px:.2f} px"
    if card.baseline_to_depth is not None:
        yield "Farthest cameras apart", f"{card.baseline_to_depth:.2f} × the distance to the scene"
    if card.step_deg is not None:
        yield "Median angle to the nearest view", f"{card.step_deg:.0f}°"
    if card.relief is not None:
        yield "Relief of the scene", f"{card.relief:.1%} of its distance"
    yield "Field of view", f"{_range(card.fov_deg)}° as taken, {_range(card.fov_kept_deg)}° kept"


def _range(ends: tuple[float, float]) -> str:
    low, high = (f"{value:.0f}" for value in ends)
    return low if low == high else f"{low} to {high}"


def _overlap_advice(capture: Capture, names: tuple[str, ...], overlap: ndarray | None) -> tuple[str, ...]:
    """Return advice from structure from motion, which saw unplaced photos too; else from the posed photos' points."""
    if capture.origin == "sfm" or overlap is None:
        return capture.advice
    return advice_on_overlap(MatchGraph(names, None, overlap), TIED_POINTS)


def _advice(baseline: float | None, step_deg: float | None, relief: float | None) -> Iterator[str]:
    if baseline is not None and baseline < STILL:
        yield (
            f"the camera hardly moved ({baseline:.1%} of the distance to the scene): depth is guesswork; take photos "
            "from places further apart."
        )
    elif step_deg is not None and step_deg > WIDE_STEP_DEG:
        yield (
            f"neighbouring photos stand {step_deg:.0f} degrees apart as seen from the scene: take photos in between, "
            "about every 15 degrees."
        )
    if relief is not None and relief < FLAT:
        yield (
            f"nearly all that the photos show lies in a plane (within {relief:.1%} of its distance): the lens is "
            "uncertain; take some at a slant, with things in view that stand out of the plane."
        )


def _differences(
    trained_on: TrainingRange, count: int, fov_deg: tuple[float, float], baseline: float | None
) -> Iterator[str]:
    fewest, most = trained_on.views
    if count < fewest:
        yield f"{count} photos; the model was trained for {fewest} to {most}"
    if trained_on.fov_deg and (fov_deg[0] < trained_on.fov_deg[0] or fov_deg[1] > trained_on.fov_deg[1]):
        low, high = trained_on.fov_deg
        yield f"a field of view of {_range(fov_deg)} degrees; the model was trained with {low:.0f} to {high:.0f}"
    low, high = trained_on.baseline_to_depth or (0.0, math.inf)
    if baseline is not None and not low <= baseline <= high:
        yield f"a baseline of {baseline:.2f} times the distance; the model was trained with {low:g} to {high:g}"


def angle_of_view_deg(lens: Lens) -> float:
    """Return the angle between the rays through the ends of the middle line along the longer side, with distortion.

    Where the distortion has no rays for the ends, they are those of the undistorted photo.
    """
    across = np.array([[0.0, lens.height / 2], [lens.width, lens.height / 2]])
    along = np.array([[lens.width / 2, 0.0], [lens.width / 2, lens.height]])
    on_plane = colmap_camera(lens).cam_from_img(across if lens.width >= lens.height else along)  # [2, 2]
    if not np.isfinite(on_plane).all():
        return angle_of_view_deg(undistorted_lens(lens))
    rays = np.concatenate([on_plane, np.ones((2, 1))], axis=1)
    cosine = rays[0] @ rays[1] / np.linalg.norm(rays, axis=1).prod()
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def _kept_deg(lenses: Sequence[Lens]) -> list[float]:
    """Return each photo's angle of view (longer side), undistorted and cropped to the most frequent shape."""
    width, height = common_size_of([(lens.width, lens.height) for lens in lenses], SHAPE_SIDE_PX)
    kept = []
    for lens in set(lenses):
        flat = undistorted_lens(lens)
        turned = (flat.width - flat.height) * (width - height) < 0
        across, down = (height, width) if turned else (width, height)
        scale = max(across / flat.width, down / flat.height)
        focal_px = flat.params[0] if across >= down else flat.params[1]
        kept.append(float(np.degrees(2 * np.arctan(max(across, down) / scale / 2 / focal_px))))
    return kept


def _step_deg(positions: Float64[ndarray, "photo 3"], distance: float) -> float:
    """Return the median angle between a photo and its nearest one, as seen from the scene at `distance`."""
    apart = np.linalg.norm(positions[:, None] - positions, axis=-1)
    nearest = np.where(np.eye(len(positions), dtype=bool), np.inf, apart).min(1)
    return float(np.degrees(2 * np.arctan(np.median(nearest) / distance / 2)))


def relief_of(points: Float64[ndarray, "point 3"]) -> float:
    """Return the distance from the best-fitting plane within which FLAT_SHARE of the points lie.

    The plane is fitted repeatedly to the nearer half (least trimmed squares), so that outliers do not count.
    """
    distance = np.linalg.norm(points - np.median(points, axis=0), axis=1)
    near = points[distance <= np.median(distance)]
    for _ in range(FIT_ROUNDS):
        center = near.mean(0)
        normal = np.linalg.svd(near - center, full_matrices=False)[2][-1]
        distance = np.abs((points - center) @ normal)
        near = points[distance <= np.median(distance)]
    return float(np.quantile(distance, FLAT_SHARE))
