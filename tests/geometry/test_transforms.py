"""Similarity transforms, quaternions and rotation matrices."""

import torch

from ilrm_cli.geometry.transforms import Similarity, matrix_from_quaternion, multiply, quaternion_from_matrix


def some(scale: float, *quaternion: float) -> Similarity:
    rotation = matrix_from_quaternion(torch.tensor(quaternion, dtype=torch.float64))
    return Similarity(scale, rotation, torch.tensor([1.0, -2.0, scale], dtype=torch.float64))


def test_after_applies_one_and_then_the_other():
    b_from_a, c_from_b = some(2.0, 0.5, 0.1, -0.3, 0.8), some(0.3, 0.9, 0.2, 0.4, 0.0)
    points = torch.randn(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(c_from_b.after(b_from_a).points(points), c_from_b.points(b_from_a.points(points)))


def test_the_inverse_undoes():
    moved = some(2.0, 0.5, 0.1, -0.3, 0.8)
    both = moved.inverse().after(moved)
    torch.testing.assert_close(both.rotation, torch.eye(3, dtype=torch.float64))
    torch.testing.assert_close(both.translation, torch.zeros(3, dtype=torch.float64), atol=1e-12, rtol=0)


def random_quaternions(n: int) -> torch.Tensor:
    q = torch.randn(n, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    return torch.nn.functional.normalize(q, dim=-1)


def test_quarter_turn_about_z():
    half = 0.5**0.5
    matrix = matrix_from_quaternion(torch.tensor([half, 0, 0, half]))
    torch.testing.assert_close(matrix, torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]))


def test_half_turns_come_back():
    halves = torch.cat([torch.zeros(3, 1, dtype=torch.float64), torch.eye(3, dtype=torch.float64)], dim=1)
    back = quaternion_from_matrix(matrix_from_quaternion(halves))
    torch.testing.assert_close(back, halves)


def test_matrix_and_quaternion_are_inverse():
    q = random_quaternions(200)
    q = torch.where(q[:, :1] < 0, -q, q)
    torch.testing.assert_close(quaternion_from_matrix(matrix_from_quaternion(q)), q)


def test_product_is_composition():
    a, b = random_quaternions(50), random_quaternions(50).flip(0)
    torch.testing.assert_close(
        matrix_from_quaternion(multiply(a, b)), matrix_from_quaternion(a) @ matrix_from_quaternion(b)
    )
