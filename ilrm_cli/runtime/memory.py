"""Memory of this machine: free bytes, what threads may use at the same time, and the peak of this process."""

import ctypes
import os
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from threading import Condition, local
from typing import Any

import psutil
import torch

resource: Any
try:
    import resource
except ImportError:  # Windows
    resource = None

PROC, CGROUPS = Path("/proc"), Path("/sys/fs/cgroup")
SHARERS = "ILRM_SHARERS"  # environment variable: number of processes of a batch that share a device
# Cached files that the kernel frees on demand, by version of control groups.
RECLAIMABLE_V1 = ("total_inactive_file", "total_active_file")
RECLAIMABLE_V2 = ("inactive_file", "active_file", "slab_reclaimable")
RESET_PEAK = "5"  # makes Linux reset the peak of a process (proc(5), clear_refs)


def free_bytes(device: torch.device) -> int:
    """Return the available memory: of a GPU, or of RAM within the limits of this process and its control groups.

    Processes of a batch get equal shares.
    """
    sharers = int(os.environ.get(SHARERS, "1"))
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free // sharers + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    left = (psutil.virtual_memory().available, _below_address_limit(), *_below_group_limits())
    return max(0, min(free for free in left if free is not None)) // sharers


def _below_address_limit() -> int | None:
    """Return what `ulimit -v` leaves."""
    if resource is None:
        return None
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return None if limit == resource.RLIM_INFINITY else limit - psutil.Process().memory_info().vms


def _below_group_limits() -> Iterator[int]:
    """Yield what control groups of containers and services leave, of either version and on every level."""
    membership = PROC / "self" / "cgroup"
    for line in membership.read_text().splitlines() if membership.is_file() else ():
        _, controllers, path = line.split(":", 2)
        if not controllers:
            yield from _left(CGROUPS, path, "memory.max", "memory.current", RECLAIMABLE_V2)
        elif "memory" in controllers.split(","):
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes")
            yield from _left(CGROUPS / "memory", path, *names, RECLAIMABLE_V1)


def _left(root: Path, path: str, limit_name: str, usage_name: str, reclaimable: Collection[str]) -> Iterator[int]:
    """Yield limit minus usage of a group and its ancestors; cached files count as free."""
    group = root / path.lstrip("/")
    for level in (group, *group.parents):
        if not level.is_relative_to(root):
            return
        try:
            limit, usage = (level / limit_name).read_text().strip(), int((level / usage_name).read_text())
            stat = dict(line.split() for line in (level / "memory.stat").read_text().splitlines())
        except OSError:  # no limit on this level, or hidden by the container
            continue
        if limit != "max":
            yield int(limit) - usage + sum(int(stat.get(name, 0)) for name in reclaimable)


GIVEN_BACK_BYTES = 100_000_000  # of one thread, from which on its allocator is made to return what it has freed


class Room:
    """Memory that threads use at the same time: one waits until there is enough for it, or it is the only one."""

    def __init__(self, most_bytes: int, planned_from_bytes: int) -> None:
        """Limit all threads together; the free memory counts too for a thread that needs `planned_from_bytes`."""
        self._most, self._planned_from = most_bytes, planned_from_bytes
        self._taken = 0
        self._changed = Condition()
        self._mine = local()  # `held`, of a thread within `kept`

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Keep whatever this thread takes to the end of the block, as it still works on it."""
        assert not hasattr(self._mine, "held"), "a thread keeps what it takes once, to the outer end"
        self._mine.held = 0
        try:
            yield
        finally:
            if self._mine.held >= GIVEN_BACK_BYTES:
                _give_back()
            with self._changed:
                self._taken -= self._mine.held
                self._changed.notify_all()
            del self._mine.held

    @contextmanager
    def taken(self, needed_bytes: int) -> Iterator[None]:
        """Hold at least that much together with what this thread holds already; only its first part is waited for."""
        with nullcontext() if hasattr(self._mine, "held") else self.kept():
            with self._changed:
                held = self._mine.held
                self._changed.wait_for(lambda: held or not self._taken or self._is_room_for(needed_bytes))
                self._mine.held = max(held, needed_bytes)
                self._taken += self._mine.held - held
            yield

    def _is_room_for(self, needed_bytes: int) -> bool:
        large = needed_bytes >= self._planned_from
        most = min(self._most, free_bytes(torch.device("cpu"))) if large else self._most
        return self._taken + needed_bytes <= most


PLANNED_FROM_BYTES = 650_000_000  # of a picture; smaller ones are not worth a look at the free memory
DECODED = Room(most_bytes=2_000_000_000, planned_from_bytes=PLANNED_FROM_BYTES)  # of pictures and what is made of them


def peak_memory_gb() -> float:
    """Return the peak memory of this process so far, in 10⁹ bytes."""
    if resource is None:
        return float(psutil.Process().memory_info().peak_wset / 1e9)
    return _resident_gb(resource.RUSAGE_SELF)


def peak_of_children_gb() -> float | None:
    """Return the largest peak memory of a child process; None if the system does not provide it."""
    return None if resource is None else _resident_gb(resource.RUSAGE_CHILDREN)


def _resident_gb(whose: int) -> float:
    peak = resource.getrusage(whose).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024) / 1e9  # macOS counts bytes, Linux kibibytes


class PeakWatch:
    """The peak memory from its creation on: of this process, or of PyTorch on a GPU."""

    def __init__(self, device: torch.device):
        self._device = device
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        else:
            _give_back()
        self.start_bytes = held_bytes(device)
        self._known = device.type == "cuda" or _forget_peak()

    def peak_bytes(self) -> int | None:
        """Return the peak so far; None if the system cannot measure it for a part of a run."""
        if self._device.type == "cuda":
            return torch.cuda.max_memory_allocated(self._device)
        return table_bytes(PROC / "self" / "status").get("VmHWM") if self._known else None


def held_bytes(device: torch.device) -> int:
    """Return the memory held now by this process, or by PyTorch on a GPU."""
    if device.type == "cuda":
        return torch.cuda.memory_allocated(device)
    return int(psutil.Process().memory_info().rss)


def _give_back() -> None:
    """Make the allocator of GNU systems return freed blocks, which would hide new ones."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def _forget_peak() -> bool:
    """Reset Linux's peak and return whether it worked; other systems and some containers do not allow it."""
    try:
        (PROC / "self" / "clear_refs").write_text(RESET_PEAK)
    except OSError:
        return False
    return True


def table_bytes(path: Path) -> dict[str, int]:
    """Parse the lines "name: number kB" of a file; return bytes."""
    lines = (line.split() for line in path.read_text().splitlines())
    return {words[0].rstrip(":"): 1024 * int(words[1]) for words in lines if len(words) == 3 and words[2] == "kB"}
