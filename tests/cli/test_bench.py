"""Tests of `ilrm bench` from the command line: the speeds themselves are for `make bench`."""

import json
from pathlib import Path

import pytest
import torch

from ilrm_cli import bench
from ilrm_cli.bench.figures import Findings
from ilrm_cli.bench.timing import BenchRow
from ilrm_cli.runtime.errors import InputError
from tests.support.command_line import ilrm

GOOD = BenchRow("good", 0.1, "unit", 0.5, limit=1.0, cold_seconds=0.2, peak_gb=0.3)
BAD = BenchRow("bad", 0.1, "unit", 2.0, limit=1.0)


@pytest.fixture
def suites(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the real suites with ones that take no time."""

    def found(*rows: BenchRow):
        return lambda **_: Findings(rows, {"figure": 7}, {"NOTES.md": b"notes"})

    monkeypatch.setattr(bench, "SUITES", {"fine": found(GOOD), "slow": found(GOOD, BAD), "gpu": found(BAD)})


@pytest.mark.usefixtures("suites")
def test_files_and_json_hold_what_was_found(tmp_path: Path):
    shown = ilrm("bench", "fine", "--json", "-o", str(tmp_path / "made"))
    assert shown.status == 0
    result = json.loads(shown.out)
    assert result["rows"] == [GOOD.as_json()]
    assert result["fine"] == {"figure": 7}
    assert {path.name for path in (tmp_path / "made").iterdir()} == {"bench.json", "fine.png", "NOTES.md"}
    written = json.loads((tmp_path / "made" / "bench.json").read_text())
    assert written["suites"]["fine"]["rows"] == [GOOD.as_json()]
    assert written["machine"]["threads"] == torch.get_num_threads()


@pytest.mark.usefixtures("suites")
def test_without_matplotlib_only_charts_are_refused_and_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("ilrm_cli.cli.bench.find_spec", lambda name: None)
    shown = ilrm("bench", "fine", "-o", str(tmp_path / "made"))
    assert shown.status == 1
    assert "charts need matplotlib, which is not installed: pip install 'ilrm[bench]'" in shown.err
    assert "good" not in shown.out
    assert not (tmp_path / "made").exists()
    assert ilrm("bench", "fine").status == 0


def test_what_was_measured_before_a_suite_fails_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def failing(**_) -> Findings:
        raise InputError("it broke.")

    monkeypatch.setattr(bench, "SUITES", {"fine": lambda **_: Findings((GOOD,)), "broken": failing})
    shown = ilrm("bench", "-o", str(tmp_path / "made"))
    assert shown.status == 1
    assert "it broke" in shown.err
    assert "good" in shown.out
    assert list(json.loads((tmp_path / "made" / "bench.json").read_text())["suites"]) == ["fine"]


@pytest.mark.usefixtures("suites")
def test_a_limit_that_is_exceeded_fails_and_the_gpu_is_on_request():
    shown = ilrm("bench")
    assert shown.status == 1
    assert "bad" in shown.out
    assert shown.out.count("good") == 2
    assert shown.out.count("bad") == 1


def test_what_cannot_be_measured_is_refused_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    (tmp_path / "file").touch()
    refused = {
        ("gpu",): "needs a CUDA device",
        ("nothing",): "suite nothing is unknown",
        ("raster", "-o", str(tmp_path / "file" / "folder")): "is not a folder",
    }
    for arguments, words in refused.items():
        shown = ilrm("bench", *arguments)
        assert shown.status == 1
        assert words in shown.err
