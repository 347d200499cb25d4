"""How jobs are timed: each by turns with a matrix product on the same machine, so that ratios of machines compare."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from ilrm_cli.progress import Report, Step, ignore

MATMUL_SIZE = 2048  # side of the square float32 matrices whose product is the unit
ROUNDS = 7  # measurements of each job; the median counts

Job = tuple[Callable[[], object], float | None]  # what to time, and the limit of its ratio


@dataclass(frozen=True)
class BenchRow:
    """One measured job."""

    name: str  # what was done, in words
    seconds: float  # median
    ratio_to_matmul: float  # median of the ratios to a product measured right before
    limit: float | None  # the ratio that must not be exceeded; None: it is only told

    @property
    def passed(self) -> bool:
        return self.limit is None or self.ratio_to_matmul <= self.limit


def seconds(job: Callable[[], object]) -> float:
    """Wall-clock time of one run."""
    start = time.perf_counter()
    job()
    return time.perf_counter() - start


def measure(jobs: Mapping[str, Job], *, rounds: int = ROUNDS, report: Report = ignore) -> list[BenchRow]:
    """Time every job by turns with the matrix product; one run of each beforehand is not counted."""
    factor = torch.randn(MATMUL_SIZE, MATMUL_SIZE, generator=torch.Generator().manual_seed(0))

    def product() -> object:
        return factor @ factor

    product()
    for job, _ in jobs.values():
        job()
    times: dict[str, list[float]] = {name: [] for name in jobs}
    ratios: dict[str, list[float]] = {name: [] for name in jobs}
    for done in range(rounds):
        for name, (job, _) in jobs.items():
            unit, spent = seconds(product), seconds(job)
            times[name].append(spent)
            ratios[name].append(spent / unit)
        report(Step("bench", done + 1, rounds))
    return [
        BenchRow(name, statistics.median(times[name]), statistics.median(ratios[name]), limit)
        for name, (_, limit) in jobs.items()
    ]
