"""Short real runs on procedural scenes, one thread so that sums come in one order."""

import dataclasses

import pytest
import torch

from ilrm_cli.errors import InputError
from ilrm_cli.model.checkpoint import load_model
from ilrm_cli.model.ilrm import Ilrm
from ilrm_cli.train.config import TrainConfig
from ilrm_cli.train.run import STATE_FILE, advance, learning_rate, new_trainer, resume_or_start, train, write_weights
from ilrm_cli.train.samples import draw_sample
from tests.model.tiny import MATCHED, random_model

SHORT = TrainConfig(steps=6, batch=1, long_sides_px=(32,), max_views=3, targets=2, warmup=2, learning_rate=1e-3)


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    monkeypatch.setattr("ilrm_cli.train.run.DEFAULT_MODEL", MATCHED)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_learning_rate_rises_then_falls():
    config = TrainConfig(steps=110, warmup=10, learning_rate=1.0, final_rate=0.1)
    rates = [learning_rate(config, step) for step in range(111)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[10] == pytest.approx(1.0)
    assert rates[60] == pytest.approx(0.55)
    assert rates[110] == pytest.approx(0.1)


def test_a_resumed_run_equals_an_unbroken_one(tmp_path):
    unbroken = [step.loss for step in train(resume_or_start(tmp_path / "a", SHORT), tmp_path / "a")]
    first = []
    run = train(resume_or_start(tmp_path / "b", SHORT), tmp_path / "b")
    for _ in range(3):
        first.append(next(run).loss)
    run.close()  # as a kill between two steps after a checkpoint
    rest = [step.loss for step in train(resume_or_start(tmp_path / "b", SHORT), tmp_path / "b")]
    assert len(rest) == 3
    assert first + rest == pytest.approx(unbroken, abs=1e-6)
    assert len(set(unbroken)) == 6


def test_time_budget_ends_with_a_checkpoint(tmp_path):
    assert list(train(resume_or_start(tmp_path, SHORT), tmp_path, minutes=0)) == []
    assert sorted(p.name for p in tmp_path.iterdir()) == [STATE_FILE]


def test_other_settings_are_refused(tmp_path):
    list(train(resume_or_start(tmp_path, SHORT), tmp_path, minutes=0))
    with pytest.raises(InputError, match="other settings"):
        resume_or_start(tmp_path, dataclasses.replace(SHORT, batch=2))


def test_it_learns_one_scene(tmp_path):
    """The same sample over and over: held-out views of that scene must improve a lot."""
    torch.manual_seed(0)
    sample = draw_sample(0, 1, views=3, targets=2, width=32, height=32)
    trainer = new_trainer(dataclasses.replace(SHORT, steps=60, learning_rate=3e-3), Ilrm(MATCHED))
    quality = [advance(trainer, [sample])[1] for _ in range(60)]
    assert quality[-1] > quality[0] + 3


def test_its_weights_are_a_model_and_a_start(tmp_path):
    trainer = new_trainer(SHORT, random_model(MATCHED))
    path = write_weights(trainer, tmp_path)
    loaded = load_model(str(path)).model
    torch.testing.assert_close(loaded.state_dict(), trainer.averaged.state_dict(), rtol=1e-3, atol=1e-6)
    started = resume_or_start(tmp_path / "next", SHORT, str(path))
    torch.testing.assert_close(started.model.state_dict(), loaded.state_dict())
