"""Passes through the network in chunks, and the clock of its attention stages.

Chunks say how much of a scene is in memory at once. The clock measures without making the pass wait.
"""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
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


@dataclass(frozen=True)
class LayerTime:
    """Milliseconds of the two attentions of one update layer."""

    cross_ms: float
    self_ms: float


class AttentionClock:
    """A clock that marks start and end of attention stages, and reads the marks only on request.

    On CUDA the marks are events in the stream, so nothing waits while the pass is being queued.
    """

    def __init__(self, device: torch.device):
        self._cuda = device.type == "cuda"
        self._spans: dict[str, list] = {"cross": [], "self": []}

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Measure the block as one more layer of `stage` ("cross" or "self")."""
        start = self._mark()
        yield
        self._spans[stage].append((start, self._mark()))

    def layers(self) -> tuple[LayerTime, ...]:
        """Return the times of all finished layers; waits for the device."""
        if self._cuda:
            torch.cuda.synchronize()
        return tuple(
            LayerTime(self._milliseconds(*cross), self._milliseconds(*own))
            for cross, own in zip(self._spans["cross"], self._spans["self"], strict=True)
        )

    def running_ms(self, stage: str) -> float:
        """Return the stage's milliseconds so far, counting only what the device has finished; never waits."""
        done = [span for span in self._spans[stage] if not self._cuda or span[1].query()]
        return sum(self._milliseconds(*span) for span in done)

    def _mark(self):
        if not self._cuda:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def _milliseconds(self, start, end) -> float:
        return start.elapsed_time(end) if self._cuda else 1e3 * (end - start)
