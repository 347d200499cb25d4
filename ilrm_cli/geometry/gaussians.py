"""3D Gaussians: the scene. All values are activated; log and logit exist only inside `formats`."""

import math
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ilrm_cli.geometry import harmonics
from ilrm_cli.geometry.transforms import FARTHEST, Similarity, matrix_from_quaternion, multiply, quaternion_from_matrix

STRONGEST = 1e4  # of harmonics: colours are in [0, 1]
TENSORS = ("means", "quaternions", "scales", "opacities", "harmonics")  # fields with a row per Gaussian


@dataclass(frozen=True)
class Gaussians:
    """A set of 3D Gaussians (Kerbl et al. 2023) in one world frame.

    The covariance of each is R diag(scales)² Rᵀ with R the rotation of its quaternion. The colour seen from direction d
    (unit, from the camera to the mean) is max(0, 0.5 + Σ harmonics · Y(d)); colours are in [0, 1].
    """

    means: Float[Tensor, "gaussian 3"]  # world units
    quaternions: Float[Tensor, "gaussian 4"]  # (w, x, y, z), unit length
    scales: Float[Tensor, "gaussian 3"]  # standard deviations along the local axes, world units, > 0
    opacities: Float[Tensor, " gaussian"]  # in [0, 1]
    harmonics: Float[Tensor, "gaussian bases 3"]  # spherical harmonics, (degree + 1)² bases, in `harmonics.py`'s order
    # Made to be drawn with opacities lowered where the low-pass widens footprints (Mip-Splatting, Yu et al. 2024).
    antialiased: bool = field(default=False, kw_only=True)

    @staticmethod
    def isotropic(
        means: Float[Tensor, "gaussian 3"],
        scales: Float[Tensor, " gaussian"],
        colors: Float[Tensor, "gaussian 3"],
        opacity: float,
    ) -> "Gaussians":
        """Return round Gaussians of one opacity whose colours are the same from all sides."""
        return Gaussians(
            means=means,
            quaternions=torch.tensor([1.0, 0.0, 0.0, 0.0]).to(means).repeat(len(means), 1),
            scales=scales[:, None].repeat(1, 3),
            opacities=torch.full_like(scales, opacity),
            harmonics=harmonics.from_color(colors),
        )

    @staticmethod
    def concatenated(*parts: "Gaussians") -> "Gaussians":
        """Concatenate several sets with harmonics of one degree, in this order, drawn as the first is."""
        return parts[0].rebuilt(*(torch.cat([getattr(part, name) for part in parts]) for name in TENSORS))

    def __len__(self) -> int:
        return self.means.shape[0]

    def __getitem__(self, index: slice | Tensor) -> "Gaussians":
        """Return a subset, by slice, index tensor or boolean mask."""
        return self.rebuilt(*(value[index] for value in self.tensors()))

    def tensors(self) -> tuple[Tensor, ...]:
        """Return the fields of TENSORS."""
        return tuple(getattr(self, name) for name in TENSORS)

    def rebuilt(self, *tensors: Tensor) -> "Gaussians":
        """Return a set of these TENSORS that is drawn as this one is."""
        return Gaussians(*tensors, antialiased=self.antialiased)

    @property
    def sh_degree(self) -> int:
        return int(self.harmonics.shape[1] ** 0.5) - 1

    def normals(self, eye: Float[Tensor, "3"]) -> Float[Tensor, "gaussian 3"]:
        """Return the shortest axis of each as a unit vector in world axes, on the side of `eye`, a place in the world.

        Quaternions may have any length.
        """
        shortest = self.scales.argmin(dim=1)[:, None, None].expand(-1, 3, 1)
        axes = matrix_from_quaternion(self.quaternions).gather(2, shortest)[..., 0]
        away = (axes * (self.means - eye)).sum(dim=1, keepdim=True) > 0
        return torch.where(away, -axes, axes)

    def finite(self) -> Bool[Tensor, " gaussian"]:
        """Return whether every number of each Gaussian is finite and of a size that something can have."""
        parts = [value.unsqueeze(-1).flatten(1) for value in self.tensors()]
        sizes = zip(parts, (FARTHEST, math.inf, FARTHEST, math.inf, STRONGEST), strict=True)
        return torch.cat([part.isfinite() & (part.abs() <= most) for part, most in sizes], dim=1).all(1)

    def transformed(self, to_from_from: Similarity) -> "Gaussians":
        """Return the scene in another world frame: means, rotations, scales and harmonics follow."""
        turn = quaternion_from_matrix(to_from_from.rotation).to(self.quaternions)
        return replace(
            self,
            means=to_from_from.points(self.means),
            quaternions=multiply(turn.expand_as(self.quaternions), self.quaternions),
            scales=self.scales * to_from_from.scale,
            harmonics=harmonics.rotated(self.harmonics, to_from_from.rotation),
        )

    def to(self, target: torch.device | torch.dtype | str) -> "Gaussians":
        return self.rebuilt(*(value.to(target) for value in self.tensors()))

    def detach(self) -> "Gaussians":
        return self.rebuilt(*(value.detach() for value in self.tensors()))
