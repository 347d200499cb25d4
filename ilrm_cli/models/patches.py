"""Networks that carry patches of all views through blocks, and make one Gaussian per pixel of what comes out.

What GS-LRM, Long-LRM and GRM have in common; they differ in their tokens, their blocks and the head's mapping.
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from ilrm_cli.geometry import cameras as camera_batches
from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.views import Views
from ilrm_cli.models.base import Network, Tap
from ilrm_cli.models.layers.passes import WHOLE, AttentionClock, Chunks
from ilrm_cli.runtime.progress import Report, Step, ignore

Layer = Callable[[Tensor], Tensor]


@lru_cache(maxsize=64)
def parameters_in(build: Callable[[Any], Network], config: Any) -> int:
    """Return the number of parameters of a network that is not built."""
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in build(config).parameters())


@dataclass(frozen=True)
class Batch:
    """The views of some scenes with the same number and size of views, one scene after the other."""

    images: Float[Tensor, "view 3 height width"]
    cameras: Cameras
    scenes: int
    ranges: Float[Tensor, "view 2"] | None  # near, far of each view

    @staticmethod
    def of(scenes: Sequence[Views], depth_ranges: Sequence[tuple[float, float]] | None) -> "Batch":
        images = torch.cat([scene.images for scene in scenes]) if len(scenes) > 1 else scenes[0].images
        ranges = None
        if depth_ranges is not None:
            ranges = torch.tensor(depth_ranges, dtype=torch.float32, device=images.device)
            ranges = ranges.repeat_interleave(len(scenes[0]), dim=0)
        return Batch(images, camera_batches.stack([scene.cameras for scene in scenes]), len(scenes), ranges)

    @property
    def views(self) -> int:
        """Views of each scene."""
        return len(self.images) // self.scenes

    def grid(self, patch: int) -> tuple[int, int]:
        """Return rows and columns of the patches of one view."""
        return self.cameras.height // patch, self.cameras.width // patch

    def joined(self, tokens: Float[Tensor, "view token dim"]) -> Float[Tensor, "scene tokens dim"]:
        """Return the tokens of each scene as one sequence, in (view, row, column) order."""
        return tokens.unflatten(0, (self.scenes, -1)).flatten(1, 2)

    def parted(self, tokens: Float[Tensor, "scene tokens dim"]) -> Float[Tensor, "view token dim"]:
        """Invert `joined`."""
        return tokens.unflatten(1, (self.views, -1)).flatten(0, 1)

    def scenes_of(self, gaussians: Gaussians) -> list[Gaussians]:
        """Return the Gaussians of each scene, of as many each."""
        count = len(gaussians) // self.scenes
        return [gaussians[i * count : (i + 1) * count] for i in range(self.scenes)]


class PatchNetwork(Network):
    """Views -> tokens -> blocks -> Gaussians, in the way of the subclass."""

    def __init__(self, config: Any):
        super().__init__()
        self.config = config
        self.precision = torch.float32  # of the matrix products; rays, residual stream and Gaussians stay in float32

    @abstractmethod
    def embedded(self, batch: Batch) -> Float[Tensor, "scene token dim"]:
        """Return the tokens before the first block."""

    @abstractmethod
    def layers_for(self, batch: Batch) -> Sequence[Layer]:
        """Return what is done to the tokens, block by block."""

    @abstractmethod
    def decoded(self, tokens: Float[Tensor, "scene token dim"], batch: Batch) -> list[Gaussians]:
        """Return the Gaussians of each scene."""

    def forward(
        self,
        scenes: Sequence[Views],
        depth_ranges: Sequence[tuple[float, float]] | None = None,
        clock: AttentionClock | None = None,
        report: Report = ignore,
        tap: Tap | None = None,
        chunks: Chunks = WHOLE,
    ) -> list[Gaussians]:
        """Predict as `Network.forward` says; nothing is traced, clocked or done in chunks."""
        batch = Batch.of(scenes, depth_ranges)
        device = batch.images.device
        with self.products(device):
            tokens = self.embedded(batch).float()
        layers = self.layers_for(batch)
        for number, layer in enumerate(layers, start=1):
            stage = f"layer {number} of {len(layers)}"
            report(Step(stage, 0, 1))
            with self.products(device):
                tokens = run_layer(layer, tokens, self.checkpointing)
            report(Step(stage, 1, 1))
        return self.decoded(tokens, batch)


def run_layer(layer: Layer, tokens: Tensor, checkpointing: bool) -> Tensor:
    """Run a layer; with checkpointing it is recomputed in the backward pass."""
    if checkpointing and torch.is_grad_enabled():
        return checkpoint(layer, tokens, use_reentrant=False)
    return layer(tokens)
