"""When this process was started."""

import os
import time
from contextvars import ContextVar
from pathlib import Path

# `process_start`, where the process was started for one command: it then counts from there where the time went.
LAUNCHED: ContextVar[float | None] = ContextVar("LAUNCHED", default=None)
STAT = Path("/proc/self/stat")
START_FIELD = 19  # of those after the name in parentheses: `starttime` of proc_pid_stat(5), in ticks after the boot


def process_start() -> float:
    """The reading of `time.perf_counter` at which this process was started, to a hundredth of a second.

    Only Linux tells; elsewhere it is the present one.
    """
    now = time.perf_counter()
    try:
        ticks = int(STAT.read_text().rpartition(")")[2].split()[START_FIELD])
        age_s = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError, ValueError, IndexError):
        return now
    return now - max(age_s, 0.0)
