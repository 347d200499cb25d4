"""What is refused before the long work begins."""

import pytest
import torch

import ilrm_cli.evaluate
from ilrm_cli import reconstruct as stage
from ilrm_cli.errors import InputError
from ilrm_cli.progress import ignore
from ilrm_cli.reconstruct import Settings


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
