"""Short real runs on procedural scenes, one thread so that sums come in one order."""

import dataclasses
import math
import subprocess
import sys
import time

import pytest
import torch

from ilrm_cli.data.synthetic.dataset import HOLDOUT_SEED
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.train.config import DEFAULT_MODEL, STATE_FILE, TrainConfig, chosen_recipe, view_range
from ilrm_cli.train.log import LOG_FILE, PREVIEW_FILE
from ilrm_cli.train.loop import train
from ilrm_cli.train.state import resume_or_start
from tests.support.small_data_sets import arc, re10k_clip, write_dl3dv, write_re10k
from tests.support.small_models import MATCHED, published
from tests.support.training_log import read_log

SHORT = TrainConfig(steps=6, batch=1, long_sides_px=(32,), max_views=3, targets=2, warmup=2, learning_rate=1e-3)
LONGER = dataclasses.replace(SHORT, steps=12)

# A run in a process of its own that saves at every step, for killing.
RUNNER = """
import sys, torch
from pathlib import Path
from tests.train.test_loop import LONGER, start
from ilrm_cli.train.loop import train
torch.set_num_threads(1)
folder = Path(sys.argv[1])
for _ in train(start(folder, LONGER), folder, save_seconds=0.0):
    pass
"""


def start(folder, config=SHORT):
    return resume_or_start(folder, config, model=MATCHED)


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def test_a_stopped_run_goes_on_as_if_unbroken(tmp_path):
    unbroken = [step.loss for step in train(start(tmp_path / "a"), tmp_path / "a")]
    first = []
    for step in train(start(tmp_path / "b"), tmp_path / "b", stop=lambda: len(first) == 3, threads=2):
        first.append(step.loss)
    rest = [step.loss for step in train(start(tmp_path / "b"), tmp_path / "b")]
    assert len(rest) == 3
    assert first + rest == pytest.approx(unbroken, abs=1e-6)
    assert len(set(unbroken)) == 6
    assert [line["loss"] for line in read_log(tmp_path / "b")] == first + rest


@pytest.mark.slow
def test_a_killed_run_goes_on_as_if_unbroken(tmp_path):
    """Acceptance: kill -9 in the middle; the log of the resumed run equals that of an uninterrupted run."""
    unbroken = [step.loss for step in train(start(tmp_path / "a", LONGER), tmp_path / "a")]
    run = subprocess.Popen([sys.executable, "-c", RUNNER, str(tmp_path / "b")])
    log = tmp_path / "b" / LOG_FILE
    while run.poll() is None and not (log.is_file() and log.read_text().count("\n") >= 3):
        time.sleep(0.005)
    run.kill()
    run.wait()
    trainer = start(tmp_path / "b", LONGER)
    assert 0 < trainer.step < 12, "killed too early or too late to show anything"
    list(train(trainer, tmp_path / "b"))
    log = read_log(tmp_path / "b")
    assert [line["step"] for line in log] == list(range(1, 13))
    assert [line["loss"] for line in log] == pytest.approx(unbroken, abs=1e-6)


def test_time_budget_ends_with_a_checkpoint(tmp_path):
    assert list(train(start(tmp_path), tmp_path, minutes=0)) == []
    assert sorted(p.name for p in tmp_path.iterdir()) == [LOG_FILE, STATE_FILE]


def test_a_preview_is_written_beside_every_checkpoint(tmp_path):
    next(iter(steps := train(start(tmp_path), tmp_path, save_seconds=0.0)))
    steps.close()
    assert {PREVIEW_FILE, STATE_FILE} <= {p.name for p in tmp_path.iterdir()}


def test_what_cannot_be_trained_gets_a_sentence(tmp_path):
    list(train(start(tmp_path), tmp_path, minutes=0))
    with pytest.raises(InputError, match=r"other settings \(batch \d+, clip [\d.]+\)"):
        start(tmp_path, dataclasses.replace(SHORT, batch=2, clip=2.0))
    with pytest.raises(InputError, match="a run of another model than this preset's"):
        resume_or_start(tmp_path, SHORT, model=dataclasses.replace(DEFAULT_MODEL, width=DEFAULT_MODEL.width + 8))
    with pytest.raises(InputError, match="kept for evaluation"):
        start(tmp_path / "b", dataclasses.replace(SHORT, seed=HOLDOUT_SEED))
    state = torch.load(tmp_path / STATE_FILE)
    for damaged in ({**state, "model": {}}, {**state, "model_config": "{}"}, {"config": state["config"]}):
        torch.save(damaged, tmp_path / STATE_FILE)
        with pytest.raises(InputError, match="not the state of a run of this version"):
            start(tmp_path)
    with pytest.raises(InputError, match="cannot be made"):
        start(tmp_path / STATE_FILE / "inside")
    (tmp_path / STATE_FILE).write_bytes(b"damaged")
    with pytest.raises(InputError, match="cannot be read"):
        start(tmp_path)


@pytest.mark.parametrize("preset", ["paper-re10k", "paper-dl3dv"])
def test_the_published_recipes_run_on_captures(tmp_path, preset):
    """This is the whole recipe but for its size: bf16, checkpointing, deferred rendering, its frames and mirroring."""
    clips = [re10k_clip("clip", arc(14))]
    data = write_re10k(tmp_path / "data", clips, stage="train") if preset == "paper-re10k" else tmp_path / "data"
    if preset == "paper-dl3dv":
        write_dl3dv(data / "hash", arc(14))
    sizes = {"steps": 2, "batch": 2, "warmup": 1, "long_sides_px": (64,), **view_range("3-4")}
    recipe = chosen_recipe(preset, data=(str(data),), **sizes)
    trainer = resume_or_start(tmp_path / "run", recipe.train, model=published("dl3dv"))
    steps = list(train(trainer, tmp_path / "run", threads=2))
    assert [step.scenes for step in steps] == [2, 4]
    assert all(math.isfinite(step.loss) and math.isfinite(step.gradient_norm) for step in steps)


@pytest.mark.parametrize(
    ("seen", "trained"), [("raw", "recentred"), ("recentred", "recentred"), ("centred", "centred")]
)
def test_only_the_published_evaluation_is_in_the_raw_frame(monkeypatch, tmp_path, seen, trained):
    class Opened(Exception):
        pass

    def opened(name, config, device, normalisation):
        raise Opened(normalisation)

    monkeypatch.setattr("ilrm_cli.train.loop.open_source", opened)
    trainer = start(tmp_path)
    can = dataclasses.replace(trainer.model.capabilities, normalisation=seen)
    monkeypatch.setattr(type(trainer.model), "capabilities", can)
    with pytest.raises(Opened, match=f"^{trained}$"):
        next(train(trainer, tmp_path))
