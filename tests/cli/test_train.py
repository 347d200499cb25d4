"""Tests of `ilrm train` as users run it."""

import io
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from ilrm_cli.cli.train import TrainingView
from ilrm_cli.data.synthetic.dataset import HOLDOUT_SEED
from ilrm_cli.train.log import LOG_FILE
from ilrm_cli.train.step import Seconds, TrainStep
from tests.support.command_line import ilrm
from tests.support.training_log import read_log

TINY = ("--preset", "tiny", "--threads", "1")


def test_a_short_run_leaves_weights_log_and_preview(tmp_path):
    done = ilrm("train", tmp_path / "run", *TINY, "--steps", "12", "--views", "2-3", "--depth-weight", "0.5")
    assert done.status == 0
    assert "12 of 12 steps done" in done.out
    assert "dB" in done.err
    assert "time: data" in done.err
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names == {"log.jsonl", "preview.png", "state.pt", "weights.json", "weights.safetensors"}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--preset", "nonsense"), "no such preset"),
        (("--views", "many"), "--views many"),
        (("--seed", str(HOLDOUT_SEED)), "kept for evaluation"),
        (("--preset", "paper-re10k"), "--data"),
        (("--start", "nonsense"), "nonsense"),
    ],
)
def test_mistakes_get_one_sentence(tmp_path, arguments, sentence):
    done = ilrm("train", tmp_path / "run", *TINY, *arguments)
    assert done.status == 1
    assert sentence in done.sentence


def test_a_data_folder_without_captures_gets_one_sentence(tmp_path):
    done = ilrm("train", tmp_path / "run", *TINY, "--data", tmp_path)
    assert done.status == 1
    assert "no scene with" in done.sentence


def test_a_signal_ends_it_in_order(tmp_path: Path):
    """Ctrl-C takes the same way; pycolmap's own handler of this signal must not win. Meanwhile it is alone."""
    command = [sys.executable, "-m", "ilrm_cli.cli.app", "train", str(tmp_path), *TINY, "--steps", "100000"]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"TERM": "dumb"})
    log = tmp_path / LOG_FILE
    try:
        while run.poll() is None and not (log.is_file() and log.read_text().count("\n") >= 2):
            time.sleep(0.01)
        second = ilrm("train", tmp_path, *TINY, "--steps", "100000")
        assert (second.status, "another run is at work" in second.sentence) == (1, True)
        run.send_signal(signal.SIGTERM)
        out, _ = run.communicate(timeout=60)
    finally:
        run.kill()
    assert run.returncode == 0
    steps = [line["step"] for line in read_log(tmp_path)]
    assert steps == [*range(1, len(steps) + 1)]
    assert f"{len(steps)} of 100000 steps done" in out


@pytest.mark.parametrize(("minutes", "left"), [(math.inf, "1:30:00 left"), (2.0, "0:02:00 of --minutes left")])
def test_the_bar_tells_when_it_ends(minutes: float, left: str):
    console = Console(file=io.StringIO(), width=120, force_terminal=True)
    with TrainingView(console, 1000, minutes, visible=True) as view:
        view.show(TrainStep(100, 400, 0.1, 20.0, 1.0, 1e-3, Seconds(model=6.0)))
    assert left in console.file.getvalue()
