"""Choice of compute device and precision."""

from typing import Any, Literal

import torch

from ilrm_cli.runtime.errors import InputError

Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "fp32", "bf16"]
PRECISIONS: dict[Precision, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16}

# Instructions, by their names in torch, with which CPUs multiply matrices in bfloat16 faster than in float32: 1.7 times
# (AVX-512) to 10 times (matrix tiles). Others were not measured, and those without any take a hundred times longer.
FAST_BF16 = ("amx_bf16", "avx512_bf16")


def resolve_device(choice: Device) -> torch.device:
    """Return CUDA if available, unless the CPU is chosen; raise InputError if CUDA is requested but absent."""
    if choice == "cuda" and not torch.cuda.is_available():
        raise InputError("--device cuda: no CUDA device is available here; use --device auto or cpu.")
    return torch.device("cuda" if choice != "cpu" and torch.cuda.is_available() else "cpu")


def resolve_precision(choice: Precision, device: torch.device) -> torch.dtype:
    """Resolve "auto" to bfloat16 if this device is made to multiply matrices in it, else to float32.

    Nothing is timed: on one machine the same command computes the same, whatever else runs.
    """
    if choice != "auto":
        return PRECISIONS[choice]
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    return torch.bfloat16 if cpu_is_made_for_bf16() else torch.float32


def cpu_is_made_for_bf16() -> bool:
    """Return whether this CPU has instructions of FAST_BF16, and torch the library that uses them."""
    there = torch.cpu.get_capabilities()
    return torch.backends.mkldnn.is_available() and any(there.get(name) for name in FAST_BF16)


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
