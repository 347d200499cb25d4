"""Kernels are compiled, kept where that is possible, and their shares cover a range exactly."""

import threading
import time
from pathlib import Path

import numba
import numpy as np
import psutil
import pytest

from ilrm_cli.runtime.kernels import beside, in_parallel, is_cached, kernel, shared_kernel


@pytest.mark.parametrize(("total", "share"), [(0, 4), (1, 4), (4, 4), (103, 4), (103, 1000)])
def test_shares_cover_the_range_once(total: int, share: int):
    visits, lock = np.zeros(total, np.int64), threading.Lock()

    def kernel(start: int, stop: int, step: int) -> None:
        assert start % share == 0
        with lock:
            visits[start:stop] += step

    in_parallel(kernel, total, share, 3)
    assert (visits == 3).all()


def test_an_error_in_a_share_is_raised():
    def kernel(start: int, stop: int) -> None:
        if start == 8:
            raise ValueError("share 8")

    with pytest.raises(ValueError, match="share 8"):
        in_parallel(kernel, 40, 4)


def test_kernels_run_where_compiled_code_cannot_be_kept(monkeypatch):
    monkeypatch.setattr(numba.core.caching.CacheImpl, "_locator_classes", [])

    @kernel
    def kept_nowhere(start, stop, out):
        for at in range(start, stop):
            out[at] = at

    numbers = np.zeros(5, np.int64)
    in_parallel(kept_nowhere, 5, 2, numbers)
    assert numbers.tolist() == [0, 1, 2, 3, 4]
    assert not is_cached(kept_nowhere)


def test_shared_kernels_run_where_compiled_code_cannot_be_kept(monkeypatch):
    monkeypatch.setattr(numba.core.caching.CacheImpl, "_locator_classes", [])

    @shared_kernel
    def kept_nowhere(x):
        return x + 1

    assert kept_nowhere(1) == 2
    assert not kept_nowhere.stats.cache_hits


def test_another_process_works_while_the_block_runs_and_goes_if_the_block_fails(tmp_path):
    made, begun = tmp_path / "made", tmp_path / "begun"
    with beside(f"open({str(made)!r}, 'w')"):
        pass
    assert made.exists()
    statements = f"import os, time; open({str(begun)!r}, 'w').write(str(os.getpid()) + '.'); time.sleep(30)"
    with pytest.raises(KeyboardInterrupt), beside(statements):
        interrupt_when_written(begun)
    process = int(begun.read_text()[:-1])
    deadline_s = time.monotonic() + 10
    while runs(process) and time.monotonic() < deadline_s:
        time.sleep(0.01)
    assert not runs(process)


def interrupt_when_written(file: Path) -> None:
    while not (file.exists() and file.read_text().endswith(".")):
        time.sleep(0.01)
    raise KeyboardInterrupt


def runs(process: int) -> bool:
    """Return whether a process runs; one that nobody has reaped is a zombie."""
    try:
        return psutil.Process(process).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_another_process_takes_no_modules_from_the_current_folder(tmp_path, monkeypatch):
    made = tmp_path / "made"
    (tmp_path / "numba.py").write_text(f"open({str(tmp_path / 'run')!r}, 'w')")
    monkeypatch.chdir(tmp_path)
    with beside(f"import ilrm_cli.runtime.kernels; open({str(made)!r}, 'w')"):
        pass
    assert made.exists()
    assert not (tmp_path / "run").exists()
