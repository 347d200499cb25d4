"""Procedural scenes reserved for evaluation: no training sees them, so scores on them are not memorised."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float, Float64
from numpy import ndarray
from torch import Tensor

from ilrm_cli.capture.poses.lenses import pinhole
from ilrm_cli.capture.poses.undistort import common_size_of
from ilrm_cli.data.synthetic.colmap_folder import surface_points
from ilrm_cli.data.synthetic.dataset import HOLDOUT_SEED, Shooting, training_scene
from ilrm_cli.data.synthetic.sensor import Triangulation, triangulated
from ilrm_cli.geometry.cameras import Lens
from ilrm_cli.geometry.views import Views

HOLDOUT_INPUTS, HOLDOUT_TARGETS = 12, 4  # frames of every scene, for any number of inputs
ASPECTS = ((4, 3), (3, 2), (16, 9), (1, 1), (3, 4))  # cycled through the scenes
SPANS = (0.3, 1.0)  # range of the share of a camera path that the frames cover
RAYS_PER_PIXEL = 4
SPARSE_POINTS = 400  # per scene, in place of those of structure from motion
TRIANGULATION = Triangulation(points=250, far=5.0, noise=0.005, outliers=0.01)  # per view: of medium quality


@dataclass(frozen=True)
class RenderedSequence:
    """A procedural scene, rendered once at one size."""

    name: str
    rendered: Views = field(repr=False)
    points: Float64[ndarray, "point 3"] = field(repr=False)
    depth: Float[Tensor, "frame height width"] = field(repr=False)  # exact, world units

    @property
    def frame_names(self) -> tuple[str, ...]:
        return tuple(f"{index:03d}" for index in range(len(self)))

    @property
    def lenses(self) -> tuple[Lens, ...]:
        cameras = self.rendered.cameras
        params = np.concatenate([cameras.focal_px.double().numpy(), cameras.center_px.double().numpy()], axis=1)
        return tuple(pinhole((fx, fy), (cx, cy), cameras.width, cameras.height) for fx, fy, cx, cy in params.tolist())

    @property
    def world_from_cam(self) -> Float64[ndarray, "frame 4 4"]:
        return self.rendered.cameras.world_from_cam.double().numpy()

    def __len__(self) -> int:
        return len(self.rendered)

    def views(self, indices: Sequence[int], width: int, height: int) -> Views:
        """Return the frames as in `FrameSequence`; only the rendered size is available."""
        assert (width, height) == (self.rendered.cameras.width, self.rendered.cameras.height), "rendered at one size"
        return self.rendered[list(indices)]


def holdout_scene(index: int, long_side_px: int, multiple: int) -> RenderedSequence:
    """Render hold-out scene `index`, with its frames in random order; always the same for the same size."""
    width, height = common_size_of([ASPECTS[index % len(ASPECTS)]], long_side_px, multiple)
    rng = np.random.default_rng([HOLDOUT_SEED, index])
    frames = HOLDOUT_INPUTS + HOLDOUT_TARGETS
    shooting = Shooting(frames, width, height, RAYS_PER_PIXEL, span=float(rng.uniform(*SPANS)))
    scene = training_scene(HOLDOUT_SEED, index, shooting)
    points = surface_points(scene.views, scene.depth, SPARSE_POINTS, seed=index)[0]
    order = rng.permutation(frames).tolist()
    sparse_depth = triangulated(scene.views.images, scene.depth, TRIANGULATION, rng)
    views = replace(scene.views, sparse_depth=sparse_depth)
    return RenderedSequence(f"{scene.kind} {index}", views[order], points, scene.depth[order])
