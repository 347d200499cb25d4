"""What one pass keeps from layer to layer: the pixels that become Gaussians, what all layers share, and their looks."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.models.ilrm.grid import Grid
from ilrm_cli.models.layers.feedback import Feedback, drawn_back
from ilrm_cli.models.layers.passes import AttentionClock, Chunks, joined, pieces
from ilrm_cli.models.layers.pyramid import Map
from ilrm_cli.runtime.progress import Report


@runtime_checkable
class Splat(Protocol):
    """What makes one Gaussian per pixel of raw numbers."""

    def __call__(self, raw: Tensor, grid: Grid) -> Gaussians: ...


@dataclass(frozen=True)
class Pixels:
    """What becomes one Gaussian per pixel of the viewpoint grids."""

    raw: Float[Tensor, "view height width raw"]
    grid: Grid


@dataclass(frozen=True)
class Shared:
    """What all layers of a pass are given."""

    image_tokens: Float[Tensor, "view token dim"]
    behind: Sequence[Gaussians | None]  # one per scene: drawn with its Gaussians, never changed
    products: Callable[[], AbstractContextManager]  # in whose context matrix products have the chosen precision
    chunks: Chunks
    clock: AttentionClock
    report: Report

    @property
    def scenes(self) -> int:
        return len(self.behind)


@dataclass(frozen=True)
class Look:
    """What came back from drawing the scenes into their inputs, before one layer."""

    feedback: Feedback
    told: Map  # to each pixel
    gradient: Float[Tensor, "view height width raw"]  # see `feedback.DrawnBack`
    shared: Shared

    @staticmethod
    def at(pixels: Pixels, features: Tensor, feedback: Feedback, splat: Splat, shared: Shared) -> "Look":
        """Draw the pixels, scene by scene, and tell each what is wrong."""
        told, gradients, total = [], [], len(pixels.raw)
        for own, behind in zip(pieces(total, total // shared.scenes), shared.behind, strict=True):
            raw, grid = pixels.raw[own], pixels.grid[own]
            back = drawn_back(raw, partial(splat, grid=grid), behind, grid.cameras, grid.colors, grid.content)
            shown = features[own].unflatten(1, (grid.cameras.height, -1))
            with shared.products():
                parts = (feedback.told(shown[v], raw[v], back[v]) for v in pieces(len(raw), shared.chunks.views))
                told.append(joined(parts, len(raw)))
            gradients.append(back.gradient)
        return Look(feedback, joined(told, total), joined(gradients, total), shared)

    def gathered(self) -> Float[Tensor, "view token dim"]:
        """Return what the tokens are told."""
        with self.shared.products():
            return joined((self.feedback.gathered(self.told[v]).float() for v in self._views()), len(self.told))

    def changed(self, pixels: Pixels, tokens: Float[Tensor, "view token dim"]) -> Pixels:
        """Return the pixels changed by what the layer made of it."""
        with self.shared.products():
            parts = (self.feedback.change(self.told[v], tokens[v], self.gradient[v]).float() for v in self._views())
            return Pixels(pixels.raw + joined(parts, len(self.told)), pixels.grid)

    def _views(self) -> Iterator[slice]:
        return pieces(len(self.told), self.shared.chunks.views)
