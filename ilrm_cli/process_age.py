"""Start time of this process."""

import time
from contextvars import ContextVar

# Whether the process was started for one command, whose timings then count from `process_start`.
LAUNCHED: ContextVar[bool] = ContextVar("LAUNCHED", default=False)


def process_start() -> float:
    """Return the value of `time.perf_counter` at which this process started, to a hundredth of a second.

    Where the system does not tell, the current time is returned.
    """
    import psutil  # takes longer than the help of the tool may, which needs no start time

    now = time.perf_counter()
    try:
        created = psutil.Process().create_time()
        if hasattr(time, "CLOCK_BOOTTIME"):  # Linux, where psutil adds the time of boot in whole seconds
            age_s = time.clock_gettime(time.CLOCK_BOOTTIME) - (created - psutil.boot_time())
        else:
            age_s = time.time() - created
    except (psutil.Error, OSError, RuntimeError):
        return now
    return now - max(age_s, 0.0)
