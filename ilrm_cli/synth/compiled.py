"""How the ray caster's kernels are compiled: once per machine, without Python's lock, into one inlined piece."""

import inspect
from collections.abc import Callable
from typing import Any

from ilrm_cli.caches import keep_numba_kernels

keep_numba_kernels()  # before numba reads its environment
import numba  # noqa: E402

OPTIONS: dict[str, Any] = {
    "nogil": True,
    "cache": True,
    "fastmath": {"contract", "reassoc", "nsz", "arcp"},  # NaN and infinity keep their meaning: slab tests rely on it
    "error_model": "numpy",
    "forceinline": True,  # passing tuples of arrays between functions costs more than the arithmetic
    "_nrt": False,  # so does counting references to arrays: kernels own no memory, all arrays come from outside
}


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function on first call. `unwrap` removes what runtime type checkers put around it."""
    return numba.njit(**OPTIONS)(inspect.unwrap(function))
