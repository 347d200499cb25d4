import os
import time
from types import SimpleNamespace

import pytest

from ilrm_cli import process_age

IMPORTED = time.perf_counter()  # well after the interpreter that runs this was started


def test_the_age_is_the_time_since_the_tick_that_the_system_tells(monkeypatch, tmp_path):
    stat = tmp_path / "stat"
    started = 990 * os.sysconf("SC_CLK_TCK")
    stat.write_text(f"7 (odd) name) S {' '.join(['0'] * 18)} {started} 0 0")  # the 22nd field of all
    clocks = SimpleNamespace(CLOCK_BOOTTIME=7, perf_counter=lambda: 50.0, clock_gettime=lambda _: 1000.0)
    monkeypatch.setattr(process_age, "STAT", stat)
    monkeypatch.setattr(process_age, "time", clocks)
    assert process_age.process_start() == 40


@pytest.mark.skipif(not process_age.STAT.is_file(), reason="only Linux tells when a process was started")
def test_this_process_was_started_before_it_ran_anything():
    assert process_age.process_start() < IMPORTED


def test_a_system_that_does_not_tell(monkeypatch, tmp_path):
    monkeypatch.setattr(process_age, "STAT", tmp_path / "none")
    before = time.perf_counter()
    assert before <= process_age.process_start() <= time.perf_counter()
