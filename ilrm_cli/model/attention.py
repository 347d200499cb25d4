"""Softmax attention, by whichever kernel is the fastest on the device.

CPUs and training use PyTorch's own choice. On a GPU each kernel there is computes attention of one size, once per
machine; the fastest is used from then on: FlashAttention 2 and cuDNN come with PyTorch, FlashAttention 3 is tried where
its package is installed.
"""

import contextlib
import importlib
import os
import re
from collections.abc import Callable, Collection, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

from ilrm_cli.caches import cache_dir
from ilrm_cli.scratch import this_process

Kernel = Callable[[Tensor, Tensor, Tensor], Tensor]

USUAL = "usual"  # what PyTorch chooses
ELSE = (SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH)  # by turns, to what they can do
# How much faster than the usual one another kernel must be: more than the noise of the measurement, so that machines
# with the same GPU choose alike. The choice is kept, so that runs on one machine give the same bits.
GAIN = 1.1
FA3_PACKAGE = "flash_attn_interface"
TRIAL_TOKENS, TRIAL_HEADS = 8192, 8  # enough for kernels to differ; in two bytes and 64 channels, 8 MB a tensor
TRIES = 5  # of each kernel, the first to warm up


def attention(
    q: Float[Tensor, "batch query head channel"],
    k: Float[Tensor, "batch key head channel"],
    v: Float[Tensor, "batch key head channel"],
) -> Float[Tensor, "batch query head channel"]:
    """Softmax attention of each head. Heads lie beside each other as projections make them: nothing is moved."""
    if q.device.type != "cuda" or torch.is_grad_enabled():
        return _sdpa(q, k, v)
    return gpu_kernels()[_chosen(q.device, q.dtype, q.shape[-1])](q, k, v)


@cache
def _chosen(device: torch.device, precision: torch.dtype, channels: int) -> str:
    """The kernel for heads of so many channels, whatever the numbers of queries and keys."""
    kernels = gpu_kernels()
    kind = (torch.cuda.get_device_name(device), torch.__version__, precision, channels, *kernels)
    place = cache_dir() / "attention" / re.sub(r"[^\w.+]+", "-", "_".join(map(str, kind)))

    def trial() -> str:
        random = torch.Generator(device).manual_seed(0)  # not the one of the program, which goes on as without a trial
        shape = (3, 1, TRIAL_TOKENS, TRIAL_HEADS, channels)
        q, k, v = torch.randn(shape, generator=random, device=device, dtype=precision)
        return fastest({name: partial(kernel, q, k, v) for name, kernel in kernels.items()}, _milliseconds)

    return kept_choice(place, kernels, trial)


def kept_choice(place: Path, names: Collection[str], trial: Callable[[], str]) -> str:
    """The one of these names that the file holds, or what a trial finds, which is then kept in it if it can be."""
    with contextlib.suppress(OSError):
        if (kept := place.read_text(errors="replace")) in names:
            return kept
    found = trial()
    with contextlib.suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True)
        part = place.with_name(f".{this_process()}.part")
        part.write_text(found)
        os.replace(part, place)
    return found


def fastest(runs: Mapping[str, Callable[[], object]], milliseconds: Callable[[Callable[[], object]], float]) -> str:
    """The name of the one that takes the least, if it is clearly faster than the usual one; others may fail."""
    taken = {USUAL: milliseconds(runs[USUAL])}
    for name in (name for name in runs if name != USUAL):
        with contextlib.suppress(Exception):  # each has its own ways to say that it cannot do this here
            taken[name] = milliseconds(runs[name])
    best = min(taken, key=lambda name: taken[name])
    return best if taken[best] * GAIN < taken[USUAL] else USUAL


@cache
def gpu_kernels() -> dict[str, Kernel]:
    """All that could be used on a GPU, by name."""
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
    """What this backend cannot do, such as some sizes, is left to PyTorch's other ones."""
    with sdpa_kernel(list(dict.fromkeys((backend, *ELSE))), set_priority=True):
        return _sdpa(q, k, v)


def _flash_3(flash_attn_func: Callable[..., Any], q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Takes the layout as it is; some versions also return the logarithms of the sums."""
    mixed = flash_attn_func(q, k, v)
    return mixed[0] if isinstance(mixed, tuple) else mixed


def _milliseconds(run: Callable[[], object]) -> float:
    """The shortest of some runs on the GPU, after one to warm up."""
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
