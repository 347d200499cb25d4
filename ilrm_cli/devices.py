"""Where to compute, and in which precision."""

from typing import Any, Literal

import torch

from ilrm_cli.errors import InputError

Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "fp32", "bf16"]


def resolve_device(choice: Device) -> torch.device:
    """CUDA if it is there, unless the CPU is chosen; InputError where CUDA is asked for and absent."""
    if choice == "cuda" and not torch.cuda.is_available():
        raise InputError("--device cuda: no CUDA device is available here; use --device auto or cpu.")
    return torch.device("cuda" if choice != "cpu" and torch.cuda.is_available() else "cpu")


def resolve_precision(choice: Precision, device: torch.device) -> torch.dtype:
    """ "auto" is bfloat16 on CUDA and on CPUs that multiply it in matrix tiles, else float32."""
    fast = device.type == "cuda" or bool(torch.cpu.get_capabilities().get("amx_bf16"))
    return torch.bfloat16 if choice == "bf16" or (choice == "auto" and fast) else torch.float32


def machine(device: torch.device, precision: torch.dtype) -> dict[str, Any]:
    """What of a machine can change the last bits of a result, as JSON values.

    Matrix products are summed in another order by other instructions, numbers of threads and graphics cards.
    """
    return {
        "device": device.type,
        "precision": str(precision).removeprefix("torch."),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name(device) if device.type == "cuda" else None,
    }
