import time
from types import SimpleNamespace

import psutil
import pytest

from ilrm_cli.runtime import progress

IMPORTED = time.perf_counter()  # well after the interpreter that runs this was started


def test_whole_seconds_of_the_boot_time_cost_no_precision(monkeypatch):
    monkeypatch.setattr(psutil.Process, "create_time", lambda _: 7_000_990.25)
    monkeypatch.setattr(psutil, "boot_time", lambda: 7_000_000.0)
    clocks = SimpleNamespace(CLOCK_BOOTTIME=7, perf_counter=lambda: 50.0, clock_gettime=lambda _: 1000.0)
    monkeypatch.setattr(progress, "time", clocks)
    assert progress.process_start() == 40.25


def test_elsewhere_the_wall_clock_tells_the_age(monkeypatch):
    monkeypatch.delattr(time, "CLOCK_BOOTTIME", raising=False)
    monkeypatch.setattr(psutil.Process, "create_time", lambda _: time.time() - 10)
    assert progress.process_start() == pytest.approx(time.perf_counter() - 10, abs=0.1)


def test_this_process_was_started_before_it_ran_anything():
    start = progress.process_start()
    assert start < IMPORTED
    assert progress.process_start() == pytest.approx(start, abs=0.01)


def test_a_system_that_does_not_tell(monkeypatch):
    def denied(_):
        raise psutil.AccessDenied

    monkeypatch.setattr(psutil.Process, "create_time", denied)
    before = time.perf_counter()
    assert before <= progress.process_start() <= time.perf_counter()
