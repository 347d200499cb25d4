"""What is refused before the long work begins, and what its beginning is called."""

import pytest
import torch

import ilrm_cli.evaluate
from ilrm_cli import reconstruct as stage
from ilrm_cli.errors import InputError
from ilrm_cli.progress import ignore
from ilrm_cli.reconstruct import Settings
from ilrm_cli.stopwatch import Stopwatch


@pytest.mark.parametrize(("photos", "said"), [(0, "holds no photo"), (1, "only one photo"), (2, "only two photos")])
def test_too_few_photos_are_refused_before_a_model_is_loaded(tmp_path, monkeypatch, photos, said):
    def never(*_):
        raise AssertionError("a model is loaded and a renderer compiled")

    monkeypatch.setattr(stage, "load", never)
    for index in range(photos):
        (tmp_path / f"{index}.jpg").write_bytes(b"x")
    with pytest.raises(InputError, match=said):
        stage.reconstruct(tmp_path, Settings())


@pytest.mark.parametrize(
    ("module", "load"), [(stage, stage.load), (ilrm_cli.evaluate, ilrm_cli.evaluate.start)], ids=["load", "start"]
)
@pytest.mark.parametrize("wanted", [False, True])
def test_layers_are_compiled_only_on_request(monkeypatch, module, load, wanted):
    """In the precision that was asked for, and told of."""
    compiled = []
    monkeypatch.setattr(module, "compile_layers", lambda model, report: compiled.append((model.precision, report)))
    load(module.Settings(precision="bf16", compile=wanted), ignore)
    assert compiled == [(torch.bfloat16, ignore)] * wanted


@pytest.mark.parametrize(("rendered", "swept"), [(False, False), (True, False), (False, True)])
def test_compiling_has_a_time_of_its_own_when_it_happens(monkeypatch, rendered, swept):
    monkeypatch.setattr(stage, "prepare", lambda *_, **__: rendered)
    monkeypatch.setattr(stage, "prepare_sweep", lambda *_: swept)
    watch = Stopwatch()
    stage.load(Settings(device="cpu", precision="fp32"), watch=watch)
    assert set(watch.seconds) == ({"load", "compile"} if rendered or swept else {"load"})
