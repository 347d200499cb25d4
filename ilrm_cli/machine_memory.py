"""What this machine's memory holds."""

import resource
import sys


def peak_memory_gb() -> float:
    """The most memory this process has held so far, in 10⁹ bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024) / 1e9  # macOS counts bytes, Linux kibibytes
