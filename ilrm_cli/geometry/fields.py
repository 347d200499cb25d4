"""Radiance fields: density and colour at every point of the world, seen from every direction.

The other kind of scene beside `Gaussians`. A field says how it is to be drawn (`Marching`), as networks learn their
densities for one way of gathering light; `render.volume` draws each of them.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ilrm_cli.geometry.transforms import Similarity

PARALLEL = 1e-6  # of a unit direction's component: a ray that never meets the planes across this axis


@dataclass(frozen=True)
class Rays:
    """Half-lines from points in unit directions."""

    origins: Float[Tensor, "ray 3"]
    directions: Float[Tensor, "ray 3"]

    def __len__(self) -> int:
        return len(self.origins)

    def __getitem__(self, index: slice | Tensor) -> "Rays":
        return Rays(self.origins[index], self.directions[index])

    def points(self, distances: Float[Tensor, "ray sample"]) -> Float[Tensor, "ray sample 3"]:
        return self.origins[:, None] + distances[..., None] * self.directions[:, None]


@dataclass(frozen=True)
class Span:
    """The stretch of each ray that is sampled, as distances along it."""

    near: Float[Tensor, " ray"]
    far: Float[Tensor, " ray"]
    met: Bool[Tensor, " ray"]  # False: the ray meets nothing, and shows the background


@dataclass(frozen=True)
class Box:
    """A box along the axes of the world."""

    least: Float[Tensor, "3"]
    most: Float[Tensor, "3"]

    @staticmethod
    def cube(half: float, like: Tensor) -> "Box":
        """Return the cube around the origin whose sides are twice `half`."""
        corner = torch.full((3,), half, device=like.device, dtype=like.dtype)
        return Box(-corner, corner)

    def span(self, rays: Rays, least_length: float = 0.0) -> Span:
        """Return where rays are inside, in front of their origins; shorter stretches than `least_length` are none."""
        direction = torch.where(rays.directions.abs() < PARALLEL, PARALLEL, rays.directions)
        ends = [(corner - rays.origins) / direction for corner in (self.least, self.most)]
        near = torch.minimum(*ends).amax(-1).clamp_min(0)
        far = torch.maximum(*ends).amin(-1)
        met = far - near > least_length
        return Span(near.where(met, near.new_zeros(())), far.where(met, far.new_zeros(())), met)

    def inside(self, points: Float[Tensor, "point 3"]) -> Bool[Tensor, " point"]:
        return ((points >= self.least) & (points <= self.most)).all(-1)


@dataclass(frozen=True)
class Marching:
    """How light is gathered along the rays of a field."""

    samples: int  # on each ray, one in each of as many equal parts
    importance: int = 0  # further ones, where those found something
    around_depth: int = 0  # further ones, normally distributed around the depth that those found
    depth_deviation: float = 0.01  # of these, world units
    # What alpha is computed from: the density at a sample, or the mean of raw densities at both ends of an interval.
    per: Literal["sample", "interval"] = "sample"
    step: Literal["world", "unit"] = "world"  # length of a ray's stretch: as it is, or 1 whatever it is
    refined: bool = False  # whether a finer network evaluates all samples once more; needs further ones

    @property
    def total(self) -> int:
        """Samples that are composited."""
        return self.samples + self.importance + self.around_depth


class Field(ABC):
    """A radiance field in the world frame of its cameras."""

    marching: Marching
    background: Float[Tensor, "3"]  # colour in [0, 1] where nothing is
    box: Box  # that holds everything
    surface: float  # density of what is called solid: where meshes and Gaussians lie

    @abstractmethod
    def sampled(
        self, points: Float[Tensor, "point 3"], directions: Float[Tensor, "point 3"], refined: bool = False
    ) -> tuple[Float[Tensor, " point"], Float[Tensor, "point 3"]]:
        """Return raw density and colour in [0, 1] at points, seen along unit directions; `refined`: see `Marching`."""

    @abstractmethod
    def density(self, raw: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        """Return the density >= 0 of a raw one, or of a mean of raw ones."""

    @abstractmethod
    def parts(self) -> dict[str, Tensor]:
        """Return all that it is made of besides its network's configuration, in float32, see `StoredField`."""

    def span(self, rays: Rays) -> Span:
        """Return the stretch of each ray to sample: inside the box, unless a field knows better."""
        return self.box.span(rays)


@dataclass(frozen=True)
class StoredField:
    """A field as files keep it: tensors by name, and what they are the parts of."""

    architecture: str  # of the network that made it, see `models.base.Architecture.field_of`
    config: Mapping[str, Any]  # of that network, as JSON values
    parts: Mapping[str, Tensor]  # float32, see `Field.parts`


@dataclass(frozen=True)
class PlacedField:
    """A field that is seen from cameras of another frame than its own."""

    field: Field
    field_from_world: Similarity
