"""Tests that errors of one folder end at its outcome."""

from pathlib import Path

import pytest

from ilrm_cli.pipeline.batch import work
from ilrm_cli.pipeline.batch.plan import Job
from ilrm_cli.pipeline.batch.work import Order
from ilrm_cli.pipeline.settings import Settings


@pytest.fixture
def job(tmp_path) -> Job:
    (tmp_path / "empty").mkdir()
    return Job("empty", tmp_path / "empty", tmp_path / "out" / "empty.ply")


def test_what_the_input_does_not_allow_is_one_sentence(job):
    outcome = work.pose(job, Order(Settings(), "", overwrite=False))
    assert (outcome.status, outcome.traceback) == ("failed", None)
    assert str(job.photos) in outcome.sentence


def test_a_folder_that_is_gone_is_one_sentence(job):
    job.photos.rmdir()
    outcome = work.pose(job, Order(Settings(), "", overwrite=False))
    assert outcome.status == "failed"


def test_a_bug_is_reported_as_one_with_its_traceback(job, monkeypatch):
    def broken(place: Path, camera: str | None) -> str:
        return str(1 / 0)

    monkeypatch.setattr(work, "inputs_sha256", broken)
    outcome = work.pose(job, Order(Settings(), "", overwrite=False))
    assert outcome.status == "crashed"
    assert "ZeroDivisionError" in outcome.sentence
    assert "in broken" in outcome.traceback
