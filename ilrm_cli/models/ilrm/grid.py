"""The viewpoint grids of a pass: a camera, colours and evidence for every pixel that becomes a Gaussian."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pixel_unshuffle

from ilrm_cli.geometry import cameras as camera_batches
from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.models.layers.config import Channel
from ilrm_cli.models.layers.plane_sweep import Matches
from ilrm_cli.models.layers.pyramid import Map
from ilrm_cli.models.layers.tokens import pixel_channels


@dataclass(frozen=True)
class Grid:
    """The viewpoint grids of some views: their images, reduced by the model's factor."""

    cameras: Cameras
    colors: Float[Tensor, "view 3 height width"]  # [0, 1]
    content: Float[Tensor, "view height width"] | None = None  # share of each pixel that counts, see `Views.content`
    matches: Matches | None = None  # None: the model does not match
    maps: tuple[Map, ...] = ()  # of the pyramid's levels, fine to coarse

    @staticmethod
    def concatenated(grids: Sequence["Grid"]) -> "Grid":
        """Concatenate the views of several grids of one size."""
        if len(grids) == 1:
            return grids[0]
        matches = [grid.matches for grid in grids if grid.matches is not None]
        content = [grid.content for grid in grids if grid.content is not None]
        assert len(content) in (0, len(grids)), "scenes of one pass all have masks, or none has"
        return Grid(
            camera_batches.stack([grid.cameras for grid in grids]),
            torch.cat([grid.colors for grid in grids]),
            torch.cat(content) if content else None,
            Matches.concatenated(matches) if matches else None,
            tuple(torch.cat(level) for level in zip(*(grid.maps for grid in grids), strict=True)),
        )

    def __getitem__(self, views: slice) -> "Grid":
        matches = None if self.matches is None else self.matches[views]
        content = None if self.content is None else self.content[views]
        maps = tuple(level[views] for level in self.maps)
        return Grid(self.cameras[views], self.colors[views], content, matches, maps)

    def channels(self, rays: Sequence[Channel]) -> Float[Tensor, "view height width channel"]:
        """Return the ray channels of every pixel and, with matches, their evidence."""
        channels = pixel_channels(self.cameras, rays)
        return channels if self.matches is None else torch.cat([channels, self.matches.agreement], dim=-1)

    def details(self, images: Float[Tensor, "view 3 rows columns"]) -> Float[Tensor, "view height width channel"]:
        """Return all colours below every pixel of the grid, in [-1, 1], and the depths of its matches, likewise."""
        colors = 2 * pixel_unshuffle(images, images.shape[-1] // self.cameras.width).permute(0, 2, 3, 1) - 1
        return colors if self.matches is None else torch.cat([colors, self.matches.relative_depth], dim=-1)

    def at(self, matches: Matches) -> "Grid":
        """Return the grid with other matches and without the pyramid's maps."""
        return replace(self, matches=matches, maps=())

    def for_decoding(self, maps: Sequence[Map], *, evidence: bool) -> "Grid":
        """Return the grid with the pyramid's maps, and without the evidence unless the head reads it."""
        matches = self.matches if evidence or self.matches is None else self.matches.without_evidence()
        return replace(self, matches=matches, maps=tuple(maps))
