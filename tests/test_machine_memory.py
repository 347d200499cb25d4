"""What is told of this machine's memory is what was asked of it."""

import sys

import pytest
import torch

from ilrm_cli.machine_memory import PeakWatch, peak_memory_gb

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
