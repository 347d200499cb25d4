"""Unseen objects: what is scored, and of which models."""

from dataclasses import replace

import pytest
import torch

from ilrm_cli.bench import objects
from ilrm_cli.bench.family import family_suite
from ilrm_cli.bench.objects import VIEWS, Shown, is_shown_objects, shown_objects, shown_table
from ilrm_cli.models.checkpoint import blueprint_with, load_model
from ilrm_cli.train.config import AVATAR, TINY_MODELS
from tests.support.family import drawn, saved
from tests.support.small_fields import small_network


@pytest.mark.parametrize("name", TINY_MODELS)
def test_toys_are_scored_beside_what_needs_no_model(name, monkeypatch):
    monkeypatch.setattr(objects, "OBJECTS", 2)
    network = drawn(blueprint_with(replace(TINY_MODELS[name], long_side_px=32)).build())
    assert is_shown_objects(network.capabilities)
    one, again = (shown_objects(network) for _ in range(2))
    assert one == again
    assert 8 < one.plain < 30
    assert 2 < one.psnr < 30


def test_others_are_not_scored():
    assert not is_shown_objects(load_model("default").model.capabilities)
    assert not is_shown_objects(blueprint_with(AVATAR).capabilities)
    assert not is_shown_objects(small_network("pixelnerf").capabilities)


def test_the_suite_tells_of_them(tmp_path, monkeypatch):
    monkeypatch.setattr(objects, "OBJECTS", 1)
    torch.manual_seed(0)
    file = saved(drawn(blueprint_with(replace(TINY_MODELS["gs-lrm"], long_side_px=32)).build()), tmp_path)
    found = family_suite(models=[str(file)], rounds=1)
    (name,) = found.details["objects"]
    assert str(file) in name
    assert f"Unseen objects from {VIEWS} photos each:" in found.words
    assert shown_table({"a": Shown(20.0, 14.0)}, [0.5]).endswith("| a | 20.0 | +6.0 | 0.50 |")
