"""One folder's errors end at its outcome; a scene that is there is recognised if it would be the same."""

import dataclasses
import errno
import hashlib
from pathlib import Path

import pytest
import torch

from ilrm_cli.capture.photos.folder import ProjectFolder
from ilrm_cli.geometry.transforms import Similarity
from ilrm_cli.pipeline.batch import work
from ilrm_cli.pipeline.batch.jobs import Job
from ilrm_cli.pipeline.batch.work import Order, finished
from ilrm_cli.pipeline.settings import Settings
from ilrm_cli.runtime.errors import InputError, told_of_machine
from ilrm_cli.scene.checks import record_path
from ilrm_cli.scene.record import SceneRecord
from tests.support.records import write_record

POSED = Path(__file__).parents[2] / "sample_scenes" / "posed"
SETTINGS = Settings(views=4)
SCENE = b"a scene"
RECORD = SceneRecord(
    views=(),
    model_from_world=Similarity(1.0, torch.eye(3), torch.zeros(3)),
    model={"name": "default", "sha256": "weights"},
    seed=0,
    settings=dataclasses.asdict(SETTINGS.settled()),
    inputs_sha256="inputs",
    ply_sha256=hashlib.sha256(SCENE).hexdigest(),
)


@pytest.fixture
def job(tmp_path) -> Job:
    (tmp_path / "empty").mkdir()
    return Job("empty", tmp_path / "empty", tmp_path / "out" / "empty.ply")


def test_what_the_input_does_not_allow_is_one_sentence(job):
    outcome = work.pose(job, Order(Settings(), "", overwrite=False))
    assert (outcome.status, outcome.traceback) == ("failed", None)
    assert str(job.photos) in outcome.sentence
    assert not job.output.parent.exists()


def test_a_folder_that_is_gone_is_one_sentence(job):
    job.photos.rmdir()
    outcome = work.pose(job, Order(Settings(), "", overwrite=False))
    assert outcome.status == "failed"


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full", "a.ply"), MemoryError()])
def test_what_the_machine_does_not_allow_is_one_sentence(job, monkeypatch, error):
    def full(*_: object) -> str:
        raise error

    monkeypatch.setattr(work, "inputs_sha256", full)
    outcome = work.pose(job, Order(Settings(), "", overwrite=False))
    assert (outcome.status, outcome.traceback) == ("failed", None)
    assert outcome.sentence == str(told_of_machine(error))
    monkeypatch.setattr(work, "_model", full)
    assert work.load_model_once(Settings()) == outcome.sentence


def test_a_bug_is_reported_as_one_with_its_traceback(job, monkeypatch):
    def broken(folder: ProjectFolder, camera: str | None) -> str:
        return str(1 / 0)

    monkeypatch.setattr(work, "inputs_sha256", broken)
    outcome = work.pose(job, Order(Settings(), "", overwrite=False))
    assert outcome.status == "crashed"
    assert "ZeroDivisionError" in outcome.sentence
    assert "in broken" in outcome.traceback


@pytest.fixture
def finished_job(tmp_path) -> Job:
    """Return a job whose scene exists."""
    job = Job("a", Path("photos"), tmp_path / "a.ply")
    job.output.write_bytes(SCENE)
    write_record(record_path(job.output), RECORD)
    return job


def found(job: Job) -> SceneRecord | None:
    return finished(job, SETTINGS, "weights", "inputs")


def test_the_same_work_is_finished(finished_job):
    assert found(finished_job) is not None


def test_what_older_versions_did_not_know_is_at_its_default(finished_job):
    old = dataclasses.asdict(SETTINGS.settled())
    del old["compile"]
    write_record(record_path(finished_job.output), dataclasses.replace(RECORD, settings=old))
    assert found(finished_job) is not None


def test_before_drafts_were_a_choice_there_was_nothing_else(finished_job):
    old = dataclasses.asdict(SETTINGS)
    del old["quality"]
    write_record(record_path(finished_job.output), dataclasses.replace(RECORD, settings=old))
    assert finished(finished_job, dataclasses.replace(SETTINGS, quality="draft"), "weights", "inputs") is not None
    with pytest.raises(InputError, match=r"with other settings \(--quality\)"):
        found(finished_job)


def test_a_refined_draft_is_the_same_whether_or_not_it_is_called_so(finished_job):
    refined = dataclasses.replace(SETTINGS, refine=5)
    write_record(
        record_path(finished_job.output),
        dataclasses.replace(RECORD, settings=dataclasses.asdict(dataclasses.replace(refined, quality="draft"))),
    )
    assert finished(finished_job, refined, "weights", "inputs") is not None


def test_without_the_scene_it_is_not_whether_or_not_a_record_is_there(finished_job):
    finished_job.output.unlink()
    assert found(finished_job) is None
    record_path(finished_job.output).unlink()
    assert found(finished_job) is None


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"inputs_sha256": "other"}, "made from other photos or poses; remove it"),
        ({"inputs_sha256": None}, "made from other photos or poses"),
        ({"settings": dataclasses.asdict(Settings(views=5, refine=3).settled())}, r"\(--views, --refine, --quality\)"),
        ({"settings": {}}, "with other settings"),
        ({"settings": dataclasses.asdict(SETTINGS.settled()) | {"later": 1}}, r"with other settings \(--later\)"),
        ({"model": {"name": "default", "sha256": "other"}}, "with other weights"),
        ({"ilrm": "0.0.1"}, r"by ilrm 0\.0\.1"),
        ({"inputs_sha256": "other", "ilrm": "0.0.1"}, r"photos or poses and by ilrm 0\.0\.1"),
        ({"ply_sha256": "other"}, "changed after it was made"),
    ],
)
def test_any_other_scene_stays_and_is_told_apart(finished_job, change, sentence):
    write_record(record_path(finished_job.output), dataclasses.replace(RECORD, **change))
    with pytest.raises(InputError, match=sentence):
        found(finished_job)
    assert finished_job.output.read_bytes() == SCENE


def test_a_scene_that_is_not_whole_is_not_finished(finished_job):
    finished_job.output.write_bytes(SCENE[:-1])
    with pytest.raises(InputError, match="changed after it was made"):
        found(finished_job)


def test_files_of_others_are_left_alone(finished_job):
    record_path(finished_job.output).write_text("{}")
    with pytest.raises(InputError, match="no record of an ilrm scene"):
        found(finished_job)
    finished_job.output.unlink()
    finished_job = dataclasses.replace(finished_job, photos=POSED)
    outcome = work.pose(finished_job, Order(SETTINGS, "weights", overwrite=False))
    assert "not a scene's record and would be replaced" in outcome.sentence
    finished_job.output.touch()
    record_path(finished_job.output).unlink()
    with pytest.raises(InputError, match="without its record"):
        found(finished_job)
