"""The suite `compiled` with small models, without compiling them."""

import torch

from ilrm_cli.bench import compiled as suite
from ilrm_cli.bench.scaling_study import Case
from ilrm_cli.models.ilrm.config import Preset
from ilrm_cli.models.ilrm.model import Ilrm
from ilrm_cli.runtime.errors import InputError
from tests.support.small_models import published, random_model, random_views


def test_a_twin_shares_the_weights(monkeypatch):
    monkeypatch.setattr(Ilrm, "compile_layers", lambda model, report: None)
    model, views = random_model(published("dl3dv")), random_views()
    twin = suite.compiled_twin(model)
    mine, its = model.state_dict(), twin.state_dict()
    assert all(mine[name].data_ptr() == its[name].data_ptr() for name in mine)
    with torch.inference_mode():
        assert torch.equal(model([views])[0].means, twin([views])[0].means)


def test_what_does_not_fit_is_told_and_the_others_go_on(monkeypatch):
    compiled_models = []
    monkeypatch.setattr(Ilrm, "compile_layers", lambda model, report: compiled_models.append(model))
    monkeypatch.setattr(suite, "PRESETS", {"dl3dv": Preset(published("dl3dv"), 1, 0.0, "")})
    monkeypatch.setattr(suite, "resolve_device", lambda choice: torch.device("cpu"))
    monkeypatch.setattr(suite, "resolve_precision", lambda choice, device: torch.float32)
    monkeypatch.setitem(suite.CASES, "cpu", (Case(3, 64, 64), Case(2, 32, 32)))
    fit = suite.fit_to_memory

    def fit_two(model, views):
        if len(views) > 2:
            raise InputError("too much.")
        return fit(model, views)

    monkeypatch.setattr(suite, "fit_to_memory", fit_two)
    found = suite.compiled_suite(rounds=1)
    names = [f"{model}, 2 views of 32x32" for model in ("default model", "full-size model")]
    assert [row.name for row in found.rows] == names
    assert {row.unit for row in found.rows} == {suite.PLAIN}
    assert list(found.details["refused"].values()) == ["too much.", "too much."]
    assert all(max(apart.values()) == 0 for apart in found.details["largest_difference"].values())
    assert len(compiled_models) == len(found.details["compiling_s"]) == 2
