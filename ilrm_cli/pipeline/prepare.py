"""Preparation of posed photos for the model: inputs and targets, normalised frame, depth range."""

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float64
from numpy import ndarray

from ilrm_cli.capture.load_views import common_size, load_views, visible_depths
from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.frames import Normalisation, frame_of_model
from ilrm_cli.geometry.transforms import Similarity
from ilrm_cli.geometry.views import Capture, PosedPhoto, Views, stacked_poses
from ilrm_cli.models.base import Capabilities
from ilrm_cli.models.layers.plane_sweep import depth_range_of, estimate_depth_range
from ilrm_cli.runtime.progress import Report, Step, ignore

MIN_RANGE_POINTS = 50  # sparse points in view below which the depth range is estimated from the photos


@dataclass(frozen=True)
class Prepared:
    """A scene as the model expects it: everything in the normalised frame of its inputs."""

    inputs: Views
    targets: Views | None  # for scoring; None if nothing is held out
    depth_range: tuple[float, float]  # near, far: z-depths
    normalized_from_world: Similarity

    @property
    def distance(self) -> float:
        """Geometric mean of the nearest and farthest surface: the scene's distance, normalised."""
        return math.sqrt(self.depth_range[0] * self.depth_range[1])

    def to(self, device: torch.device | str) -> "Prepared":
        return replace(self, inputs=self.inputs.to(device), targets=self.targets.to(device) if self.targets else None)


def prepare_photos(
    capture: Capture,
    used: tuple[PosedPhoto, ...],
    scored: tuple[PosedPhoto, ...],
    long_side_px: int | None,
    can: Capabilities,
    report: Report = ignore,
) -> Prepared:
    """Load photos of a capture at the model's size: `used` as inputs, `scored` as targets."""
    width, height = common_size(used, long_side=long_side_px or can.long_side_px, multiple=can.size_multiple)
    inputs, targets = load_photos(used, scored, width, height, report)
    return normalize(stacked_poses(used), inputs, targets, capture.points, can.frame)


def load_photos(
    used: tuple[PosedPhoto, ...], scored: tuple[PosedPhoto, ...], width: int, height: int, report: Report = ignore
) -> tuple[Views, Views | None]:
    """Return inputs and targets of this size (px), in the capture's frame; None if nothing is scored."""

    def load(photos: tuple[PosedPhoto, ...], stage: str) -> Views:
        views = load_views(photos, width, height)
        report(Step(stage, len(photos), len(photos)))
        return views

    return load(used, "input photos"), load(scored, "held-out photos") if scored else None


def normalize(
    upright_poses: Float64[ndarray, "input 4 4"],
    inputs: Views,
    targets: Views | None,
    points: Float64[ndarray, "point 3"],
    normalisation: Normalisation = "recentred",
) -> Prepared:
    """Transform views and sparse points of a capture into the normalised frame of the inputs.

    `upright_poses` are world_from_cam of the inputs as photographed: `inputs` may have been rotated to fit.
    """
    return normalized(inputs, targets, points, frame_of_model(torch.from_numpy(upright_poses), normalisation))


def normalized(
    inputs: Views, targets: Views | None, points: Float64[ndarray, "point 3"], to_normal: Similarity
) -> Prepared:
    """Transform views and sparse points of a capture into a normalised frame that is known."""
    normal = normalized_views(inputs, to_normal)
    depth_range = depth_range_in(points, normal, to_normal)
    return Prepared(normal, normalized_views(targets, to_normal) if targets else None, depth_range, to_normal)


def normalized_views(views: Views, to_normal: Similarity) -> Views:
    """Transform views from the capture's frame to the normalised one; masked pixels lose their sparse depth."""
    depth = views.sparse_depth
    if depth is not None:
        depth = to_normal.scale * (depth if views.content is None else depth * (views.content > 0))
    return replace(views, cameras=normalized_cameras(views.cameras, to_normal), sparse_depth=depth)


def normalized_cameras(cameras: Cameras, to_normal: Similarity) -> Cameras:
    """Transform cameras from the capture's frame to the normalised one, in float32."""
    return cameras.moved(to_normal.poses(cameras.world_from_cam.double())).to(torch.float32)


def normalized_head(views: Views, to_normal: Similarity) -> Views:
    """Transform the cameras and position maps of a head to the normalised frame; unknown positions become zero."""
    assert views.priors is not None, "a head has position maps"
    known = views.priors.confidence[..., None] > 0
    places = torch.where(known, to_normal.points(views.priors.positions.double()).float(), 0.0)
    priors = replace(views.priors, positions=places)
    return replace(views, cameras=normalized_cameras(views.cameras, to_normal), priors=priors)


def depth_range_in(points: Float64[ndarray, "point 3"], inputs: Views, to_normal: Similarity) -> tuple[float, float]:
    """Return (near, far) z-depths of the scene: from sparse points seen by inputs, else estimated from the photos."""
    depths = visible_depths(to_normal.points(torch.from_numpy(points)), inputs.cameras, inputs.content)
    return depth_range_of(depths) if len(depths) >= MIN_RANGE_POINTS else estimate_depth_range(inputs)
