"""Batches of a run: planned from (seed, step), made ahead of time by threads, reproducible."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch

from ilrm_cli.capture.poses.undistort import common_size_of
from ilrm_cli.train.config import TrainConfig
from ilrm_cli.train.samples import Sample
from ilrm_cli.train.sources import Request, Source

STEPS_AHEAD = 2  # batches in preparation while one is used


@dataclass(frozen=True)
class Share:
    """The part of every batch that a process makes and sees."""

    rank: int = 0
    processes: int = 1


ALL = Share()


def size_for(aspect: tuple[int, int], long_side_px: int, multiple: int) -> tuple[int, int]:
    """Return (width, height) of the given aspect ratio, sides rounded to the multiple."""
    return common_size_of([aspect], long_side_px, multiple)


def plan(config: TrainConfig, multiple: int, step: int, share: Share = ALL) -> list[Request]:
    """Return the samples of a step for one process; all have one size and number of views."""
    rng = np.random.default_rng([config.seed, step, 2])
    long_side_px = int(rng.choice(config.long_sides_px))
    if config.sizes == "staged":
        long_side_px = sorted(config.long_sides_px)[len(config.long_sides_px) * step // config.steps]
    width, height = size_for(config.aspects[rng.integers(len(config.aspects))], long_side_px, multiple)
    views = int(rng.integers(config.min_views, config.max_views + 1))
    of_equal_cost = config.batch * (min(config.long_sides_px) / long_side_px) ** 2
    own = max(1, round(of_equal_cost / share.processes))
    first = step * config.batch + share.rank * own
    return [Request(config.seed, first + i, step, views, config.targets, width, height) for i in range(own)]


class Batches:
    """An iterator over a process's batches from step `start` on; threads prepare the next while one is used.

    The ray caster and the photo decoders release the GIL, so threads suffice. Close it, or use `with`.
    """

    def __init__(
        self,
        config: TrainConfig,
        multiple: int,
        sources: Sequence[Source],
        start: int,
        *,
        share: Share = ALL,
        threads: int = 1,
        device: torch.device | str = "cpu",
    ):
        self._config, self._multiple, self._sources, self._share = config, multiple, sources, share
        self._device = torch.device(device)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="samples")
        self._next, self._waiting = start, deque[list[Future[Sample]]]()

    def __iter__(self) -> Iterator[list[Sample]]:
        while True:
            while self._next < self._config.steps and len(self._waiting) <= STEPS_AHEAD:
                requests = plan(self._config, self._multiple, self._next, self._share)
                self._waiting.append([self._pool.submit(self._make, request) for request in requests])
                self._next += 1
            if not self._waiting:
                return
            yield [future.result().to(self._device) for future in self._waiting.popleft()]

    def __enter__(self) -> "Batches":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Cancel samples not yet begun; those in progress finish."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _make(self, request: Request) -> Sample:
        chosen = np.random.default_rng([request.seed, request.index, 4]).integers(len(self._sources))
        sample = self._sources[int(chosen)].draw(request)
        return sample.pinned() if self._device.type == "cuda" else sample
