import numpy as np
import pytest
import torch
from scipy.cluster.vq import kmeans2

from ilrm_cli.scene.formats.palettes import codebook, palette


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
