"""What this machine's memory holds: the most that this process has held."""

import resource
import sys
from pathlib import Path

import torch

STATUS, CLEAR_REFS = Path("/proc/self/status"), Path("/proc/self/clear_refs")
RESET_PEAK = "5"  # what makes Linux forget the peak of a process (proc(5), clear_refs)


def peak_memory_gb() -> float:
    """The most memory this process has held so far, in 10⁹ bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024) / 1e9  # macOS counts bytes, Linux kibibytes


class PeakWatch:
    """The most memory held from its creation on: by this process, or by PyTorch on a GPU."""

    def __init__(self, device: torch.device):
        self._device = device
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        self._start, self._known = held_bytes(device), device.type == "cuda" or _forget_peak()

    @property
    def start_bytes(self) -> int | None:
        """What was held at the start; None where the system does not tell."""
        return self._start

    def peak_bytes(self) -> int | None:
        """The peak so far; None where the system does not tell it for a part of a run."""
        if self._device.type == "cuda":
            return torch.cuda.max_memory_allocated(self._device)
        return _status_bytes("VmHWM") if self._known else None


def held_bytes(device: torch.device) -> int | None:
    """What this process holds now, or PyTorch on a GPU; None where the system does not tell."""
    return torch.cuda.memory_allocated(device) if device.type == "cuda" else _status_bytes("VmRSS")


def _forget_peak() -> bool:
    """Whether Linux started to watch for the peak anew; elsewhere, and in some containers, it cannot."""
    try:
        CLEAR_REFS.write_text(RESET_PEAK)
    except OSError:
        return False
    return True


def _status_bytes(field: str) -> int | None:
    if not STATUS.is_file():
        return None
    lines = (line.split() for line in STATUS.read_text().splitlines())
    return next((1024 * int(words[1]) for words in lines if words and words[0] == f"{field}:"), None)
