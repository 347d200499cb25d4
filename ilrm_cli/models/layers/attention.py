"""Softmax attention, by the fastest kernel on the device.

CPUs and training use PyTorch's own choice. On a GPU each available kernel computes attention of one size, once per
machine, and the fastest is used from then on: FlashAttention 2 and cuDNN come with PyTorch, FlashAttention 3 is tried
if its package is installed.
"""

import contextlib
import importlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

from ilrm_cli.runtime.cache import entry
from ilrm_cli.runtime.json_values import read_json

Kernel = Callable[[Tensor, Tensor, Tensor], Tensor]

USUAL = "usual"  # PyTorch's choice
ELSE = (SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH)  # fallbacks, in order
# Required speed-up over the usual kernel: more than the measurement noise, so that machines with the same GPU make the
# same choice. The choice is stored, so that runs on one machine give identical bits.
GAIN = 1.1
FA3_PACKAGE = "flash_attn_interface"
TRIAL_TOKENS, TRIAL_HEADS = 8192, 8  # enough for kernels to differ; in two bytes and 64 channels, 8 MB per tensor
CHOICE = "choice.json"
TRIES = 5  # of each kernel, the first to warm up


def attention(
    q: Float[Tensor, "batch query head channel"],
    k: Float[Tensor, "batch key head channel"],
    v: Float[Tensor, "batch key head channel"],
) -> Float[Tensor, "batch query head channel"]:
    """Compute softmax attention of each head, in the layout that projections produce: heads side by side, no copies."""
    if q.device.type != "cuda" or torch.is_grad_enabled():
        return _sdpa(q, k, v)
    return gpu_kernels()[_chosen(q.device, q.dtype, q.shape[-1])](q, k, v)


@cache
def _chosen(device: torch.device, precision: torch.dtype, channels: int) -> str:
    """Return the kernel for heads of `channels` channels, for any numbers of queries and keys."""
    kernels = gpu_kernels()
    kind = [torch.cuda.get_device_name(device), torch.__version__, str(precision), channels, *kernels]

    def trial() -> str:
        random = torch.Generator(device).manual_seed(0)  # not the program's generator, which a trial must not advance
        shape = (3, 1, TRIAL_TOKENS, TRIAL_HEADS, channels)
        q, k, v = torch.randn(shape, generator=random, device=device, dtype=precision)
        return fastest({name: partial(kernel, q, k, v) for name, kernel in kernels.items()}, _milliseconds)

    return kept_choice(kind, kernels, trial)


def kept_choice(kind: Sequence[object], names: Collection[str], trial: Callable[[], str]) -> str:
    """Return the name kept in the cache if it is one of `names`; else run the trial and try to keep its result."""

    def read(folder: Path) -> str:
        name = read_json(folder / CHOICE)["kernel"]
        if name not in names:
            raise ValueError(f"{name} is not available")
        return name

    kept = entry("attention", kind, read)
    if (name := kept.read()) is not None:
        return name
    found = trial()
    with contextlib.suppress(OSError), kept.filling() as new:
        (new / CHOICE).write_text(json.dumps({"kernel": found, "for": kind}), encoding="utf-8")
    return found


def fastest(runs: Mapping[str, Callable[[], object]], milliseconds: Callable[[Callable[[], object]], float]) -> str:
    """Return the name of the fastest run if it clearly beats the usual one; other runs may fail."""
    taken = {USUAL: milliseconds(runs[USUAL])}
    for name in (name for name in runs if name != USUAL):
        with contextlib.suppress(Exception):  # each kernel reports in its own way that it is unsupported here
            taken[name] = milliseconds(runs[name])
    best = min(taken, key=lambda name: taken[name])
    return best if taken[best] * GAIN < taken[USUAL] else USUAL


@cache
def gpu_kernels() -> dict[str, Kernel]:
    """Return all kernels usable on a GPU, by name."""
    kernels: dict[str, Kernel] = {
        USUAL: _sdpa,
        "flash": partial(_sdpa_by, SDPBackend.FLASH_ATTENTION),
        "cudnn": partial(_sdpa_by, SDPBackend.CUDNN_ATTENTION),
    }
    with contextlib.suppress(Exception):  # absent, or built for another PyTorch, CUDA or GPU
        kernels["flash3"] = partial(_flash_3, importlib.import_module(FA3_PACKAGE).flash_attn_func)
    return kernels


def _sdpa(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    mixed = scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2))
    return mixed.transpose(1, 2)


def _sdpa_by(backend: SDPBackend, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Run attention on this backend, or on PyTorch's other ones for sizes it does not support."""
    with sdpa_kernel(list(dict.fromkeys((backend, *ELSE))), set_priority=True):
        return _sdpa(q, k, v)


def _flash_3(flash_attn_func: Callable[..., Any], q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Run FlashAttention 3, which takes the layout as is; some versions also return the log-sum-exp."""
    mixed = flash_attn_func(q, k, v)
    return mixed[0] if isinstance(mixed, tuple) else mixed


def _milliseconds(run: Callable[[], object]) -> float:
    """Return the shortest of several runs on the GPU, after one to warm up."""
    run()
    taken = []
    for _ in range(TRIES - 1):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        run()
        end.record()
        end.synchronize()
        taken.append(start.elapsed_time(end))
    return min(taken)
