"""Long calls of pycolmap, with progress and cancellation by Ctrl-C."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from typing import TypeVar

from ilrm_cli.colmap_library import pycolmap
from ilrm_cli.runtime.progress import Report, Step

POLL_S = 0.2  # interval between progress polls

Result = TypeVar("Result")


def watched(
    run: Callable[[pycolmap.CancellationToken], Result], done: Callable[[], int], start: Step, report: Report
) -> Result:
    """Call `run` in a thread (pycolmap releases the GIL) and return its result; meanwhile poll `done` for progress."""
    assert start.total is not None
    report(start)
    token = pycolmap.CancellationToken()
    with ThreadPoolExecutor(1) as pool:
        try:
            running = pool.submit(run, token)
            while wait([running], POLL_S).not_done:
                report(replace(start, done=min(done(), start.total)))
            result = running.result()
        finally:
            token.cancel()  # so that Ctrl-C ends the thread as well
    report(replace(start, done=start.total))
    return result
