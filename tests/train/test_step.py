"""Optimizer steps and saved states, one thread so that sums come in one order."""

import dataclasses

import pytest
import torch

from ilrm_cli.geometry.backdrop import backdrop
from ilrm_cli.models.checkpoint import load_model
from ilrm_cli.models.ilrm.model import Ilrm
from ilrm_cli.models.layers.blocks import MiniBatch
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.train.config import STATE_FILE, TrainConfig
from ilrm_cli.train.loss import scene_loss
from ilrm_cli.train.state import Trainer, differences, new_trainer, resume_or_start, save, write_weights
from ilrm_cli.train.step import Seconds, advance, learning_rate
from tests.support.small_models import MATCHED, random_model
from tests.support.training_samples import blob_sample, procedural_sample

ONE = TrainConfig(steps=100, batch=1, warmup=10, learning_rate=6e-3)

whole = MiniBatch.turn

CONFIG = TrainConfig(precision="bf16", checkpointing=True, read_every=2)


def gradients(trainer: Trainer) -> list[torch.Tensor]:
    return [p.grad.clone() for p in trainer.model.parameters()]


def test_learning_rate_rises_then_falls():
    config = TrainConfig(steps=110, warmup=10, learning_rate=1.0, final_rate=0.1)
    rates = [learning_rate(config, step) for step in range(111)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[10] == pytest.approx(1.0)
    assert rates[60] == pytest.approx(0.55)
    assert rates[110] == pytest.approx(0.1)


@pytest.mark.parametrize("change", [{}, {"deferred": True}, {"checkpointing": True}])
def test_gradients_are_those_of_one_plain_backward_pass(change):
    samples = [procedural_sample(index, views=3, targets=2) for index in range(2)]
    config = dataclasses.replace(ONE, clip=1e9, **change)
    trainer = new_trainer(config, random_model(MATCHED))
    reference = new_trainer(ONE, random_model(MATCHED))
    scenes = reference.model([s.inputs for s in samples], [s.depth_range for s in samples])
    losses = [
        scene_loss(g, s, ONE, 0.0, behind=backdrop(s.inputs, s.depth_range[1])).total
        for g, s in zip(scenes, samples, strict=True)
    ]
    torch.stack(losses).mean().backward()
    wanted = gradients(reference)
    done = advance(trainer, samples)
    assert done.loss == pytest.approx(float(torch.stack(losses).mean().detach()), abs=1e-6)
    for ours, theirs in zip(gradients(trainer), wanted, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-3)


def test_every_part_of_the_time_is_measured():
    seconds = advance(new_trainer(ONE, random_model(MATCHED)), [blob_sample()]).seconds
    assert seconds.model > 0 < seconds.rendering
    assert seconds.optimizer > 0
    assert sum(seconds.shares().values()) == pytest.approx(1)
    assert Seconds(1, 2, 3, 4).shares()["rendering"] == pytest.approx(0.3)


def test_a_step_without_a_finite_gradient_changes_no_weight():
    trainer = new_trainer(ONE, random_model(MATCHED))
    before = [p.clone() for p in trainer.model.parameters()]
    sample = blob_sample()
    sample.targets.images[0, 0, 0, 0] = float("nan")
    done = advance(trainer, [sample])
    assert done.gradient_norm != done.gradient_norm
    assert all(torch.equal(a, b) for a, b in zip(before, trainer.model.parameters(), strict=True))
    assert trainer.step == 1


def test_mini_batch_reading_and_bf16_train_too():
    config = dataclasses.replace(ONE, read_every=2, precision="bf16")
    trainer = new_trainer(config, random_model(MATCHED))
    qualities = [advance(trainer, [blob_sample()]).psnr for _ in range(15)]
    assert qualities[-1] > qualities[0] + 2


def test_every_layer_reads_all_pairs_of_subsets_in_turn(monkeypatch):
    turns = []
    monkeypatch.setattr(
        MiniBatch, "turn", staticmethod(lambda every, number: turns.append(number) or whole(every, number))
    )
    trainer = new_trainer(dataclasses.replace(ONE, read_every=2), random_model(MATCHED))
    for _ in range(4):
        advance(trainer, [blob_sample()])
    for layer in range(MATCHED.layers):
        pairs = {whole(2, number) for number in turns[layer :: MATCHED.layers]}
        assert len(pairs) == 4


def test_a_tiny_model_overfits_one_scene():
    """Acceptance: above 35 dB on views that are not inputs, from 23 dB at the start."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    config = dataclasses.replace(ONE, steps=150, ssim_weight=0.0, inputs_rendered=0)
    trainer, sample, best = new_trainer(config, Ilrm(MATCHED)), blob_sample(), 0.0
    for _ in range(config.steps):
        best = max(best, advance(trainer, [sample]).psnr)
        if best > 36:
            break
    assert best > 35


def test_its_weights_are_a_model_and_a_start(tmp_path):
    trainer = new_trainer(CONFIG, random_model(MATCHED))
    path = write_weights(trainer, tmp_path)
    loaded = load_model(str(path)).model
    torch.testing.assert_close(loaded.state_dict(), trainer.averaged.state_dict(), rtol=1e-3, atol=1e-6)
    started = resume_or_start(tmp_path / "next", CONFIG, str(path))
    torch.testing.assert_close(started.model.state_dict(), loaded.state_dict())


def test_a_run_goes_on_from_its_own_start_only(tmp_path, monkeypatch):
    weights = write_weights(new_trainer(CONFIG, random_model(MATCHED)), tmp_path)
    folder = tmp_path / "run"
    save(resume_or_start(folder, CONFIG, str(weights)), folder)
    monkeypatch.chdir(tmp_path)
    save(resume_or_start(folder, CONFIG, weights.name), folder)
    for other in ("default", None, "other.safetensors"):
        with pytest.raises(InputError, match=rf"holds a run with other settings \(start {weights}\)"):
            resume_or_start(folder, CONFIG, other)
    older = torch.load(folder / STATE_FILE, weights_only=True)
    del older["start"]
    torch.save(older, folder / STATE_FILE)
    assert resume_or_start(folder, CONFIG, "default").start == "default"


def test_the_model_is_set_up_as_the_settings_say(tmp_path):
    save(new_trainer(CONFIG, random_model(MATCHED)), tmp_path)
    resumed = resume_or_start(tmp_path, CONFIG, model=MATCHED)
    for model in (resumed.model, resumed.averaged):
        assert (model.precision, model.checkpointing, model.read_every) == (torch.bfloat16, True, 2)
    assert resumed.model.training
    assert not resumed.averaged.training


def test_only_matrices_decay():
    groups = new_trainer(CONFIG, random_model(MATCHED)).optimizer.param_groups
    assert [group["weight_decay"] for group in groups] == [0.05, 0.0]
    assert {p.ndim for p in groups[1]["params"]} == {1}


def test_differences_name_settings():
    assert differences({"a": 1, "b": 2}, {"a": 1, "b": 3, "c": 4}) == ["b", "c"]
