"""Softmax attention, by whichever kernel is the fastest on the device.

CPUs and training use PyTorch's own choice. On a GPU every kernel there is computes the first attention of its kind, and
the fastest is kept for the rest of the process: FlashAttention 2 and cuDNN come with PyTorch, FlashAttention 3 is tried
where its package is installed.
"""

import importlib
import importlib.util
from collections.abc import Callable, Mapping
from functools import cache, partial

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

Kernel = Callable[[Tensor, Tensor, Tensor], Tensor]

USUAL = "usual"  # what PyTorch chooses
# How much faster than the usual one another kernel must be: more than the noise of the measurement, so that all runs on
# a machine choose alike and give the same bits.
GAIN = 1.1
FA3_PACKAGE = "flash_attn_interface"
TRIES = 5  # of each kernel, the first to warm up


def attention(
    q: Float[Tensor, "batch query head channel"],
    k: Float[Tensor, "batch key head channel"],
    v: Float[Tensor, "batch key head channel"],
) -> Float[Tensor, "batch query head channel"]:
    """Softmax attention of each head. Heads lie beside each other as projections make them: nothing is moved."""
    if q.device.type != "cuda" or torch.is_grad_enabled() or torch.cuda.is_current_stream_capturing():
        return _sdpa(q, k, v)
    kernels = gpu_kernels()
    kind = (q.device, q.dtype, q.shape[-1], q.shape[1].bit_length(), k.shape[1].bit_length())
    if kind not in _chosen:
        _chosen[kind] = fastest(kernels, q, k, v, _milliseconds)
    return kernels[_chosen[kind]](q, k, v)


_chosen: dict[tuple, str] = {}  # the kernel for each kind of attention: device, precision, sizes to a factor of two


def fastest(
    kernels: Mapping[str, Kernel],
    q: Tensor,
    k: Tensor,
    v: Tensor,
    milliseconds: Callable[[Callable[[], object]], float],
) -> str:
    """The name of the kernel that takes the least, if it is clearly faster than the usual one; some may refuse."""
    taken: dict[str, float] = {}
    for name, kernel in kernels.items():
        try:
            taken[name] = milliseconds(partial(kernel, q, k, v))
        except RuntimeError:  # how PyTorch and the kernels say that they cannot do this precision, size or device
            continue
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
    if importlib.util.find_spec(FA3_PACKAGE):
        kernels["flash 3"] = _flash_3
    return kernels


def _sdpa(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    mixed = scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2))
    return mixed.transpose(1, 2)


def _sdpa_by(backend: SDPBackend, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    with sdpa_kernel(backend):
        return _sdpa(q, k, v)


def _flash_3(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Takes the layout as it is; some versions also return the logarithms of the sums."""
    mixed = importlib.import_module(FA3_PACKAGE).flash_attn_func(q, k, v)
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
