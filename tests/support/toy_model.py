"""A backbone of one linear layer: what a new model needs, and no more."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.functional import avg_pool2d, softplus

from ilrm_cli.geometry import cameras as camera_batches
from ilrm_cli.geometry.cameras import directions_through, pixel_centers
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.views import TrainingRange, Views
from ilrm_cli.models.base import Architecture, Capabilities, Cost, Network, Pass, Piecewise, Tap
from ilrm_cli.models.layers.passes import WHOLE, AttentionClock, Chunks
from ilrm_cli.runtime.progress import Report, ignore

FACTOR = 4  # one Gaussian for each 4x4 px


@dataclass(frozen=True)
class ToyConfig:
    """The whole configuration."""

    max_views: int = 3
    long_side_px: int = 64


def capabilities_of(config: ToyConfig) -> Capabilities:
    """Return what a toy can do."""
    trained_on = TrainingRange((2, config.max_views))
    return Capabilities(trained_on, config.long_side_px, size_multiple=FACTOR, grid_factor=FACTOR)


def cost_of(config: ToyConfig, asked: Pass) -> Cost:
    """Return what a pass takes."""
    pixels = asked.views * asked.height * asked.width
    work = 400 * pixels // FACTOR**2
    return Cost(2.0 * 3 * pixels, 16, 12 * pixels, (Piecewise(WHOLE, work, "all"),))


class Toy(Network):
    """The depth of a pixel from its colour, by one linear layer."""

    architecture = "toy"

    def __init__(self, config: ToyConfig):
        super().__init__()
        self.config, self.precision = config, torch.float32
        self.depth = nn.Linear(3, 1)

    @property
    def capabilities(self) -> Capabilities:
        return capabilities_of(self.config)

    def cost(self, asked: Pass) -> Cost:
        return cost_of(self.config, asked)

    def forward(
        self,
        scenes: Sequence[Views],
        depth_ranges: Sequence[tuple[float, float]] | None = None,
        clock: AttentionClock | None = None,
        report: Report = ignore,
        tap: Tap | None = None,
        chunks: Chunks = WHOLE,
    ) -> list[Gaussians]:
        return [self._scene(scene) for scene in scenes]

    def _scene(self, views: Views) -> Gaussians:
        colors = avg_pool2d(views.images, FACTOR).permute(0, 2, 3, 1)  # [V, h, w, 3]
        grid = camera_batches.stack([views.cameras]).resized(colors.shape[2], colors.shape[1])
        depth = 0.5 + softplus(self.depth(colors))
        pixels = pixel_centers(grid.width, grid.height, grid.focal_px).expand(len(grid), -1, -1, -1)
        means = grid.positions[:, None, None] + depth * directions_through(grid, pixels)
        scales = depth[..., 0] / grid.focal_px[:, None, None, 0]
        return Gaussians.isotropic(means.flatten(0, 2), scales.flatten(), colors.flatten(0, 2), 0.9)


ARCHITECTURE = Architecture("toy", ToyConfig, (), capabilities_of, cost_of, Toy)
