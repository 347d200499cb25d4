"""Tests of how a model and its kernels are prepared, and of what that is called."""

import pytest
import torch

from ilrm_cli.evaluate import run
from ilrm_cli.models import loading
from ilrm_cli.models.checkpoint import LoadedModel
from ilrm_cli.pipeline import reconstruct
from ilrm_cli.pipeline.settings import Settings
from ilrm_cli.runtime.progress import Stopwatch, ignore
from tests.support.small_models import published, random_model


@pytest.mark.parametrize("load", [reconstruct.load, run.start])
@pytest.mark.parametrize("wanted", [False, True])
def test_layers_are_compiled_only_on_request(monkeypatch, load, wanted):
    """The layers are compiled in the requested precision, and the compilation is reported."""
    compiled = []
    monkeypatch.setattr(loading, "compile_layers", lambda model, report: compiled.append((model.precision, report)))
    settings = Settings if load is reconstruct.load else run.Settings
    load(settings(precision="bf16", compile=wanted), ignore)
    assert compiled == [(torch.bfloat16, ignore)] * wanted


@pytest.mark.parametrize(("rendered", "swept"), [(False, False), (True, False), (False, True)])
def test_compiling_has_a_time_of_its_own_when_it_happens(monkeypatch, rendered, swept):
    monkeypatch.setattr(loading, "prepare", lambda *_, **__: rendered)
    monkeypatch.setattr(loading, "prepare_sweep", lambda *_: swept)
    watch = Stopwatch()
    loading.ready_model("default", "cpu", "fp32", compiled=False, gradients=False, watch=watch)
    assert set(watch.seconds) == ({"load", "compile"} if rendered or swept else {"load"})


@pytest.mark.parametrize(("baselines", "refine"), [(False, 0), (True, 5)])
def test_baselines_sweep_even_where_the_model_does_not(monkeypatch, baselines, refine):
    """Refining needs the renderer's gradients, for both commands."""
    asked: list[bool | str] = []
    unmatched = LoadedModel(random_model(published("dl3dv")), "tiny", "")
    monkeypatch.setattr(loading, "load_model", lambda name: unmatched)
    monkeypatch.setattr(loading, "prepare", lambda *_, gradients, report: asked.append(gradients))
    monkeypatch.setattr(loading, "prepare_sweep", lambda *_: asked.append("sweep"))
    run.start(run.Settings(device="cpu", precision="fp32", baselines=baselines, refine=refine))
    assert asked == [refine > 0, *["sweep"] * baselines]
    asked.clear()
    reconstruct.load(Settings(device="cpu", precision="fp32", refine=refine))
    assert asked == [refine > 0]
