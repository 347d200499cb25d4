"""Gaussians that are moved and turned, with their harmonics."""

from dataclasses import replace

import torch

from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.harmonics import basis, from_color, from_grey, rotated, to_color
from ilrm_cli.geometry.transforms import Similarity, matrix_from_quaternion


def some_gaussians(n: int = 6, degree: int = 1) -> Gaussians:
    g = torch.Generator().manual_seed(4)
    draw = lambda *shape: torch.randn(*shape, dtype=torch.float64, generator=g)  # noqa: E731
    return Gaussians(
        means=draw(n, 3),
        quaternions=torch.nn.functional.normalize(draw(n, 4), dim=-1),
        scales=draw(n, 3).exp(),
        opacities=draw(n).sigmoid(),
        harmonics=draw(n, (degree + 1) ** 2, 3),
    )


def covariances(gaussians: Gaussians) -> torch.Tensor:
    half = matrix_from_quaternion(gaussians.quaternions) * gaussians.scales[:, None]
    return half @ half.transpose(1, 2)


TURN = Similarity(
    2.5,
    matrix_from_quaternion(torch.tensor([0.3, -0.5, 0.7, 0.1], dtype=torch.float64)),
    torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64),
)


def test_covariance_follows_a_similarity():
    before = some_gaussians()
    after = before.transformed(TURN)
    expected = TURN.scale**2 * TURN.rotation @ covariances(before) @ TURN.rotation.T
    torch.testing.assert_close(covariances(after), expected)


def test_there_and_back():
    before = some_gaussians(degree=3)
    after = before.transformed(TURN).transformed(TURN.inverse())
    torch.testing.assert_close(after.means, before.means)
    torch.testing.assert_close(after.scales, before.scales)
    torch.testing.assert_close(covariances(after), covariances(before))
    torch.testing.assert_close(after.harmonics, before.harmonics)


def test_finite_names_the_broken_ones():
    g = some_gaussians(3)
    g.scales[1, 2] = float("nan")
    assert g.finite().tolist() == [True, False, True]


def test_normals_are_the_shortest_axes_on_the_side_of_the_eye():
    g = some_gaussians(6)
    eye = torch.tensor([0.5, -4.0, 1.0], dtype=torch.float64)
    normals = g.normals(eye)
    assert (((eye - g.means) * normals).sum(1) > 0).all()
    along = (normals[:, None] @ covariances(g) @ normals[..., None])[:, 0, 0]
    torch.testing.assert_close(along.sqrt(), g.scales.amin(1))
    torch.testing.assert_close(replace(g, quaternions=3 * g.quaternions).normals(eye), normals)


def test_subset_by_mask():
    g = some_gaussians(5)
    assert len(g[torch.tensor([True, False, True, False, False])]) == 2


def test_isotropic_gaussians_are_round_and_of_one_colour_from_all_sides():
    colors = torch.rand(4, 3)
    made = Gaussians.isotropic(torch.rand(4, 3), torch.tensor([1.0, 2.0, 3.0, 4.0]), colors, 0.5)
    torch.testing.assert_close(covariances(made), torch.tensor([1.0, 4.0, 9.0, 16.0])[:, None, None] * torch.eye(3))
    torch.testing.assert_close(to_color(made.harmonics), colors)
    assert made.opacities.tolist() == [0.5] * 4


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
