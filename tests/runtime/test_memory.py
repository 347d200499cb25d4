"""Tests that the memory reported is what this machine's system files say."""

import resource
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import torch

from ilrm_cli.runtime import memory
from ilrm_cli.runtime.memory import SHARERS, PeakWatch, free_bytes, peak_memory_gb

CPU = torch.device("cpu")
linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the peak of a part of a run")


@linux
def test_a_watch_sees_what_came_and_went():
    before = PeakWatch(CPU).peak_bytes()
    if before is None:
        pytest.skip("this container does not let processes reset their peak")
    watch = PeakWatch(CPU)
    torch.ones(25_000_000)
    assert watch.start_bytes is not None
    assert 0.99e8 < watch.peak_bytes() - watch.start_bytes < 1.2e8


def test_the_peak_of_the_process_is_at_least_what_it_holds():
    held = torch.ones(10_000_000)
    assert peak_memory_gb() * 1e9 > held.nbytes


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a system root whose files a test writes."""
    (tmp_path / "proc" / "self").mkdir(parents=True)
    (tmp_path / "proc" / "self" / "cgroup").write_text("")
    monkeypatch.setattr(memory, "PROC", tmp_path / "proc")
    monkeypatch.setattr(memory, "CGROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=8_000_000 * 1024))
    return tmp_path


def group(folder: Path, names: tuple[str, str], limit: str, usage: int, stat: str) -> None:
    folder.mkdir(parents=True)
    for name, text in zip((*names, "memory.stat"), (limit, str(usage), stat), strict=True):
        (folder / name).write_text(f"{text}\n")


VERSION_1 = ("memory.limit_in_bytes", "memory.usage_in_bytes")
VERSION_2 = ("memory.max", "memory.current")


def test_without_limits_all_that_is_available_is_free(told: Path):
    assert free_bytes(CPU) == 8_000_000 * 1024


def test_processes_of_a_batch_share_what_is_free(told: Path, monkeypatch):
    monkeypatch.setenv(SHARERS, "4")
    assert free_bytes(CPU) == 2_000_000 * 1024


def test_the_tightest_group_of_any_level_counts(told: Path):
    (told / "proc" / "self" / "cgroup").write_text("0::/outer/inner\n")
    group(
        told / "cgroup" / "outer", VERSION_2, "3000000", 2_000_000, "anon 5\ninactive_file 400000\nactive_file 100000"
    )
    group(told / "cgroup" / "outer" / "inner", VERSION_2, "max", 1_000_000, "inactive_file 0")
    assert free_bytes(CPU) == 3_000_000 - 2_000_000 + 500_000


def test_groups_of_version_1_count_too(told: Path):
    (told / "proc" / "self" / "cgroup").write_text("5:cpu:/x\n4:memory:/box\n")
    group(told / "cgroup" / "memory" / "box", VERSION_1, "4000000", 1_000_000, "inactive_file 7\ntotal_inactive_file 9")
    assert free_bytes(CPU) == 3_000_009


def test_a_group_beyond_its_limit_leaves_nothing(told: Path):
    (told / "proc" / "self" / "cgroup").write_text("0::/\n")
    group(told / "cgroup", VERSION_2, "1000", 2_000, "anon 2000")
    assert free_bytes(CPU) == 0


def test_systems_without_control_groups_and_limits_tell_what_is_available(told: Path, monkeypatch: pytest.MonkeyPatch):
    (told / "proc" / "self" / "cgroup").unlink()
    monkeypatch.setattr(memory, "resource", None)
    assert free_bytes(CPU) == 8_000_000 * 1024


def test_a_limit_on_addresses_counts_what_is_mapped(told: Path, monkeypatch: pytest.MonkeyPatch):
    mapped = psutil.Process().memory_info().vms
    monkeypatch.setattr(resource, "getrlimit", lambda which: (mapped + 3_000_000 * 1024, -1))
    assert free_bytes(CPU) == pytest.approx(3_000_000 * 1024, rel=0.05)


def test_threads_share_a_room(monkeypatch: pytest.MonkeyPatch):
    """At no time do they hold more than there is, but for one that alone needs more."""
    room, held, most = memory.Room(100, planned_from_bytes=90), [], []
    monkeypatch.setattr(memory, "free_bytes", lambda _: 95)

    def work(needed: int) -> None:
        with room.taken(needed):
            held.append(needed)
            most.append(tuple(held))
            time.sleep(0.002)
            held.remove(needed)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, [40, 40, 40, 30, 150, 90, 40, 5] * 5))
    assert any(len(together) > 1 for together in most)
    assert all(sum(together) <= 100 or together == (150,) for together in most)
    assert all(sum(together) <= 95 for together in most if together[-1] == 90)


def test_a_room_is_left_on_errors_and_kept_where_asked():
    room = memory.Room(100, planned_from_bytes=90)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), room.taken(80):
            1 / 0  # noqa: B018
    with ThreadPoolExecutor(1) as pool:
        with room.kept():
            with room.taken(80), room.taken(60):  # of the same thread
                pass
            other = pool.submit(lambda: room.taken(40).__enter__())
            time.sleep(0.01)
            assert not other.done()
        other.result(timeout=10)
