"""What a model and the kernels around it are made ready for, and what that is called.

Compiled update layers are compared with plain ones in processes without the checks of types, which cannot be compiled.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ilrm_cli.evaluate import run
from ilrm_cli.models import loading
from ilrm_cli.models.checkpoint import LoadedModel
from ilrm_cli.models.ilrm.model import Ilrm
from ilrm_cli.pipeline import reconstruct
from ilrm_cli.pipeline.settings import Settings
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.progress import Stopwatch, ignore
from tests.support.small_models import published, random_model

ROOT = Path(__file__).resolve().parents[2]


def load_to_reconstruct(compiled: bool) -> None:
    reconstruct.load(Settings(precision="bf16", compile=compiled), ignore)


def load_to_evaluate(compiled: bool) -> None:
    run.start(run.Plan(), run.Settings(precision="bf16", compile=compiled), ignore)


@pytest.mark.parametrize("load", [load_to_reconstruct, load_to_evaluate])
@pytest.mark.parametrize("wanted", [False, True])
def test_layers_are_compiled_only_on_request(monkeypatch, load, wanted):
    """The layers are compiled in the requested precision, and the compilation is reported."""
    compiled = []
    monkeypatch.setattr(Ilrm, "compile_layers", lambda model, report: compiled.append((model.precision, report)))
    load(wanted)
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
    run.start(run.Plan(), run.Settings(device="cpu", precision="fp32", baselines=baselines, refine=refine))
    assert asked == [refine > 0, *["sweep"] * baselines]
    asked.clear()
    reconstruct.load(Settings(device="cpu", precision="fp32", quality="draft", refine=refine))
    reconstruct.load(Settings(device="cpu", precision="fp32"))
    assert asked == [refine > 0, True], "the fit to all photos needs them, too"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def passes(precision: str, cache: Path, **chosen: str) -> str:
    known = {name: value for name, value in os.environ.items() if not name.startswith("TORCHINDUCTOR")}
    command = [sys.executable, "-m", "tests.support.compiled_pass", precision]
    environment = known | {"ILRM_CACHE": str(cache)} | chosen
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which(os.environ.get("CXX", "g++")), reason="no C++ compiler is here")
@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-5), ("bf16", 2e-2)])
def test_scenes_of_all_sizes_in_all_pieces(precision, tolerance, cache):
    """Compiled once: nothing may be compiled again. The passes give the same bits, and the plain ones' to rounding."""
    found = json.loads(passes(precision, cache))
    assert found["apart"] < tolerance
    assert found["repeatable"]
    assert found["timed"] == found["layers"]
    assert [done for _, done in found["steps"]] == [0, 1]
    assert list((cache / "inductor").rglob("*.so")), "compiled code is kept in our folder"


@pytest.mark.slow
@pytest.mark.parametrize("missing", ["CXX", "TORCHINDUCTOR_CACHE_DIR"])
def test_without_a_compiler_or_a_folder_it_is_refused_in_one_sentence(tmp_path, missing):
    (tmp_path / "file").touch()
    said = passes("fp32", tmp_path, **{missing: str(tmp_path / "file" / "none")})
    assert said.startswith("PyTorch's compiler, which needs a C++ compiler and Python's headers, does not work here (")
    assert said.endswith("make the scene without --compile.")
    assert "\n" not in said


def test_pythons_it_does_not_know_are_told_of_and_memory_that_runs_out_is_left_to_others(monkeypatch):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "")  # set, so that the original value is restored after the test

    def failing_with(error: Exception) -> None:
        def compile_nothing(*_, **__):
            raise error

        monkeypatch.setattr(torch, "compile", compile_nothing)

    failing_with(RuntimeError("torch.compile is not supported on Python 9.9+"))
    with pytest.raises(InputError, match=r"does not work here \(torch.compile is not supported on Python 9.9\+\); "):
        random_model(published("dl3dv")).compile_layers()
    failing_with(torch.OutOfMemoryError("all 4 GB are taken"))
    with pytest.raises(torch.OutOfMemoryError):
        random_model(published("dl3dv")).compile_layers()
