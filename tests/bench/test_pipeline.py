"""Tests of how the time of the main job is split."""

import sys

import pytest

from ilrm_cli.bench import pipeline
from ilrm_cli.pipeline.result import BEFORE
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.progress import Stage

RUN = dict.fromkeys((*BEFORE, *Stage), 0.0) | {
    "start": 0.5, "imports": 3.0, "poses": 0.5, "load": 1.0, "scale": 2.0, "inference": 2.0, "export": 1.0,
    "total": 10.0,
}  # fmt: skip


def test_shares_by_hand():
    rows = pipeline.split_rows(RUN | {"total": 12.0}, [RUN, RUN | {"total": 20.0}, RUN], peak_gb=1.5)
    found = {row.name.removeprefix("main job: "): row for row in rows}
    shares = {"imports": 0.3, "before inference, without imports": 0.4, "inference": 0.2, "all of it": 1.0}
    for name, share in shares.items():
        assert found[name].ratio == pytest.approx(share)
    around = found["neither inference nor imports"]
    assert (around.seconds, around.cold_seconds, around.limit, around.passed) == (5.0, 7.0, 0.5, True)
    assert (found["all of it"].peak_gb, found["imports"].peak_gb) == (1.5, None)


def test_more_than_half_around_inference_and_imports_fails():
    (around,) = (r for r in pipeline.split_rows(RUN, [RUN | {"total": 10.1}], None) if "neither" in r.name)
    assert not around.passed


def test_the_help_is_compared_with_a_bare_start(monkeypatch):
    monkeypatch.setattr(pipeline, "_process_s", lambda command: 0.3 if "--help" in command else 0.05)
    row = pipeline.help_row(3)
    assert (row.ratio, row.passed) == (pytest.approx(6), True)


def test_without_the_sample_scene_only_the_help_is_timed(monkeypatch, tmp_path):
    monkeypatch.setattr(pipeline, "SCENE", tmp_path / "none")
    monkeypatch.setattr(pipeline, "_process_s", lambda command: 1.0)
    assert [row.name for row in pipeline.pipeline_suite(rounds=1).rows] == ["ilrm --help"]


def test_a_main_job_that_fails_is_told_in_its_own_words(monkeypatch):
    monkeypatch.setattr(pipeline, "ILRM", (sys.executable, "-c", "import sys; sys.exit('first\\nno room on the disk')"))
    with pytest.raises(InputError, match=r"ilrm reconstruct .* failed.*: no room on the disk$"):
        pipeline.cold_run()
