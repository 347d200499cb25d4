import torch

from ilrm_cli.geometry.transforms import Similarity, matrix_from_quaternion


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
