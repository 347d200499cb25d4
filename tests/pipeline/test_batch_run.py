"""Tests of which GPU each worker gets and of what is refused before any process is started."""

from pathlib import Path

import pytest
import torch

from ilrm_cli.pipeline.batch import run
from ilrm_cli.pipeline.batch.jobs import Job
from ilrm_cli.pipeline.batch.run import Batch
from ilrm_cli.pipeline.settings import Settings
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.memory import SHARERS

JOBS = (Job("a", Path("a"), Path("a.ply")),)


@pytest.fixture
def two_gpus(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


def gpus_of(batch: Batch) -> list[str | None]:
    """Return what the workers of each slot see as CUDA_VISIBLE_DEVICES."""
    pool = run._pool(batch)
    return [pool.environment(slot).get("CUDA_VISIBLE_DEVICES") for slot in range(pool.slots)]


def test_each_gpu_has_a_worker(two_gpus, monkeypatch):
    assert gpus_of(Batch(JOBS, Settings())) == ["0", "1"]
    assert gpus_of(Batch(JOBS, Settings(), slots=3)) == ["0", "1", "0"]
    assert gpus_of(Batch(JOBS, Settings(device="cpu"))) == [None]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,GPU-7")
    assert gpus_of(Batch(JOBS, Settings())) == ["5", "GPU-7"]


def test_without_a_gpu_there_is_one_worker_unless_more_are_asked_for():
    assert gpus_of(Batch(JOBS, Settings(device="cpu"))) == [None]
    assert gpus_of(Batch(JOBS, Settings(device="cpu"), slots=3)) == [None] * 3


def test_slots_share_the_memory_of_their_device(two_gpus):
    for settings, shares in ((Settings(), ["2", "1", "2"]), (Settings(device="cpu"), ["3", "3", "3"])):
        pool = run._pool(Batch(JOBS, settings, slots=3))
        assert [pool.environment(slot)[SHARERS] for slot in range(3)] == shares


def test_settings_that_suit_no_folder_are_refused():
    refused = ({"views": 1}, "--views 1"), ({"model": "none.pt"}, "none.pt"), ({"model": "triposr"}, "takes one photo")
    for settings, sentence in ((Settings(**asked), sentence) for asked, sentence in refused):
        with pytest.raises(InputError, match=sentence):
            next(run.run(Batch(JOBS, settings)))
