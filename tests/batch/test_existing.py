"""Tests of when an existing scene is taken for the one that would be made."""

import dataclasses
import hashlib
from pathlib import Path

import pytest
import torch

from ilrm_cli.geometry.transforms import Similarity
from ilrm_cli.pipeline.batch.plan import Job
from ilrm_cli.pipeline.batch.work import finished
from ilrm_cli.pipeline.settings import Settings
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.scene.checks import record_path
from ilrm_cli.scene.record import SceneRecord, write_record

SETTINGS = Settings(views=4)
SCENE = b"a scene"
RECORD = SceneRecord(
    views=(),
    model_from_world=Similarity(1.0, torch.eye(3), torch.zeros(3)),
    model={"name": "default", "sha256": "weights"},
    seed=0,
    settings=dataclasses.asdict(SETTINGS),
    inputs_sha256="inputs",
    ply_sha256=hashlib.sha256(SCENE).hexdigest(),
)


@pytest.fixture
def job(tmp_path) -> Job:
    """Return a job whose scene exists."""
    job = Job("a", Path("photos"), tmp_path / "a.ply")
    job.output.write_bytes(SCENE)
    write_record(record_path(job.output), RECORD)
    return job


def found(job: Job) -> SceneRecord | None:
    return finished(job, SETTINGS, "weights", "inputs")


def test_the_same_work_is_finished(job):
    assert found(job) is not None


def test_what_older_versions_did_not_know_is_at_its_default(job):
    old = dataclasses.asdict(SETTINGS)
    del old["compile"]
    write_record(record_path(job.output), dataclasses.replace(RECORD, settings=old))
    assert found(job) is not None


def test_without_the_scene_it_is_not_whether_or_not_a_record_is_there(job):
    job.output.unlink()
    assert found(job) is None
    record_path(job.output).unlink()
    assert found(job) is None


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"inputs_sha256": "other"}, "made from other photos or poses; remove it"),
        ({"inputs_sha256": None}, "made from other photos or poses"),
        ({"settings": dataclasses.asdict(Settings(views=5, refine=3))}, r"with other settings \(--views, --refine\)"),
        ({"settings": {}}, "with other settings"),
        ({"settings": dataclasses.asdict(SETTINGS) | {"later": 1}}, r"with other settings \(--later\)"),
        ({"model": {"name": "default", "sha256": "other"}}, "with other weights"),
        ({"ilrm": "0.0.1"}, r"by ilrm 0\.0\.1"),
        ({"inputs_sha256": "other", "ilrm": "0.0.1"}, r"photos or poses and by ilrm 0\.0\.1"),
        ({"ply_sha256": "other"}, "changed after it was made"),
    ],
)
def test_any_other_scene_stays_and_is_told_apart(job, change, sentence):
    write_record(record_path(job.output), dataclasses.replace(RECORD, **change))
    with pytest.raises(InputError, match=sentence):
        found(job)
    assert job.output.read_bytes() == SCENE


def test_a_scene_that_is_not_whole_is_not_finished(job):
    job.output.write_bytes(SCENE[:-1])
    with pytest.raises(InputError, match="changed after it was made"):
        found(job)


def test_files_of_others_are_left_alone(job):
    record_path(job.output).write_text("{}")
    with pytest.raises(InputError, match="no record of an ilrm scene"):
        found(job)
    job.output.unlink()
    with pytest.raises(InputError, match="not a scene's record and would be replaced"):
        found(job)
    job.output.touch()
    record_path(job.output).unlink()
    with pytest.raises(InputError, match="without its record"):
        found(job)
