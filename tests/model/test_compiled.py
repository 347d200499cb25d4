"""Compiled update layers beside plain ones, in processes without the checks of types, which cannot be compiled."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def passes(precision: str, cache: Path, compiler: str | None = None) -> str:
    known = {name: value for name, value in os.environ.items() if not name.startswith("TORCHINDUCTOR")}
    chosen = {} if compiler is None else {"CXX": compiler}
    command = [sys.executable, "-m", "tests.model.compiled_pass", precision]
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
def test_without_a_compiler_it_is_refused_in_one_sentence(tmp_path):
    said = passes("fp32", tmp_path, compiler=str(tmp_path / "none"))
    assert said.startswith("--compile: PyTorch's compiler, which needs a C++ compiler and Python's headers")
    assert said.endswith("do without --compile.")
    assert "\n" not in said
