"""What this machine's memory holds: what is free, and the most that this process has held."""

import ctypes
import os
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import psutil
import torch

resource: Any
try:
    import resource
except ImportError:  # Windows
    resource = None

PROC, CGROUPS = Path("/proc"), Path("/sys/fs/cgroup")
SHARERS = "ILRM_SHARERS"  # environment variable: how many processes of a batch work on the same device at once
# Files that are kept in memory only as long as nobody needs the room, by the version of control groups.
RECLAIMABLE_V1 = ("total_inactive_file", "total_active_file")
RECLAIMABLE_V2 = ("inactive_file", "active_file", "slab_reclaimable")
RESET_PEAK = "5"  # what makes Linux forget the peak of a process (proc(5), clear_refs)


def free_bytes(device: torch.device) -> int:
    """What can still be taken: on a GPU, or of RAM within the limits of this process and of the groups it is in.

    Of several processes of a batch each gets its share.
    """
    sharers = int(os.environ.get(SHARERS, "1"))
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free // sharers + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    left = (psutil.virtual_memory().available, _below_address_limit(), *_below_group_limits())
    return max(0, min(free for free in left if free is not None)) // sharers


def _below_address_limit() -> int | None:
    """What `ulimit -v` leaves."""
    if resource is None:
        return None
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return None if limit == resource.RLIM_INFINITY else limit - psutil.Process().memory_info().vms


def _below_group_limits() -> Iterator[int]:
    """What control groups of containers and services leave, of either version and on every level."""
    membership = PROC / "self" / "cgroup"
    for line in membership.read_text().splitlines() if membership.is_file() else ():
        _, controllers, path = line.split(":", 2)
        if not controllers:
            yield from _left(CGROUPS, path, "memory.max", "memory.current", RECLAIMABLE_V2)
        elif "memory" in controllers.split(","):
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes")
            yield from _left(CGROUPS / "memory", path, *names, RECLAIMABLE_V1)


def _left(root: Path, path: str, limit_name: str, usage_name: str, reclaimable: Collection[str]) -> Iterator[int]:
    """Limit less usage of a group and those above it; cached files give way."""
    group = root / path.lstrip("/")
    for level in (group, *group.parents):
        if not level.is_relative_to(root):
            return
        try:
            limit, usage = (level / limit_name).read_text().strip(), int((level / usage_name).read_text())
            stat = dict(line.split() for line in (level / "memory.stat").read_text().splitlines())
        except OSError:  # no limit on this level, or the container does not show it
            continue
        if limit != "max":
            yield int(limit) - usage + sum(int(stat.get(name, 0)) for name in reclaimable)


def peak_memory_gb() -> float:
    """The most memory this process has held so far, in 10⁹ bytes."""
    if resource is None:
        return float(psutil.Process().memory_info().peak_wset / 1e9)
    return _resident_gb(resource.RUSAGE_SELF)


def peak_of_children_gb() -> float | None:
    """The most memory that one of the processes started from here has held; None where the system does not tell."""
    return None if resource is None else _resident_gb(resource.RUSAGE_CHILDREN)


def _resident_gb(whose: int) -> float:
    peak = resource.getrusage(whose).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024) / 1e9  # macOS counts bytes, Linux kibibytes


class PeakWatch:
    """The most memory held from its creation on: by this process, or by PyTorch on a GPU."""

    def __init__(self, device: torch.device):
        self._device = device
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        else:
            _give_back()
        self.start_bytes = held_bytes(device)
        self._known = device.type == "cuda" or _forget_peak()

    def peak_bytes(self) -> int | None:
        """The peak so far; None where the system does not tell it for a part of a run."""
        if self._device.type == "cuda":
            return torch.cuda.max_memory_allocated(self._device)
        return table_bytes(PROC / "self" / "status").get("VmHWM") if self._known else None


def held_bytes(device: torch.device) -> int:
    """What this process holds now, or PyTorch on a GPU."""
    if device.type == "cuda":
        return torch.cuda.memory_allocated(device)
    return int(psutil.Process().memory_info().rss)


def _give_back() -> None:
    """Have the allocator of GNU systems return what it keeps of freed blocks, which would hide new ones."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def _forget_peak() -> bool:
    """Whether Linux started to watch for the peak anew; elsewhere, and in some containers, it cannot."""
    try:
        (PROC / "self" / "clear_refs").write_text(RESET_PEAK)
    except OSError:
        return False
    return True


def table_bytes(path: Path) -> dict[str, int]:
    """The lines "name: number kB" of a file, in bytes."""
    lines = (line.split() for line in path.read_text().splitlines())
    return {words[0].rstrip(":"): 1024 * int(words[1]) for words in lines if len(words) == 3 and words[2] == "kB"}
