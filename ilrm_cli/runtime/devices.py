"""Choice of compute device and precision."""

import time
from functools import cache
from typing import Any, Literal

import torch

from ilrm_cli.runtime.errors import InputError

Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "fp32", "bf16"]
PRECISIONS: dict[Precision, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16}

# CPUs with bfloat16 instructions gain 1.7 (AVX-512) to 10 (matrix tiles), if at all: far enough from this threshold
# that measurement noise does not decide, and runs on one machine agree.
BF16_GAIN = 1.3
SIDE, TRIES = 1024, 5  # of the square matrices multiplied in the trial, and how often


def resolve_device(choice: Device) -> torch.device:
    """Return CUDA if available, unless the CPU is chosen; raise InputError if CUDA is requested but absent."""
    if choice == "cuda" and not torch.cuda.is_available():
        raise InputError("--device cuda: no CUDA device is available here; use --device auto or cpu.")
    return torch.device("cuda" if choice != "cpu" and torch.cuda.is_available() else "cpu")


def resolve_precision(choice: Precision, device: torch.device) -> torch.dtype:
    """Resolve "auto" to bfloat16 if this device multiplies matrices clearly faster in it, else to float32."""
    if choice != "auto":
        return PRECISIONS[choice]
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    return torch.bfloat16 if bf16_gain(torch.get_num_threads()) > BF16_GAIN else torch.float32


@cache
def bf16_gain(threads: int) -> float:
    """Return how many times faster than float32 this CPU multiplies matrices in bfloat16, measured once per process.

    0 for CPUs without instructions for it, which take a hundred times longer. `threads` is torch's current number. The
    best of a few alternating tries counts, since other work can only slow them down.
    """
    if not any(there for name, there in torch.cpu.get_capabilities().items() if "bf16" in name):
        return 0.0
    factors = {dtype: torch.ones(SIDE, SIDE, dtype=dtype) for dtype in PRECISIONS.values()}
    taken = [{dtype: _product_s(factor) for dtype, factor in factors.items()} for _ in range(TRIES)]
    return min(t[torch.float32] for t in taken) / min(t[torch.bfloat16] for t in taken)


def _product_s(factor: torch.Tensor) -> float:
    start = time.perf_counter()
    torch.mm(factor, factor)
    return time.perf_counter() - start


def precision_named(dtype: str) -> Precision:
    """Return the choice that leads to a precision in the notation of `machine`."""
    return next((choice for choice, one in PRECISIONS.items() if dtype == _words(one)), "auto")


def machine(device: torch.device, precision: torch.dtype) -> dict[str, Any]:
    """Return the properties of a machine that can change the last bits of a result, as JSON values.

    Other instructions, numbers of threads and graphics cards sum matrix products in another order.
    """
    return {
        "device": device.type,
        "precision": _words(precision),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name(device) if device.type == "cuda" else None,
    }


def _words(precision: torch.dtype) -> str:
    return str(precision).removeprefix("torch.")
