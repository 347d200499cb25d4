"""Whether poses fit their photos: features of neighbouring photos against the epipolar lines of their poses.

A quick look at a few pairs, for poses whose convention is in doubt. With right poses matches lie on their lines but for
the wrong ones among them; with wrong rotations hardly any do.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64
from numpy import ndarray
from PIL import Image

from ilrm_cli.capture.photos.header import UnreadablePhoto
from ilrm_cli.capture.photos.pixels import read_photo
from ilrm_cli.capture.poses.colmap_library import pycolmap
from ilrm_cli.capture.poses.lenses import colmap_camera, scaled_lens
from ilrm_cli.geometry.cameras import Lens

LOOK_PX = (640, 426)  # (longer, shorter side) at which photos are examined
PAIRS = 6  # of photos that follow each other, evenly spaced
RATIO = 0.8  # of the distances to the best and the second-best feature (Lowe 2004)
LEAST_MATCHES = 40  # over all pairs, below which nothing is said
NEAR = 0.01  # distance from the line, as a share of the focal length: over 0.5 degrees


@dataclass(frozen=True)
class Matches:
    """Rays of features that two photos share, with z = 1 in each camera."""

    first: int  # photo
    second: int
    rays: tuple[Float64[ndarray, "match 3"], Float64[ndarray, "match 3"]]


def matches_of(photos: Sequence[tuple[Path, Lens]]) -> list[Matches]:
    """Match features of evenly spaced pairs of neighbours, but for photos that cannot be read."""
    extractor = pycolmap.FeatureExtractor.create()
    firsts = sorted({round(i) for i in np.linspace(0, len(photos) - 2, PAIRS)}) if len(photos) > 1 else []
    features = {}
    for i in sorted({i for first in firsts for i in (first, first + 1)}):
        with suppress(UnreadablePhoto):  # it is told of with the photos that are left out
            features[i] = _features(extractor, *photos[i])
    found = []
    for first in (first for first in firsts if first in features and first + 1 in features):
        (rays, described), (other_rays, other_described) = features[first], features[first + 1]
        ours, theirs = _mutual(described, other_described)
        found.append(Matches(first, first + 1, (rays[ours], other_rays[theirs])))
    return found


def agreement(matches: Sequence[Matches], world_from_cam: Sequence[Float64[ndarray, "4 4"]]) -> float | None:
    """Return the share of matches near their epipolar lines; None if there are too few matches to tell."""
    near, total = 0, 0
    for pair in matches:
        second_from_first = np.linalg.inv(world_from_cam[pair.second]) @ world_from_cam[pair.first]
        x, y, z = second_from_first[:3, 3]
        essential = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]]) @ second_from_first[:3, :3]
        lines, back = pair.rays[0] @ essential.T, pair.rays[1] @ essential
        offset = np.abs((lines * pair.rays[1]).sum(1))
        lengths = np.hypot(*lines[:, :2].T), np.hypot(*back[:, :2].T)
        with np.errstate(divide="ignore", invalid="ignore"):
            distance = np.maximum(offset / lengths[0], offset / lengths[1])
        near += int((distance < NEAR).sum())
        total += len(offset)
    return near / total if total >= LEAST_MATCHES else None


def _features(
    extractor: "pycolmap.FeatureExtractor", path: Path, lens: Lens
) -> tuple[Float64[ndarray, "feature 3"], Float64[ndarray, "feature 128"]]:
    """Return rays and unit descriptors of a photo's features."""
    pixels = np.asarray(Image.fromarray(read_photo(path, at_least=LOOK_PX)).convert("L"))
    keypoints, descriptors = extractor.extract(pycolmap.Bitmap.from_array(pixels))
    camera = colmap_camera(scaled_lens(lens, pixels.shape[1], pixels.shape[0]))
    places = np.array([[point.x, point.y] for point in keypoints], dtype=np.float64).reshape(-1, 2)
    rays = np.array(camera.cam_from_img(places), dtype=np.float64).reshape(-1, 2)
    described = np.asarray(descriptors.data, dtype=np.float64)
    usable = np.isfinite(rays).all(1)
    described = described / np.maximum(np.linalg.norm(described, axis=1, keepdims=True), 1e-9)
    return np.column_stack([rays, np.ones(len(rays))])[usable], described[usable]


def _mutual(ours: Float64[ndarray, "a 128"], theirs: Float64[ndarray, "b 128"]) -> tuple[ndarray, ndarray]:
    """Return the indices of features that are each other's best, and clearly so."""
    if min(len(ours), len(theirs)) < 2:
        return np.zeros(0, int), np.zeros(0, int)
    likeness = ours @ theirs.T
    best = likeness.argmax(1)
    ranked = np.sqrt(np.maximum(2 - 2 * np.partition(likeness, -2, axis=1)[:, -2:], 0))  # distances: second, best
    rows = np.arange(len(ours))
    kept = (likeness.argmax(0)[best] == rows) & (ranked[:, 1] < RATIO * ranked[:, 0])
    return rows[kept], best[kept]
