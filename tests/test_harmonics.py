import torch

from ilrm_cli.geometry.harmonics import basis, from_color, from_grey, rotated, to_color
from ilrm_cli.geometry.transforms import matrix_from_quaternion


def directions(n: int) -> torch.Tensor:
    d = torch.randn(n, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    return torch.nn.functional.normalize(d, dim=-1)


def test_constant_term_is_the_colour():
    dc = torch.tensor([[[0.0, 1.0, -9.0]]])
    torch.testing.assert_close(to_color(dc), torch.tensor([[0.5, 0.5 + 0.28209479, 0.5 - 9 * 0.28209479]]))
    colors = torch.rand(5, 3, dtype=torch.float64)
    torch.testing.assert_close(to_color(from_color(colors)), colors)
    torch.testing.assert_close(to_color(from_color(colors.numpy())), colors.numpy())
    torch.testing.assert_close(to_color(from_grey(colors[:, 0])), colors[:, :1].expand(5, 3))


def test_basis_is_orthonormal_on_the_sphere():
    d = directions(400_000)
    values = basis(d, 3)
    gram = 4 * torch.pi * values.T @ values / len(d)
    torch.testing.assert_close(gram, torch.eye(16, dtype=torch.float64), atol=0.03, rtol=0)


def test_equal_to_gsplat():
    from gsplat.cuda._torch_impl import _eval_sh_bases_fast

    d = directions(100)
    torch.testing.assert_close(basis(d, 3), _eval_sh_bases_fast(16, d), atol=1e-6, rtol=1e-6)


def test_rotated_function_moves_with_the_world():
    rotation = matrix_from_quaternion(torch.tensor([0.3, -0.5, 0.7, 0.1], dtype=torch.float64))
    harmonics = torch.randn(7, 16, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    d = directions(7)
    before = (basis(d, 3)[..., None] * harmonics).sum(-2)
    after = (basis(d @ rotation.T, 3)[..., None] * rotated(harmonics, rotation)).sum(-2)
    torch.testing.assert_close(after, before)
