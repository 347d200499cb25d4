"""Compilation of the ray caster's kernels for the CPU and for CUDA from the same functions.

Rules for kernels that compile for both (tests/synth/test_raycast_cuda.py compiles all that cast rays):

- Numbers are float32 or integers. Write `f32(0.5)`, never a bare 0.5 in arithmetic: float64 is slow on GPUs.
- Use `math`, `abs`, `min` and `max`, not numpy functions, and `floor32` from here. `math.floor` gives a float on CUDA
  and an integer on CPUs: wrap it in `int(...)` or `f32(...)`.
- Arguments are numbers, tuples, arrays, or NamedTuples of arrays accessed as `group.field[...]`. On CUDA such a
  group is a record, not a tuple: it cannot be unpacked, and arrays whose length differs between scenes are padded, so
  `.shape` does not give counts there.
- Allocate nothing: arrays come from outside.
- Call other kernels by their bare names, imported into the module.
- Integers are 64 bit: keep `/`, `//` and `%` of integers out of loops over rays.
"""

import inspect
import math
from collections.abc import Callable
from functools import cache
from types import FunctionType
from typing import Any

from ilrm_cli.caches import keep_numba_kernels

keep_numba_kernels()  # before numba reads its environment
import numba  # noqa: E402
import numpy as np  # noqa: E402
from numba.core.dispatcher import Dispatcher  # noqa: E402

OPTIONS: dict[str, Any] = {
    "nogil": True,
    "fastmath": {"contract", "reassoc", "nsz", "arcp"},  # keeps NaN and infinity, which slab tests rely on
    "error_model": "numpy",
    "forceinline": True,  # passing tuples of arrays between functions costs more than the arithmetic
    "_nrt": False,  # reference counting of arrays costs more too: kernels own no memory, arrays come from outside
}


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function on its first call, without the wrappers of runtime type checkers."""
    plain = inspect.unwrap(function)
    try:
        return numba.njit(plain, cache=True, **OPTIONS)
    except RuntimeError:  # no writable folder for compiled code: every process compiles for itself
        return numba.njit(plain, cache=False, **OPTIONS)


@kernel
def floor32(x):
    """Return the largest whole number not above x, as float32."""
    return np.floor(x)


def _floor32(x):
    return np.float32(math.floor(x))


IN_OTHER_WORDS = {floor32: _floor32}  # kernels whose text does not compile for CUDA, and their equivalents


@cache
def on_cuda(function: Any) -> Any:
    """Return a kernel and the kernels it calls as CUDA device functions.

    Numba would translate the callees of a CUDA kernel itself, but would read our `fastmath` as "there is no NaN".
    """
    from numba import cuda

    written = inspect.unwrap(IN_OTHER_WORDS.get(function, function.py_func))
    known = written.__globals__
    called = {name: known[name] for name in written.__code__.co_names if isinstance(known.get(name), Dispatcher)}
    globals_ = {**known, **{name: on_cuda(callee) for name, callee in called.items()}}
    copy = FunctionType(written.__code__, globals_, written.__name__, written.__defaults__, written.__closure__)
    return cuda.jit(device=True)(copy)
