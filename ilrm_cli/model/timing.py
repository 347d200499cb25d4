"""Times of the attention stages, measured without stalling the pass."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch


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
