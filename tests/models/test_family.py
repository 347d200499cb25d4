"""The backbones of the family through the command line: each reconstructs, is told of, and is trained."""

import json
from dataclasses import replace

import pytest
import torch

from ilrm_cli.models.base import Pass
from ilrm_cli.models.checkpoint import blueprint_of, blueprint_with, load_model
from ilrm_cli.train.config import PRESETS, TINY_MODELS, TrainConfig, chosen_recipe
from ilrm_cli.train.loop import train
from ilrm_cli.train.state import WEIGHTS_FILE, resume_or_start, write_weights
from tests.cli.conftest import SAMPLES
from tests.support.command_line import ilrm
from tests.support.family import drawn, saved
from tests.support.live_bytes import LiveBytes
from tests.support.small_models import random_views

NAMES = tuple(TINY_MODELS)
SHORT = TrainConfig(
    steps=3, batch=1, data=("objects",), long_sides_px=(32,), aspects=((1, 1),), max_views=3, targets=1, warmup=1
)


@pytest.fixture(scope="module", params=NAMES)
def model(request, tmp_path_factory):
    """Return a file of tiny random weights for photos of 64 px."""
    torch.manual_seed(0)
    config = replace(TINY_MODELS[request.param], min_views=2, max_views=3, long_side_px=64)
    return saved(drawn(blueprint_with(config).build()), tmp_path_factory.mktemp(request.param))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_it_reconstructs(model, precision, tmp_path):
    scene = tmp_path / "scene.ply"
    words = ("--model", model, "--precision", precision, "--views", "3", "--refine", "1")
    outcome = ilrm("reconstruct", SAMPLES / "posed", *words, "-o", scene, "--json")
    assert outcome.status == 0, outcome.err
    assert outcome.json["gaussians"] > 0
    record = json.loads(scene.with_suffix(".json").read_text())
    assert max(record["views"][0][side] for side in ("width", "height")) == 64


def test_what_it_cannot_do_is_said(model, tmp_path):
    command = ("reconstruct", SAMPLES / "posed", "--model", model, "-o", tmp_path / "scene.ply")
    assert "cannot be traced" in ilrm(*command, "--trace", tmp_path / "trace.png").sentence
    assert not (tmp_path / "scene.ply").exists()


def test_weights_name_their_architecture(model):
    assert blueprint_of(str(model)).capabilities == load_model(str(model)).model.capabilities


@pytest.mark.parametrize("name", [NAMES[0], *(pytest.param(name, marks=pytest.mark.slow) for name in NAMES[1:])])
def test_it_is_trained_and_goes_on(name, tmp_path):
    torch.set_num_threads(1)
    model = replace(TINY_MODELS[name], max_views=3)
    config = replace(SHORT, checkpointing=True)
    begun = resume_or_start(tmp_path, config, model=model)
    before = [tensor.detach().clone() for tensor in begun.model.parameters()]
    assert len(list(train(begun, tmp_path, stop=lambda: begun.step == 2))) == 2
    again = resume_or_start(tmp_path, config, model=model)
    assert [step.step for step in train(again, tmp_path)] == [3]
    assert any((old != new).any() for old, new in zip(before, again.model.parameters(), strict=True))
    write_weights(again, tmp_path)
    loaded = load_model(str(tmp_path / WEIGHTS_FILE)).model
    assert (loaded.architecture, loaded.config) == (name, model)


def test_sizes_are_alike_and_presets_build():
    counts = {}
    for name, recipe in PRESETS.items():
        with torch.device("meta"):
            network = blueprint_with(recipe.model).build()
        counts[name] = sum(parameter.numel() for parameter in network.parameters())
    tiny = [counts[f"tiny-{name}"] for name in NAMES]
    assert max(tiny) < 1.1 * min(tiny)


def test_objects_are_seen_in_the_frame_of_the_model():
    recipe = chosen_recipe("tiny-grm")
    assert blueprint_with(recipe.model).capabilities.normalisation == "centred"
    assert blueprint_with(chosen_recipe("tiny-gs-lrm").model).capabilities.normalisation == "recentred"


@pytest.mark.parametrize("name", NAMES)
def test_a_pass_holds_at_most_what_is_told(name):
    network, views = drawn(blueprint_with(TINY_MODELS[name]).build()), random_views(4, 64, 64)
    with torch.inference_mode(), LiveBytes() as live:
        network([views], [(1.0, 10.0)])
    told = network.cost(Pass(4, 64, 64)).ways[0].work_bytes
    assert 0.3 * told < live.peak < 1.1 * told
