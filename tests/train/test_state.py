import torch

from ilrm_cli.models.checkpoint import load_model
from ilrm_cli.train.config import TrainConfig
from ilrm_cli.train.state import differences, new_trainer, resume_or_start, save, write_weights
from tests.support.small_models import MATCHED, random_model

CONFIG = TrainConfig(precision="bf16", checkpointing=True, read_every=2)


def test_its_weights_are_a_model_and_a_start(tmp_path):
    trainer = new_trainer(CONFIG, random_model(MATCHED))
    path = write_weights(trainer, tmp_path)
    loaded = load_model(str(path)).model
    torch.testing.assert_close(loaded.state_dict(), trainer.averaged.state_dict(), rtol=1e-3, atol=1e-6)
    started = resume_or_start(tmp_path / "next", CONFIG, str(path))
    torch.testing.assert_close(started.model.state_dict(), loaded.state_dict())


def test_the_model_is_set_up_as_the_settings_say(tmp_path):
    save(new_trainer(CONFIG, random_model(MATCHED)), tmp_path)
    resumed = resume_or_start(tmp_path, CONFIG)
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
