"""Two real processes that talk through gloo."""

import dataclasses
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ilrm_cli.runtime.errors import InputError
from ilrm_cli.train.batches import Share
from ilrm_cli.train.config import STATE_FILE
from ilrm_cli.train.distributed import Group, cores_of_process, join
from ilrm_cli.train.loop import train
from ilrm_cli.train.state import resume_or_start
from tests.support.small_models import MATCHED
from tests.support.training_log import read_log
from tests.train.test_loop import SHORT

CONFIG = dataclasses.replace(SHORT, batch=2, steps=4)
RUNNER = """
import sys, torch
from pathlib import Path
from tests.support.small_models import MATCHED
from tests.train.test_distributed import CONFIG
from ilrm_cli.train.distributed import join
from ilrm_cli.train.loop import train
from ilrm_cli.train.state import resume_or_start
torch.set_num_threads(1)
folder = Path(sys.argv[1])
with join(torch.device("cpu")) as group:
    for _ in train(resume_or_start(folder, CONFIG, model=MATCHED), folder, group=group):
        pass
"""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.mark.slow
def test_two_processes_equal_one_with_the_whole_batch(tmp_path):
    alone = list(train(resume_or_start(tmp_path / "a", CONFIG, model=MATCHED), tmp_path / "a"))
    port = str(free_port())
    runs = []
    for rank in range(2):  # the environment that torchrun sets
        place = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"}
        environment = os.environ | place | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        runs.append(subprocess.Popen([sys.executable, "-c", RUNNER, str(tmp_path / "b")], env=environment))
    assert [run.wait(timeout=120) for run in runs] == [0, 0]
    together = read_log(tmp_path / "b")
    assert [line["loss"] for line in together] == pytest.approx([step.loss for step in alone], abs=1e-5)
    assert [line["psnr"] for line in together] == pytest.approx([step.psnr for step in alone], abs=1e-3)
    assert [line["scenes"] for line in together] == [2, 4, 6, 8]
    weights = [torch.load(tmp_path / name / STATE_FILE)["model"] for name in ("a", "b")]
    torch.testing.assert_close(weights[0], weights[1], atol=1e-4, rtol=0)


def test_a_process_alone_needs_no_group():
    with join(torch.device("cpu")) as group:
        assert group.leads
        assert group.mean((1.0, 2.0)) == (1.0, 2.0)
        assert group.any(True)
        assert not group.any(False)


def test_processes_of_one_machine_share_its_cores(monkeypatch):
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(12)), raising=False)
    assert cores_of_process() == 12
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert cores_of_process() == 3
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "64")
    assert cores_of_process() == 1


def test_a_batch_that_does_not_split_gets_a_sentence(tmp_path: Path):
    trainer = resume_or_start(tmp_path, dataclasses.replace(CONFIG, batch=3), model=MATCHED)
    with pytest.raises(InputError, match="3 does not split among 2 processes"):
        next(train(trainer, tmp_path, group=Group(Share(0, 2), torch.device("cpu"))))
