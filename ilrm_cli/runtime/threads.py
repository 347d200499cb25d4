"""Parallel work over many items in a few threads, and the number of usable cores.

Image libraries release the GIL, so threads suffice.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from ilrm_cli.runtime.memory import DECODED
from ilrm_cli.runtime.progress import Report, Step, ignore

MAX_THREADS = 8  # of pictures and files: their memory is bounded by `DECODED`

In = TypeVar("In")
Out = TypeVar("Out")


def usable_cores() -> int:
    """Return the number of CPU cores that this process may run on, as far as the system tells."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_threads(
    function: Callable[[In], Out], items: Sequence[In], stage: str = "", report: Report = ignore
) -> list[Out]:
    """Return the function's results in the order of the items.

    Together, the pictures that it works on at the same time take no more memory than `DECODED` allows.
    """

    def work(item: In) -> Out:
        with DECODED.kept():
            return function(item)

    results = []
    report(Step(stage, 0, len(items)))
    with ThreadPoolExecutor(min(MAX_THREADS, os.cpu_count() or 1)) as pool:
        for result in pool.map(work, items):
            results.append(result)
            report(Step(stage, len(results), len(items)))
    return results
