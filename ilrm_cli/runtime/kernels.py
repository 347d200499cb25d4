"""Compilation of kernels by numba: for the CPU, spread over threads, and for CUDA from the same functions.

A kernel for the CPU (`kernel`) is a plain function `kernel(start, stop, *arrays)` that does its share of a larger range
and writes only what belongs to that share. numba compiles it without the GIL; `in_parallel` runs shares on Python
threads. Compiled code is kept in our cache folder, so that only the first run on a machine waits for the compiler.

Rules for kernels that compile for both (`shared_kernel`; tests/data/test_raycast_cuda.py compiles all that cast rays):

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
import itertools
import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache, lru_cache, partial
from pathlib import Path
from types import FunctionType
from typing import Any

import torch

from ilrm_cli.runtime.cache import keep_numba_kernels

keep_numba_kernels()  # before numba reads its environment
import numba  # noqa: E402
import numpy as np  # noqa: E402
from numba.core.dispatcher import Dispatcher  # noqa: E402

from ilrm_cli.runtime.kernel_files import compiled  # noqa: E402

# Sums may be reordered and multiply-adds fused; NaN and infinity are kept, since they decide visibility.
FAST_MATH = {"reassoc", "contract", "arcp", "nsz", "afn"}

SHARED_OPTIONS: dict[str, Any] = {
    "nogil": True,
    "fastmath": {"contract", "reassoc", "nsz", "arcp"},  # keeps NaN and infinity, which slab tests rely on
    "error_model": "numpy",
    "forceinline": True,  # passing tuples of arrays between functions costs more than the arithmetic
    "_nrt": False,  # reference counting of arrays costs more too: kernels own no memory, arrays come from outside
}


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function on its first call, without the wrappers of runtime type checkers."""
    return compiled(inspect.unwrap(function), nogil=True, fastmath=FAST_MATH, error_model="numpy")


def inlined(function: Callable[..., Any]) -> Any:
    """Mark a part of kernels: compiled into each user, so that loops around and in it can be vectorised."""
    return numba.njit(forceinline=True, fastmath=FAST_MATH, error_model="numpy")(inspect.unwrap(function))


def is_cached(kernel: Any) -> bool:
    """Return whether an earlier process left a compiled version of this kernel in the cache folder."""
    return any(Path(os.environ["NUMBA_CACHE_DIR"]).rglob(f"*.{kernel.py_func.__name__}-*.nbi"))


@contextmanager
def beside(statements: str) -> Iterator[None]:
    """Run Python statements, which compile kernels into the cache folder, in another process while the block runs.

    numba holds the GIL, so that threads would not help. If they fail, who needs the kernels compiles them himself.
    """
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", statements],  # without -P, a numba.py in the user's current folder would be run
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
        process.wait()
    finally:
        process.kill()


def thread_count() -> int:
    """Return the number of threads for kernels: torch's own setting."""
    return torch.get_num_threads()


@lru_cache(maxsize=1)
def _pool(process_id: int, threads: int) -> ThreadPoolExecutor:
    """Return the helper threads of this process; a forked child has none of its parent's and gets its own."""
    return ThreadPoolExecutor(max_workers=threads, thread_name_prefix="ilrm-kernel")


def in_parallel(kernel: Callable[..., Any], total: int, share: int, *arguments: Any) -> None:
    """Run `kernel(start, stop, *arguments)` over range(total) in shares, each taken by the next free thread."""
    work = partial(_take_shares, kernel, itertools.count(), share, total, arguments)
    helpers = min(thread_count(), -(-total // share)) - 1
    pending = [_pool(os.getpid(), thread_count()).submit(work) for _ in range(helpers)]
    work()
    for helper in pending:
        helper.result()


def _take_shares(
    kernel: Callable[..., Any], shares: Iterator[int], share: int, total: int, arguments: tuple[Any, ...]
) -> None:
    """Run one thread's shares; a nested function would be compiled by the tests' type checks in every call."""
    while (start := next(shares) * share) < total:  # next() on a count is atomic
        kernel(start, min(start + share, total), *arguments)


def shared_kernel(function: Callable[..., Any]) -> Any:
    """Compile a function on its first call, without the wrappers of runtime type checkers."""
    return compiled(inspect.unwrap(function), **SHARED_OPTIONS)


@shared_kernel
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
