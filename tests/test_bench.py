"""The benchmark measures what it says; the speeds themselves are for `make bench`."""

import time

import pytest
import torch

from ilrm_cli import bench
from ilrm_cli.progress import Step


def test_a_job_twice_as_long_has_twice_the_seconds():
    jobs = {"short": (lambda: time.sleep(0.02), 100.0), "long": (lambda: time.sleep(0.04), 1e-9)}
    steps: list[Step] = []
    short, long = bench.measure(jobs, rounds=3, report=steps.append)
    assert short.name == "short"
    assert 0.02 <= short.seconds < long.seconds
    assert (short.passed, long.passed) == (True, False)
    assert [(s.done, s.total) for s in steps] == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize("case", bench.RASTER_CASES)
def test_scenes_are_as_stated(case: bench.RasterCase):
    gaussians, camera = bench.raster_scene(case)
    assert len(gaussians) == case.gaussians
    assert gaussians.sh_degree == 0
    low, high = gaussians.means.amin(0), gaussians.means.amax(0)
    assert (low >= torch.tensor([-2, -2, 2])).all()
    assert (high <= torch.tensor([2, 2, 6])).all()
    assert abs(gaussians.scales.log().mean().exp() / case.scale - 1) < 0.01
    assert abs(gaussians.scales.log().std() - 0.5) < 0.01
    assert camera.focal_px[0, 0] == camera.width


def test_the_raster_suite_times_forward_and_backward_of_each_case(monkeypatch: pytest.MonkeyPatch):
    small = bench.RasterCase(gaussians=500, scale=0.01, width=40, height=30, forward_limit=9.0, both_limit=9.0)
    monkeypatch.setattr(bench, "RASTER_CASES", (small,))
    rows = bench.raster_suite(rounds=1)
    assert [r.name for r in rows] == ["500 Gaussians at 40x30, forward", "500 Gaussians at 40x30, forward and backward"]
    assert all(r.seconds > 0 and r.ratio_to_matmul > 0 and r.limit == 9 for r in rows)
