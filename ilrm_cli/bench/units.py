"""Units of work to measure other work in: the matrix product and the memory bandwidth of this very machine."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

MATMUL_SIDE = {"cpu": 2048, "cuda": 8192}  # of the square matrices whose product is the unit: takes tens of ms
COPIED_FLOATS = {"cpu": 1 << 26, "cuda": 1 << 28}  # of the tensor whose copy gives the bandwidth: exceeds any cache
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Unit:
    """A unit of work, and how many of it a job is compared with."""

    name: str  # in words, such as "2048³ float32 matrix product"
    run: Callable[[], object]
    amount: float = 1.0  # the job's time is divided by `amount` times that of `run`


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
