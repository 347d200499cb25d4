"""Pieces of work that other work is measured in: the matrix product, and memory moved, of this very machine."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

MATMUL_SIDE = {"cpu": 2048, "cuda": 8192}  # of the square matrices whose product is the unit: tens of ms on either
COPIED_FLOATS = {"cpu": 1 << 26, "cuda": 1 << 28}  # of the tensor whose copy tells the bandwidth: more than any cache
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Unit:
    """A piece of work, and how often it fits into what a job is compared with."""

    name: str  # in words, as "2048³ float32 matrix product"
    run: Callable[[], object]
    amount: float = 1.0  # the job's time is divided by so many times that of `run`


def matmul_flops(device: torch.device = CPU) -> float:
    """Floating-point operations of the matrix product that is the unit on this device."""
    return 2.0 * MATMUL_SIDE[device.type] ** 3


def matrix_product(precision: torch.dtype = torch.float32, device: torch.device = CPU) -> Unit:
    """The product of two square matrices: 2048³ on CPUs, 8192³ on GPUs, where smaller ones do not fill the device."""
    side = MATMUL_SIDE[device.type]
    factor = torch.randn(side, side, generator=torch.Generator().manual_seed(0)).to(device, precision)
    return Unit(f"{side}³ {_words(precision)} matrix product", lambda: factor @ factor)


def matmul_time_of(flops: float, precision: torch.dtype = torch.float32, device: torch.device = CPU) -> Unit:
    """So many floating-point operations at the rate of the matrix product: a ratio of 1 is the machine's limit."""
    product = matrix_product(precision, device)
    name = f"its {flops / 1e9:.3g} GFLOP at the {_words(precision)} matmul rate"
    return Unit(name, product.run, flops / matmul_flops(device))


def copy_time_of(moved_bytes: float, device: torch.device = CPU) -> Unit:
    """So many bytes, read and written ones together, at the rate of copying a large tensor."""
    source = torch.ones(COPIED_FLOATS[device.type], device=device)
    target = torch.empty_like(source)
    name = f"its {moved_bytes / 1e9:.3g} GB at the rate of copying memory"
    return Unit(name, lambda: target.copy_(source), moved_bytes / (2 * source.nbytes))


def _words(precision: torch.dtype) -> str:
    return str(precision).removeprefix("torch.")
