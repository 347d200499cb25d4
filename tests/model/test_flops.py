"""Counted work against PyTorch's counter and against the paper's own figures."""

import dataclasses

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel  # the counter knows only plain attention on CPUs
from torch.utils.flop_counter import FlopCounterMode

from ilrm_cli.models.cost.flops import forward_stages, full_attention_stages, total_flops
from ilrm_cli.models.ilrm.config import PRESETS, IlrmConfig
from tests.support.small_models import MATCHED, published, random_model, random_views

MODULES = {  # of the model, and the stages inside
    "viewpoint_tokenizer": ("viewpoint tokenizer",),
    "image_tokenizer": ("image tokenizer",),
    "cross": ("cross q", "cross kv", "cross attention", "cross proj"),
    "cross_mlp": ("cross mlp",),
    "self_attention": ("self qkv", "self attention", "self proj"),
    "self_mlp": ("self mlp",),
    "head": ("head",),
}


def counted(config: IlrmConfig) -> dict[str, int]:
    """Return the operations inside each kind of module, counted by PyTorch."""
    views = random_views()
    with FlopCounterMode(display=False) as counter, torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        random_model(config)([views], [(1.0, 10.0)])
    sums = dict.fromkeys(MODULES, 0)
    for name, operations in counter.get_flop_counts().items():
        last = name.split(".")[-1]
        if last in sums:
            sums[last] += sum(operations.values())
    return sums


@pytest.mark.parametrize("config", [published("dl3dv"), published("re10k"), MATCHED], ids=["dl3dv", "re10k", "matched"])
def test_every_stage_has_the_operations_that_pytorch_counts(config: IlrmConfig):
    stages = {stage.name: stage.flops for stage in forward_stages(config, views=3, height=32, width=48)}
    assert counted(config) == {module: sum(stages[name] for name in names) for module, names in MODULES.items()}
    assert set(stages) == {name for names in MODULES.values() for name in names}


@pytest.mark.parametrize(("height", "width", "gigaflops"), [(256, 256, 3.83), (128, 256, 1.71), (128, 128, 0.81)])
def test_cross_attention_of_one_layer_costs_what_the_paper_states(height: int, width: int, gigaflops: float):
    """Half and quarter mini-batches read with as many tokens as views of a half and a quarter of the pixels have."""
    stages = forward_stages(PRESETS["dl3dv"].config, views=1, height=height, width=width)
    cross = total_flops(stage for stage in stages if stage.name.startswith("cross"))
    assert cross / 12 / 2 / 1e9 == pytest.approx(gigaflops, abs=0.0055)  # multiply-adds, rounded to two digits


def test_only_self_attention_grows_faster_than_the_views():
    few, many = (forward_stages(PRESETS["dl3dv"].config, views, 256, 448) for views in (4, 40))
    growth = {a.name: b.flops / a.flops for a, b in zip(few, many, strict=True)}
    assert growth.pop("self attention") == pytest.approx(100)
    assert set(growth.values()) == {10.0}


def test_groups_bound_what_a_view_adds_to_self_attention():
    config = PRESETS["dl3dv"].config
    one, two = (dict_of(forward_stages(config, views, 256, 256, group=8)) for views in (8, 16))
    assert two["self attention"] == 2 * one["self attention"]
    assert one == dict_of(forward_stages(config, 8, 256, 256))


def test_joint_attention_over_all_tokens_costs_several_times_as_much():
    config = PRESETS["dl3dv"].config
    ours, full = forward_stages(config, 32, 544, 960), full_attention_stages(config, 32, 544, 960)
    # five times the tokens attend to each other in twice the blocks
    assert dict_of(full)["self attention"] == pytest.approx(50 * dict_of(ours)["self attention"])
    assert dict_of(full)["self mlp"] == pytest.approx(10 * dict_of(ours)["self mlp"])
    assert total_flops(full) > 10 * total_flops(ours)


def test_numbers_moved_are_operands_and_results():
    narrow = dataclasses.replace(published("re10k"), layers=1)
    stages = {stage.name: stage.moved for stage in forward_stages(narrow, views=2, height=16, width=24)}
    tokens, width = 2 * 6, 32
    assert stages["cross q"] == tokens * width + width**2 + tokens * width
    assert stages["self attention"] == 4 * tokens * width


def dict_of(stages) -> dict[str, float]:
    return {stage.name: stage.flops for stage in stages}
