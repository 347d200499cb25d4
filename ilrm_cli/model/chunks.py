"""Chunk sizes of a forward pass."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Chunks:
    """Sizes of the chunks in which a forward pass is computed: smaller ones need less memory. None: all at once.

    These are never split: the image tokens and the viewpoint tokens of all views, in self attention the keys and values
    of all viewpoint tokens, and the Gaussians. With gradients nothing is split.
    """

    # Views in matching, ray channels, tokenizers, cross attention (queries, keys, values) and head. Chunks end at
    # scenes.
    views: int | None = None
    # Viewpoint tokens: hidden channels of MLPs, and in self attention the norm, projections and queries.
    tokens: int | None = None


WHOLE = Chunks()


def pieces(total: int, size: int | None) -> Iterator[slice]:
    """Return slices that cover a range of `total`, each of `size` but for the last; a single one if `size` is None."""
    step = min(size or total, total) or 1
    return (slice(start, min(start + step, total)) for start in range(0, total, step))


def joined(parts: Iterable[Tensor], total: int) -> Float[Tensor, "item ..."]:
    """Concatenate the parts to a tensor of length `total`; without gradients only one part is held beside it.

    A single part is returned as is.
    """
    if torch.is_grad_enabled():
        kept = list(parts)
        return kept[0] if len(kept) == 1 else torch.cat(kept)
    whole, start = torch.empty(0), 0
    for part in parts:
        if len(part) == total:
            return part
        if start == 0:
            whole = part.new_empty((total, *part.shape[1:]))
        whole[start : start + len(part)] = part
        start += len(part)
    assert start == total, f"parts of {start} in all, not {total}"
    return whole
