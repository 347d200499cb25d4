"""Similarity transforms between world frames: scale, rotation and translation."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Similarity:
    """x_to = scale * rotation @ x_from + translation, in float64; variables are named `to_from_from`."""

    scale: float  # length in the target frame of one unit of the source frame
    rotation: Float[Tensor, "3 3"]
    translation: Float[Tensor, "3"]

    def inverse(self) -> "Similarity":
        rotation = self.rotation.T
        return Similarity(1 / self.scale, rotation, -(rotation @ self.translation) / self.scale)

    def after(self, first: "Similarity") -> "Similarity":
        """Compose with the transform applied first: c_from_a = c_from_b.after(b_from_a)."""
        rotation = self.rotation @ first.rotation
        return Similarity(self.scale * first.scale, rotation, self.points(first.translation))

    def points(self, points: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3"]:
        """Transform points from the source frame to the target frame."""
        rotation, translation = self.rotation.to(points), self.translation.to(points)
        return self.scale * points @ rotation.T + translation

    def poses(self, world_from_cam: Float[Tensor, "*batch 4 4"]) -> Float[Tensor, "*batch 4 4"]:
        """Transform rigid camera poses: axes are rotated only, positions are moved and scaled."""
        rotation = self.rotation.to(world_from_cam) @ world_from_cam[..., :3, :3]
        position = self.points(world_from_cam[..., :3, 3])
        moved = world_from_cam.clone()
        moved[..., :3, :3] = rotation
        moved[..., :3, 3] = position
        return moved
