"""Timing of jobs, each alternating with a unit of work on the same machine, so that ratios can be compared.

The units are the matrix product and the memory bandwidth of this very machine.
"""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch

from ilrm_cli.runtime.memory import PeakWatch
from ilrm_cli.runtime.progress import Report, Step, ignore

ROUNDS = 7  # measurements of each job; the median counts
CPU = torch.device("cpu")

MATMUL_SIDE = {"cpu": 2048, "cuda": 8192}  # of the square matrices whose product is the unit: takes tens of ms
COPIED_FLOATS = {"cpu": 1 << 26, "cuda": 1 << 28}  # of the tensor whose copy gives the bandwidth: exceeds any cache


@dataclass(frozen=True)
class Unit:
    """A unit of work, and how many of it a job is compared with."""

    name: str  # in words, such as "2048³ float32 matrix product"
    run: Callable[[], object]
    amount: float = 1.0  # the job's time is divided by `amount` times that of `run`


@dataclass(frozen=True)
class Job:
    """A job to time, and what it is compared with."""

    run: Callable[[], object]
    limit: float | None = None  # on its ratio; None: only reported
    unit: Unit | None = None  # divisor of its time; None: the 2048³ float32 matrix product
    limit_s: float | None = None  # on its seconds; None: only reported


@dataclass(frozen=True)
class BenchRow:
    """One measured job."""

    name: str  # what was done, in words
    seconds: float  # median
    unit: str  # what the ratio is relative to, in words
    ratio: float  # median of the ratios to a unit measured right before
    limit: float | None = None  # largest allowed ratio; None: only reported
    cold_seconds: float | None = None  # the first run in this process, including compilation and loading
    peak_gb: float | None = None  # peak memory of a warm run, weights included; None: cannot be measured
    limit_s: float | None = None  # largest allowed seconds; None: only reported

    @property
    def passed(self) -> bool:
        """True if both limits, where set, are kept."""
        return (self.limit is None or self.ratio <= self.limit) and (
            self.limit_s is None or self.seconds <= self.limit_s
        )

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"passed": self.passed}


def seconds(run: Callable[[], object], device: torch.device = CPU) -> float:
    """Return the wall-clock seconds of one run, including the wait for the device."""
    start = time.perf_counter()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def measure(
    jobs: Mapping[str, Job], *, rounds: int = ROUNDS, report: Report = ignore, device: torch.device = CPU
) -> list[BenchRow]:
    """Time every job alternating with its unit, after two runs that give the cold start and the peak memory."""
    standard = matrix_product()
    units = {name: job.unit or standard for name, job in jobs.items()}
    for unit in {id(unit): unit for unit in units.values()}.values():
        seconds(unit.run, device)
    cold = {name: seconds(job.run, device) for name, job in jobs.items()}
    peaks = {name: _peak_gb(job.run, device) for name, job in jobs.items()}
    times: dict[str, list[float]] = {name: [] for name in jobs}
    ratios: dict[str, list[float]] = {name: [] for name in jobs}
    for done in range(rounds):
        for name, job in jobs.items():
            unit_s, spent = units[name].amount * seconds(units[name].run, device), seconds(job.run, device)
            times[name].append(spent)
            ratios[name].append(spent / unit_s)
        report(Step("bench", done + 1, rounds))
    return [
        BenchRow(
            name=name,
            seconds=statistics.median(times[name]),
            unit=units[name].name,
            ratio=statistics.median(ratios[name]),
            limit=job.limit,
            cold_seconds=cold[name],
            peak_gb=peaks[name],
            limit_s=job.limit_s,
        )
        for name, job in jobs.items()
    ]


def _peak_gb(run: Callable[[], object], device: torch.device) -> float | None:
    watch = PeakWatch(device)
    seconds(run, device)
    peak = watch.peak_bytes()
    return None if peak is None else peak / 1e9


def matmul_flops(device: torch.device = CPU) -> float:
    """Return the floating-point operations of the unit's matrix product on this device."""
    return 2.0 * MATMUL_SIDE[device.type] ** 3


def matrix_product(precision: torch.dtype = torch.float32, device: torch.device = CPU) -> Unit:
    """Return the product of two square matrices: 2048³ on CPUs, 8192³ on GPUs, which smaller ones do not fill."""
    side = MATMUL_SIDE[device.type]
    factor = torch.randn(side, side, generator=torch.Generator().manual_seed(0)).to(device, precision)
    return Unit(f"{side}³ {_words(precision)} matrix product", lambda: factor @ factor)


def matmul_time_of(flops: float, precision: torch.dtype = torch.float32, device: torch.device = CPU) -> Unit:
    """Return the time of `flops` operations at the rate of the matrix product: a ratio of 1 is the machine's limit."""
    product = matrix_product(precision, device)
    name = f"its {flops / 1e9:.3g} GFLOP at the {_words(precision)} matmul rate"
    return Unit(name, product.run, flops / matmul_flops(device))


def copy_time_of(moved_bytes: float, device: torch.device = CPU) -> Unit:
    """Return the time of moving `moved_bytes`, read plus written, at the rate of copying a large tensor."""
    source = torch.ones(COPIED_FLOATS[device.type], device=device)
    target = torch.empty_like(source)
    name = f"its {moved_bytes / 1e9:.3g} GB at the rate of copying memory"
    return Unit(name, lambda: target.copy_(source), moved_bytes / (2 * source.nbytes))


def _words(precision: torch.dtype) -> str:
    return str(precision).removeprefix("torch.")
