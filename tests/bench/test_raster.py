"""Tests of the scenes that the rasteriser is timed on."""

import pytest
import torch

from ilrm_cli.bench import raster, timing
from ilrm_cli.bench.raster import FilmCase
from ilrm_cli.runtime.progress import Step


@pytest.mark.parametrize("case", raster.RASTER_CASES)
def test_scenes_are_as_stated(case: raster.RasterCase):
    gaussians, camera = raster.raster_scene(case)
    assert len(gaussians) == case.gaussians
    assert gaussians.sh_degree == 0
    low, high = gaussians.means.amin(0), gaussians.means.amax(0)
    assert (low >= torch.tensor([-2, -2, 2])).all()
    assert (high <= torch.tensor([2, 2, 6])).all()
    assert abs(gaussians.scales.log().mean().exp() / case.scale - 1) < 0.01
    assert abs(gaussians.scales.log().std() - 0.5) < 0.01
    assert camera.focal_px[0, 0] == camera.width


def test_the_raster_suite_times_each_case_without_and_with_gradients_and_a_film(monkeypatch: pytest.MonkeyPatch):
    small = raster.RasterCase(gaussians=500, scale=0.01, width=40, height=30, forward_limit=9.0, both_limit=9.0)
    monkeypatch.setattr(raster, "RASTER_CASES", (small,))
    monkeypatch.setattr(raster, "FILM", FilmCase(frames=3, width=64, height=48, limit=9.0))
    monkeypatch.setitem(timing.MATMUL_SIDE, "cpu", 64)
    steps: list[Step] = []
    rows = raster.raster_suite(rounds=1, report=steps.append).rows
    assert [r.name for r in rows] == [
        "500 Gaussians at 40x30, forward",
        "500 Gaussians at 40x30, forward and backward",
        "500 Gaussians at 40x30, forward, against plain PyTorch",
        "film of 500 Gaussians, 3 frames at 64x48, encoded",
    ]
    assert all(r.seconds > 0 and r.ratio > 0 for r in rows)
    assert [r.limit for r in rows] == [9, 9, None, 9]
    assert [s for s in steps if s.stage == "film"] == [Step("film", i, 6) for i in range(1, 7)]  # each frame twice
