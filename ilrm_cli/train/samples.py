"""Training samples: a procedural scene split into inputs and targets, normalised as at inference."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ilrm_cli.model.matching import depth_range_of
from ilrm_cli.pose.fit import common_size_of
from ilrm_cli.pose.normalize import normalized_from_world
from ilrm_cli.synth.dataset import Photometry, training_scene
from ilrm_cli.train.config import ASPECTS, TrainConfig
from ilrm_cli.views import Views

SPARSE_SAMPLES = 400  # depths that stand in for the sparse points of structure from motion
FAR_FACTOR = 6.0  # beyond this many times the scene's lower quartile, few points are triangulated
PATH_SPANS = (0.2, 0.8)  # share of a camera path that one sample covers: views must overlap to be matched
RAYS_PER_PIXEL = 4  # of the training images: fewer leave aliasing as strong as faint textures
PHOTOMETRY = Photometry(exposure=0.03, white_balance=0.01, noise=0.01)  # about what phones do within one scene


@dataclass(frozen=True)
class Sample:
    """One scene in the normalised frame of its inputs."""

    inputs: Views
    targets: Views
    depth: Float[Tensor, "view height width"]  # z-depth of the inputs
    depth_range: tuple[float, float]  # near, far


def size_for(aspect: tuple[int, int], long_side_px: int, multiple: int) -> tuple[int, int]:
    """(width, height) of the given aspect, sides rounded to the multiple."""
    return common_size_of([aspect], long_side_px, multiple)


def draw_sample(seed: int, index: int, views: int, targets: int, width: int, height: int) -> Sample:
    """Scene `index` of the endless set `seed`; its views are shuffled before they are split."""
    rng = np.random.default_rng([seed, index, 1])
    span = rng.uniform(*PATH_SPANS)
    scene = training_scene(
        seed, index, views + targets, width, height, samples=RAYS_PER_PIXEL, photometry=PHOTOMETRY, span=span
    )
    order = torch.from_numpy(rng.permutation(views + targets))
    inputs, held = scene.views[order[:views]], scene.views[order[views:]]
    depth = scene.depth[order[:views]]
    to_normal = normalized_from_world(inputs.cameras.world_from_cam.double())

    def normalized(part: Views) -> Views:
        pose = to_normal.poses(part.cameras.world_from_cam.double())
        return Views(part.images, part.cameras.moved(pose.float()))

    depth = depth * to_normal.scale
    sparse = depth.flatten()[torch.from_numpy(rng.integers(0, depth.numel(), SPARSE_SAMPLES))]
    solid = sparse[sparse <= FAR_FACTOR * sparse.quantile(0.25)]
    return Sample(normalized(inputs), normalized(held), depth, depth_range_of(solid))


def batches(config: TrainConfig, multiple: int, start: int) -> Iterator[list[Sample]]:
    """The batches of every step from `start` on; the same whenever they are asked for."""
    for step in range(start, config.steps):
        rng = np.random.default_rng([config.seed, step, 2])
        long_side_px = int(rng.choice(config.long_sides_px))
        width, height = size_for(ASPECTS[rng.integers(len(ASPECTS))], long_side_px, multiple)
        views = int(rng.integers(config.min_views, config.max_views + 1))
        scenes = max(1, round(config.batch * (min(config.long_sides_px) / long_side_px) ** 2))
        first = step * config.batch
        yield [draw_sample(config.seed, first + i, views, config.targets, width, height) for i in range(scenes)]
