"""How the ray caster's kernels are compiled: the same functions for the CPU and for CUDA.

What a kernel may do, so that it compiles for both (tests/synth/test_raycast_cuda.py compiles all that cast rays):

- Numbers are float32 or integers. Write `f32(0.5)`, never a bare 0.5 in arithmetic: float64 is slow on GPUs.
- `math` and `abs`, `min`, `max`, not numpy functions; `floor32` from here. `math.floor` gives a float on CUDA and an
  integer on CPUs: say `int(...)` or `f32(...)` of it.
- Arguments are numbers, tuples, arrays, or NamedTuples of arrays that are reached as `group.field[...]`. On CUDA such a
  group is a record, not a tuple: it cannot be unpacked, and arrays that differ in length between scenes are padded, so
  `.shape` tells no counts there.
- Nothing is allocated: arrays come from outside.
- Other kernels are called by their bare names, imported into the module.
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
    "fastmath": {"contract", "reassoc", "nsz", "arcp"},  # NaN and infinity keep their meaning: slab tests rely on it
    "error_model": "numpy",
    "forceinline": True,  # passing tuples of arrays between functions costs more than the arithmetic
    "_nrt": False,  # so does counting references to arrays: kernels own no memory, all arrays come from outside
}


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function on first call. `unwrap` removes what runtime type checkers put around it."""
    plain = inspect.unwrap(function)
    try:
        return numba.njit(plain, cache=True, **OPTIONS)
    except RuntimeError:  # no folder for compiled code can be written: every process compiles for itself
        return numba.njit(plain, cache=False, **OPTIONS)


@kernel
def floor32(x):
    """The largest whole number not above x, a float32."""
    return np.floor(x)


def _floor32(x):
    return np.float32(math.floor(x))


IN_OTHER_WORDS = {floor32: _floor32}  # kernels whose text does not compile for CUDA, and what does the same there


@cache
def on_cuda(function: Any) -> Any:
    """A kernel, and the kernels that it calls, as device functions of CUDA.

    Numba would translate what a CUDA kernel calls by itself, but with our `fastmath` read as "there is no NaN".
    """
    from numba import cuda

    written = inspect.unwrap(IN_OTHER_WORDS.get(function, function.py_func))
    known = written.__globals__
    called = {name: known[name] for name in written.__code__.co_names if isinstance(known.get(name), Dispatcher)}
    globals_ = {**known, **{name: on_cuda(callee) for name, callee in called.items()}}
    copy = FunctionType(written.__code__, globals_, written.__name__, written.__defaults__, written.__closure__)
    return cuda.jit(device=True)(copy)
