"""Codebooks of numbers and palettes of vectors, by k-means."""

import numpy as np
import torch
from jaxtyping import Float32, Int, UInt8
from numpy import ndarray
from torch import Tensor

CODEBOOK = 256  # entries: one byte's worth
BINS = 256  # of the histogram that initialises the codebook; more would be too empty where values are rare
CODEBOOK_ROUNDS, PALETTE_ROUNDS = 30, 8  # of Lloyd's algorithm; further ones change little
COARSE_SAMPLE = 1 << 15  # vectors used to choose the coarse clusters
ROWS_AT_ONCE = 1 << 14  # of a distance matrix


def codebook(values: Float32[ndarray, "..."]) -> tuple[Float32[ndarray, "256"], UInt8[ndarray, "..."]]:
    """Approximate the values by 256 numbers with small squared error; return these, ascending, and the indices.

    The initial density of entries is the cube root of the values' density, which is optimal for many entries (Panter
    and Dite 1951); Lloyd's algorithm on the sorted values does the rest.
    """
    ordered = np.sort(values.reshape(-1).astype(np.float64))
    counts, edges = np.histogram(ordered, bins=BINS)
    density = np.cumsum(np.concatenate([[0.0], np.cbrt(counts)]))
    entries = np.interp((np.arange(CODEBOOK) + 0.5) / CODEBOOK * density[-1], density, edges)
    sums = np.concatenate([[0.0], np.cumsum(ordered)])
    for _ in range(CODEBOOK_ROUNDS):
        middles = (entries[1:] + entries[:-1]) / 2
        cuts = np.concatenate([[0], np.searchsorted(ordered, middles), [len(ordered)]])
        members = np.diff(cuts)
        entries = np.where(members > 0, np.diff(sums[cuts]) / np.maximum(members, 1), entries)
        entries.sort()
    chosen = entries.astype(np.float32)
    middles = (chosen[1:] + chosen[:-1]) / 2
    return chosen, np.searchsorted(middles, values).astype(np.uint8)


def palette(
    vectors: Float32[Tensor, "row width"], count: int
) -> tuple[Float32[Tensor, "entry width"], Int[Tensor, " row"]]:
    """Approximate the rows by at most `count` vectors; return these and an index per row. Deterministic.

    Works in two steps, so that time grows with the square root of `count`: about sqrt(count) coarse clusters, each of
    which is then divided into as many entries as its spread deserves.
    """
    if len(vectors) <= count:
        return vectors, torch.arange(len(vectors))
    draw = torch.Generator().manual_seed(0)
    coarse = max(1, round(count**0.5))
    sample = vectors[torch.randperm(len(vectors), generator=draw)[:COARSE_SAMPLE]]
    near = _nearest(vectors, _means(sample, coarse))
    groups = [rows for rows in near.argsort(stable=True).split(near.bincount(minlength=coarse).tolist()) if len(rows)]
    entries, labels, used = [], torch.empty(len(vectors), dtype=torch.int64), 0
    for rows, share in zip(groups, _shares(vectors, groups, count), strict=True):
        members = vectors[rows]
        means = _means(members, share)
        labels[rows] = used + _nearest(members, means)
        entries.append(means)
        used += len(means)
    return torch.cat(entries), labels


def _shares(vectors: Float32[Tensor, "row width"], groups: list[Tensor], count: int) -> list[int]:
    """Return the number of entries of each group: at least one, at most its members, in total at most `count`."""
    spreads = torch.stack([(vectors[rows] - vectors[rows].mean(0)).square().sum() for rows in groups]).double()
    sizes = torch.tensor([len(rows) for rows in groups])
    weights = (spreads * sizes).sqrt()
    shares = (weights / weights.sum().clamp_min(1e-30) * (count - len(groups))).floor().long() + 1
    return torch.minimum(shares, sizes).tolist()


def _means(vectors: Float32[Tensor, "row width"], count: int) -> Float32[Tensor, "entry width"]:
    """Run Lloyd's algorithm from evenly chosen rows; entries that are nearest to no row stay in place."""
    means = vectors[torch.linspace(0, len(vectors) - 1, count).long()]
    for _ in range(PALETTE_ROUNDS if count > 1 else 0):
        near = _nearest(vectors, means)
        members = near.bincount(minlength=count)
        sums = torch.zeros_like(means).index_add_(0, near, vectors)
        means = torch.where(members[:, None] > 0, sums / members.clamp_min(1)[:, None], means)
    return means if count > 1 else vectors.mean(0, keepdim=True)


def _nearest(vectors: Float32[Tensor, "row width"], means: Float32[Tensor, "entry width"]) -> Int[Tensor, " row"]:
    lengths = means.square().sum(1) / 2
    return torch.cat([(lengths - rows @ means.T).argmin(1) for rows in vectors.split(ROWS_AT_ONCE)])
