"""Start time of this process."""

import os
import time
from contextvars import ContextVar
from pathlib import Path

# `process_start`, if the process was started for one command, whose timings then count from there.
LAUNCHED: ContextVar[float | None] = ContextVar("LAUNCHED", default=None)
STAT = Path("/proc/self/stat")
START_FIELD = 19  # index after the name in parentheses: `starttime` of proc_pid_stat(5), in ticks since boot


def process_start() -> float:
    """Return the value of `time.perf_counter` at which this process started, to a hundredth of a second.

    Only Linux provides it; elsewhere the current time is returned.
    """
    now = time.perf_counter()
    try:
        ticks = int(STAT.read_text().rpartition(")")[2].split()[START_FIELD])
        age_s = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError, ValueError, IndexError):
        return now
    return now - max(age_s, 0.0)
