"""Packing of orders, quaternions and palettes."""

import math

import numpy as np
import pytest
import torch
from scipy.cluster.vq import kmeans2

from ilrm_cli.geometry.harmonics import basis
from ilrm_cli.scene.formats.packing import morton_order, turned, with_largest, without_largest
from ilrm_cli.scene.formats.palettes import codebook, palette
from tests.support.splats import one, shapes, splats


def test_the_curve_visits_the_corners_of_a_cube_in_order() -> None:
    corners = np.array([[x, y, z] for z in (0, 1) for y in (0, 1) for x in (0, 1)], dtype=float)
    shuffled = np.random.default_rng(0).permutation(8)
    assert (shuffled[morton_order(corners[shuffled])] == np.arange(8)).all()


def test_the_curve_keeps_neighbours_together() -> None:
    points = np.random.default_rng(0).random((4000, 3))
    steps = np.linalg.norm(np.diff(points[morton_order(points)], axis=0), axis=1)
    assert np.median(steps) < 0.1 < np.median(np.linalg.norm(np.diff(points, axis=0), axis=1))


def test_quaternions_in_three_numbers() -> None:
    quaternions = np.array([[0.5, -0.5, 0.5, 0.5], [0.1, 0.2, -0.9, 0.3], [0.0, 0.0, 0.0, -1.0]])
    quaternions /= np.linalg.norm(quaternions, axis=1, keepdims=True)
    largest, rest = without_largest(quaternions)
    assert largest.tolist() == [0, 2, 3]
    assert rest[0].tolist() == [-0.5, 0.5, 0.5]
    assert (rest[1] < 0).all()  # made positive: all signs change
    assert np.abs(rest).max() <= math.sqrt(0.5)
    np.testing.assert_allclose(np.abs((with_largest(largest, rest) * quaternions).sum(1)), 1, atol=1e-12)


@pytest.mark.parametrize(("about", "expected"), [("x", [1, -2, -3]), ("z", [-1, -2, 3])])
def test_turns(about: str, expected: list[float]) -> None:
    scene = turned(one(quaternions=torch.tensor([[math.sqrt(0.5), math.sqrt(0.5), 0.0, 0.0]])), about)
    assert scene.means[0].tolist() == expected
    torch.testing.assert_close(shapes(scene), shapes(one(scales=torch.tensor([[1.0, 0.25, 0.5]]))))


@pytest.mark.parametrize("about", ["x", "z"])
def test_a_turned_scene_looks_the_same_from_the_turned_direction(about: str) -> None:
    scene, axis = splats(50, 3), torch.tensor([1.0, -1, -1] if about == "x" else [-1.0, -1, 1])
    directions = torch.nn.functional.normalize(torch.randn(50, 3, generator=torch.Generator().manual_seed(1)), dim=1)

    def seen(coefficients: torch.Tensor, directions: torch.Tensor) -> torch.Tensor:
        return torch.einsum("gb,gbc->gc", basis(directions, scene.sh_degree), coefficients)

    after = seen(turned(scene, about).harmonics, directions * axis)
    torch.testing.assert_close(after, seen(scene.harmonics, directions))
    there_and_back = turned(turned(scene, about), about)
    torch.testing.assert_close(there_and_back.means, scene.means, rtol=0, atol=0)
    torch.testing.assert_close(there_and_back.harmonics, scene.harmonics, rtol=0, atol=0)
    torch.testing.assert_close(shapes(there_and_back), shapes(scene))


def test_values_that_fit_into_the_codebook_are_exact() -> None:
    values = np.random.default_rng(0).choice(np.linspace(-3, 5, 40), 5000).astype(np.float32)
    book, indices = codebook(values)
    assert (np.diff(book) >= 0).all()
    np.testing.assert_allclose(book[indices], values, atol=1e-6)
    book, indices = codebook(np.full(9, 2.5, dtype=np.float32))
    assert (book[indices] == 2.5).all()


def test_indices_choose_the_nearest_entry() -> None:
    values = np.random.default_rng(1).standard_cauchy((200, 3)).astype(np.float32)
    book, indices = codebook(values)
    nearest = np.abs(values[..., None] - book).min(-1)
    np.testing.assert_allclose(np.abs(values - book[indices]), nearest, atol=1e-6)


@pytest.mark.parametrize("kind", ["normal", "laplace"])
def test_codebooks_come_near_the_best_possible(kind: str) -> None:
    """Panter and Dite: the error of many entries is (∫ density^(1/3))³ / (12 · entries²)."""
    values = getattr(np.random.default_rng(0), kind)(size=200_000).astype(np.float32)
    book, indices = codebook(values)
    best = {"normal": np.pi * np.sqrt(3) / 2, "laplace": 9.0}[kind] / 256**2
    assert float(np.square(values - book[indices]).mean()) < 1.2 * best


def test_few_vectors_are_their_own_palette() -> None:
    vectors = torch.randn(10, 4, generator=torch.Generator().manual_seed(0))
    entries, labels = palette(vectors, 16)
    assert torch.equal(entries[labels], vectors)


def test_palettes_are_nearly_as_good_as_plain_k_means() -> None:
    draw = torch.Generator().manual_seed(0)
    vectors = torch.randn(60, 9, generator=draw)[torch.randint(60, (2500,), generator=draw)]
    vectors = vectors + 0.3 * torch.randn(2500, 9, generator=draw)
    entries, labels = palette(vectors, 128)
    assert len(entries) <= 128
    theirs, chosen = kmeans2(vectors.numpy(), 128, iter=20, minit="++", seed=0)
    error = (vectors - entries[labels]).square().sum()
    assert error < 1.15 * np.square(vectors.numpy() - theirs[chosen]).sum()
    again, _ = palette(vectors, 128)
    assert torch.equal(again, entries)
