"""The table of the suite `gpu`, on the CPU with a small model; the suite itself refuses machines without CUDA."""

import json

import pytest
import torch

from ilrm_cli.bench import gpu, timing
from ilrm_cli.bench.gpu import CASES, PaperCase
from ilrm_cli.bench.raster import RasterCase
from ilrm_cli.bench.scaling_study import Case
from ilrm_cli.runtime.errors import InputError
from tests.support.small_models import published

CPU = torch.device("cpu")
SMALL = RasterCase(gaussians=200, scale=0.05, width=24, height=16, forward_limit=9, both_limit=9)


def test_the_cases_are_those_of_the_design():
    shapes = [(c.case.views, c.case.height, c.case.width) for c in CASES]
    assert shapes[:5] == [(8, 256, 256), (6, 256, 448), (11, 256, 448), (24, 256, 448), (12, 512, 960)]
    assert shapes[5:] == [(views, 544, 960) for views in (16, 32, 64, 128)]
    assert gpu.LIMIT_S[Case(32, 960, 544)] == 0.4


def test_without_cuda_it_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="needs a CUDA device"):
        gpu.gpu_suite()


def test_the_table_has_a_line_for_each_case_and_the_limit_where_it_holds(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(timing.MATMUL_SIDE, "cpu", 64)
    monkeypatch.setattr(gpu, "LIMIT_S", {Case(2, 32, 16): 100.0})
    cases = (PaperCase(Case(2, 32, 16), 0.5, 1.4, "RTX 4090"), PaperCase(Case(2, 640, 640)))
    monkeypatch.setattr("ilrm_cli.models.memory_plan.free_bytes", lambda device: 45_000_000)
    lines = gpu.pass_table(published("dl3dv"), cases, CPU, "NVIDIA H200", rounds=1)
    assert (lines[0].row.limit_s, lines[0].row.limit) == (100.0, None)
    assert lines[0].row.unit.endswith("matmul rate")
    assert lines[1].row is None
    assert "--size" in lines[1].refusal
    found = gpu._with_agreement(lines, "NVIDIA H200", gpu.agreement(SMALL, CPU, rounds=1))
    assert found.rows[-1].ratio == 0  # one rasteriser agrees with itself
    text = found.files["GPU.md"].decode()
    assert "| 2 | 32x16 |" in text
    assert "| 0.5 (RTX 4090) | 1.40 |" in text
    assert "does not fit" in text
    assert "Limit of 100 s for 2 views of 32x16: kept" in text
    assert json.loads(json.dumps(found.as_json()))["device"] == "NVIDIA H200"


def test_other_devices_have_no_limit(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(timing.MATMUL_SIDE, "cpu", 64)
    monkeypatch.setattr(gpu, "LIMIT_S", {Case(2, 32, 16): 1e-9})
    (line,) = gpu.pass_table(published("dl3dv"), (PaperCase(Case(2, 32, 16)),), CPU, "RTX 4090", rounds=1)
    assert line.row.limit_s is None
