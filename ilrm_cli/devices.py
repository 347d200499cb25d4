"""Where to compute, and in which precision."""

import time
from functools import cache
from typing import Any, Literal

import torch

from ilrm_cli.errors import InputError

Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "fp32", "bf16"]
PRECISIONS: dict[Precision, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16}

# CPUs with instructions for bfloat16 gain 1.7 (AVX-512) to 10 (matrix tiles), if they gain: so far from this that noise
# of the measurement does not decide, and runs on one machine agree.
BF16_GAIN = 1.3
SIDE, TRIES = 1024, 5  # of the square matrices that are multiplied to see, and how often


def resolve_device(choice: Device) -> torch.device:
    """CUDA if it is there, unless the CPU is chosen; InputError where CUDA is asked for and absent."""
    if choice == "cuda" and not torch.cuda.is_available():
        raise InputError("--device cuda: no CUDA device is available here; use --device auto or cpu.")
    return torch.device("cuda" if choice != "cpu" and torch.cuda.is_available() else "cpu")


def resolve_precision(choice: Precision, device: torch.device) -> torch.dtype:
    """ "auto" is what this device multiplies matrices faster in: bfloat16 if that clearly is, else float32."""
    if choice != "auto":
        return PRECISIONS[choice]
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    return torch.bfloat16 if bf16_gain(torch.get_num_threads()) > BF16_GAIN else torch.float32


@cache
def bf16_gain(threads: int) -> float:
    """How many times faster than in float32 this CPU multiplies matrices in bfloat16, tried once per process.

    0 for CPUs without instructions for it, which take a hundred times longer. `threads` is how many torch uses now. The
    best of a few tries by turns counts, since other work can only slow them down.
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
    """The choice that leads to a precision as `machine` has it."""
    return next((choice for choice, one in PRECISIONS.items() if dtype == _words(one)), "auto")


def machine(device: torch.device, precision: torch.dtype) -> dict[str, Any]:
    """What of a machine can change the last bits of a result, as JSON values.

    Matrix products are summed in another order by other instructions, numbers of threads and graphics cards.
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
