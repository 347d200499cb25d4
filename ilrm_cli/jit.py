"""Compilation of the CPU kernels, and their parallel execution.

A kernel is a plain function `kernel(start, stop, *arrays)` that does its share of a larger range and writes only to
that share. numba compiles it without the GIL; `in_parallel` runs shares on Python threads. Compiled code is stored in
our cache folder, so that only the first run on a machine waits for the compiler.
"""

import inspect
import itertools
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import torch

from ilrm_cli.caches import keep_numba_kernels

keep_numba_kernels()  # before numba reads its environment
import numba  # noqa: E402

# Sums may be reordered and multiply-adds fused; NaN and infinity are kept, since they decide visibility.
FAST_MATH = {"reassoc", "contract", "arcp", "nsz", "afn"}


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function on its first call, without the wrappers of runtime type checkers."""
    compiled = partial(numba.njit, inspect.unwrap(function), nogil=True, fastmath=FAST_MATH, error_model="numpy")
    try:
        return compiled(cache=True)
    except RuntimeError:  # no writable folder for compiled code: every process compiles for itself
        return compiled(cache=False)


def inlined(function: Callable[..., Any]) -> Any:
    """Mark a part of kernels: compiled into each user, so that loops around and in it can be vectorised."""
    return numba.njit(forceinline=True, fastmath=FAST_MATH, error_model="numpy")(inspect.unwrap(function))


def is_cached(kernel: Any) -> bool:
    """Return whether an earlier process left a compiled version of this kernel in the cache folder."""
    return any(Path(os.environ["NUMBA_CACHE_DIR"]).rglob(f"*.{kernel.py_func.__name__}-*.nbi"))


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
