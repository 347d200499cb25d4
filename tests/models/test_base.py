"""A new model needs its own folder and one line of the registry: a toy goes through every command that takes models."""

import json

import pytest
import torch

from ilrm_cli.models.base import Network, Priced
from ilrm_cli.models.checkpoint import blueprint_of, encode_model, load_model
from ilrm_cli.models.registry import ARCHITECTURES
from ilrm_cli.runtime.errors import InputError
from tests.cli.conftest import SAMPLES
from tests.support.command_line import ilrm
from tests.support.toy_model import Toy, ToyConfig


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """Weights of the toy, whose module is the one line."""
    monkeypatch.setitem(ARCHITECTURES, "toy", "tests.support.toy_model")
    torch.manual_seed(0)
    weights, config = encode_model(Toy(ToyConfig()))
    (tmp_path / "toy.safetensors").write_bytes(weights)
    (tmp_path / "toy.json").write_bytes(config)
    return tmp_path / "toy.safetensors"


def test_weights_name_their_architecture(toy):
    loaded, blueprint = load_model(str(toy)), blueprint_of(str(toy))
    assert isinstance(loaded.model, Network)
    assert isinstance(loaded.model, Priced)
    assert blueprint.config == loaded.model.config == ToyConfig()
    assert blueprint.capabilities == loaded.model.capabilities
    sidecar = json.loads(toy.with_suffix(".json").read_text())
    toy.with_suffix(".json").write_text(json.dumps(sidecar | {"architecture": "unheard of"}))
    with pytest.raises(InputError, match=r"architecture 'unheard of' is not known here; known are ilrm, .*toy"):
        load_model(str(toy))


def test_the_main_job_takes_it_and_its_own_capabilities(toy, tmp_path):
    scene = tmp_path / "scene.ply"
    outcome = ilrm("reconstruct", SAMPLES / "posed", "--model", toy, "--refine", "2", "-o", scene, "--json")
    assert outcome.status == 0, outcome.err
    assert len(outcome.json["views"]["used"]) == 3
    record = json.loads(scene.with_suffix(".json").read_text())
    assert max(record["views"][0][side] for side in ("width", "height")) == 64
    assert record["pose_card"]["unlike_training"] == [], "nothing is known of the toy's training but its views"
    assert outcome.json["layers"] == []
    assert ilrm("replay", scene, "--json").json["identical"]


def test_what_it_cannot_do_is_said(toy, tmp_path):
    command = ("reconstruct", SAMPLES / "posed", "--model", toy, "-o", tmp_path / "scene.ply")
    assert "cannot be traced" in ilrm(*command, "--trace", tmp_path / "trace.png").sentence
    assert "no layers that can be compiled" in ilrm(*command, "--compile").sentence
    assert not (tmp_path / "scene.ply").exists()


def test_the_evaluation_takes_it(toy):
    outcome = ilrm("evaluate", SAMPLES / "posed", "--model", toy, "--views", "2,3", "--no-baselines", "--json")
    assert outcome.status == 0, outcome.err
    assert [mean["views"] for mean in outcome.json["summary"]["means"]] == ["2", "3"]


def test_the_benchmark_takes_it(toy):
    outcome = ilrm("bench", "family", "--model", toy, "--rounds", "1", "--json")
    assert outcome.status in (0, 1), outcome.err
    assert "toy.safetensors" in outcome.json["rows"][0]["name"]


def test_the_catalogue_tells_of_it(toy):
    assert ilrm("models", "info", toy, "--json").json["config"] == {"max_views": 3, "long_side_px": 64}
