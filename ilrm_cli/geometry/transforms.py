"""Rigid and similarity transforms between world frames; unit quaternions (w, x, y, z) and rotation matrices."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

FARTHEST = 1e9  # world units that anything is away or large: the Earth's radius in metres is 6e6


@dataclass(frozen=True)
class Similarity:
    """x_to = scale * rotation @ x_from + translation, in float64; variables are named `to_from_from`."""

    scale: float  # length in the target frame of one unit of the source frame
    rotation: Float[Tensor, "3 3"]
    translation: Float[Tensor, "3"]

    @staticmethod
    def identity() -> "Similarity":
        return Similarity.scaling(1.0)

    @staticmethod
    def scaling(factor: float) -> "Similarity":
        return Similarity(factor, torch.eye(3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64))

    @staticmethod
    def turning(rotation: Float[Tensor, "3 3"]) -> "Similarity":
        return Similarity(1.0, rotation, torch.zeros(3, dtype=torch.float64))

    @staticmethod
    def shifting(by: Float[Tensor, "3"]) -> "Similarity":
        return Similarity(1.0, torch.eye(3, dtype=torch.float64), by)

    @staticmethod
    def from_matrix(matrix: Float[Tensor, "4 4"]) -> "Similarity":
        """Return the transform of a matrix of homogeneous coordinates. Raises ValueError if it is no similarity."""
        matrix = matrix.double()
        scale = float(torch.linalg.det(matrix[:3, :3]).clamp_min(0)) ** (1 / 3)
        rotation = matrix[:3, :3] / max(scale, 1e-30)
        last, one = torch.tensor([0.0, 0.0, 0.0, 1.0]).double(), torch.eye(3, dtype=torch.float64)
        if not (torch.allclose(matrix[3], last) and torch.allclose(rotation @ rotation.T, one, atol=1e-3)):
            raise ValueError("the matrix does more than scale, rotate and shift")
        return Similarity(scale, rotation, matrix[:3, 3])

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


def rotations(vectors: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """Return the rotations about these axes by their lengths, in radians."""
    x, y, z = vectors.unbind(-1)
    o = torch.zeros_like(x)
    return torch.linalg.matrix_exp(torch.stack([o, -z, y, z, o, -x, -y, x, o], dim=-1).unflatten(-1, (3, 3)))


def matrix_from_quaternion(quaternions: Float[Tensor, "*batch 4"]) -> Float[Tensor, "*batch 3 3"]:
    """Return the rotation matrix of each quaternion (w first; normalised here, so any length > 0 is valid)."""
    w, x, y, z = torch.nn.functional.normalize(quaternions, dim=-1).unbind(-1)
    rows = [
        1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
        2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
        2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
    ]  # fmt: skip
    return torch.stack(rows, dim=-1).unflatten(-1, (3, 3))


def quaternion_from_matrix(rotation: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 4"]:
    """Return the unit quaternion with w >= 0 of each rotation matrix.

    Of the four possible divisors (Shepperd 1978) the largest is used.
    """
    m = rotation
    trace = m.diagonal(dim1=-2, dim2=-1).sum(-1)
    squares = torch.stack([1 + trace, *(1 - trace + 2 * m[..., i, i] for i in range(3))], dim=-1)  # 4 (w², x², y², z²)
    wx, wy, wz = m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]
    xy, xz, yz = m[..., 1, 0] + m[..., 0, 1], m[..., 2, 0] + m[..., 0, 2], m[..., 2, 1] + m[..., 1, 2]
    candidates = torch.stack(
        [
            torch.stack([squares[..., 0], wx, wy, wz], dim=-1),
            torch.stack([wx, squares[..., 1], xy, xz], dim=-1),
            torch.stack([wy, xy, squares[..., 2], yz], dim=-1),
            torch.stack([wz, xz, yz, squares[..., 3]], dim=-1),
        ],
        dim=-2,
    )
    largest = squares.argmax(-1)[..., None, None].expand(*squares.shape[:-1], 1, 4)
    quaternion = torch.nn.functional.normalize(candidates.gather(-2, largest).squeeze(-2), dim=-1)
    return torch.where(quaternion[..., :1] < 0, -quaternion, quaternion)


def multiply(a: Float[Tensor, "*batch 4"], b: Float[Tensor, "*batch 4"]) -> Float[Tensor, "*batch 4"]:
    """Return the Hamilton product: the rotation by `b` first and then by `a`."""
    aw, ax, ay, az = a.unbind(-1)
    bw, bx, by, bz = b.unbind(-1)
    return torch.stack(
        [
            aw * bw - ax * bx - ay * by - az * bz,
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
        ],
        dim=-1,
    )
