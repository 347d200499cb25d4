"""Counted work against PyTorch's counter and the paper's figures; predicted memory against what a pass holds."""

import dataclasses

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from ilrm_cli.models.cost.flops import forward_stages, full_attention_stages, total_flops
from ilrm_cli.models.cost.footprint import Workload, footprint
from ilrm_cli.models.cost.parameters import parameters
from ilrm_cli.models.ilrm.config import PRESETS, IlrmConfig
from ilrm_cli.models.layers.gaussian_head import channels_of
from ilrm_cli.models.layers.passes import WHOLE, Chunks
from tests.support.live_bytes import held_by_pass
from tests.support.small_models import MATCHED, PYRAMID, published, random_model, random_views

MODULES = {  # of the model, and the stages inside
    "viewpoint_tokenizer": ("viewpoint tokenizer",),
    "image_tokenizer": ("image tokenizer",),
    "cross": ("cross q", "cross kv", "cross attention", "cross proj"),
    "cross_mlp": ("cross mlp",),
    "self_attention": ("self qkv", "self attention", "self proj"),
    "self_mlp": ("self mlp",),
    "head": ("head",),
}


LARGE, SMALL = PRESETS["dl3dv"].config, PRESETS["re10k"].config
TWO_BYTES = torch.bfloat16


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


def test_the_pyramid_has_the_operations_that_pytorch_counts():
    stages = {stage.name: stage.flops for stage in forward_stages(PYRAMID, views=3, height=32, width=48)}
    views = random_views()
    with FlopCounterMode(display=False) as counter, torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        random_model(PYRAMID)([views], [(1.0, 10.0)])
    assert stages["feedback"] == pytest.approx(sum_in(counter, "Ilrm.feedback."))
    assert stages["pyramid"] == pytest.approx(sum_in(counter, "Ilrm.pyramid."))


def sum_in(counter: FlopCounterMode, start: str) -> int:
    """Return the operations of the modules right below one, which has no call of its own."""
    counts = counter.get_flop_counts()
    own = {name: sum(by_kind.values()) for name, by_kind in counts.items() if name.startswith(start)}
    return sum(n for name, n in own.items() if not any(name.startswith(f"{other}.") for other in own if other != name))


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


@pytest.mark.parametrize("name", PRESETS)
def test_parameters_are_the_published_numbers(name: str):
    assert parameters(PRESETS[name].config) == PRESETS[name].parameters


@pytest.mark.parametrize("config", [MATCHED, PYRAMID], ids=["matched", "pyramid"])
def test_parameters_are_those_of_the_model(config: IlrmConfig):
    assert parameters(config) == sum(p.numel() for p in random_model(config).parameters())


@pytest.mark.parametrize(
    ("load", "chunks"),
    [
        pytest.param(Workload(LARGE, 64, 544, 960, TWO_BYTES), Chunks(8, 16384), marks=pytest.mark.slow),
        pytest.param(Workload(LARGE, 2, 544, 960), WHOLE, marks=pytest.mark.slow),
        (Workload(LARGE, 4, 256, 256), Chunks(2, 512)),
        (Workload(LARGE, 3, 128, 192), Chunks(1, 64)),
        (Workload(SMALL, 2, 256, 256), WHOLE),
        (Workload(SMALL, 2, 256, 256, TWO_BYTES), Chunks(1, 1024)),
    ],
)
def test_a_pass_holds_no_more_than_predicted_and_not_much_less(load: Workload, chunks: Chunks):
    held, predicted = held_by_pass(load, chunks), footprint(load, chunks).work
    assert held <= predicted <= 1.2 * held


def test_matching_holds_no_more_than_predicted():
    load = Workload(MATCHED, 3, 48, 64)
    assert held_by_pass(load, WHOLE) <= footprint(load, WHOLE).work


def test_a_pyramid_holds_no_more_than_predicted():
    """Without feedback, whose drawing cannot be followed without running it."""
    assert PYRAMID.pyramid
    still = dataclasses.replace(PYRAMID, pyramid=dataclasses.replace(PYRAMID.pyramid, feedback=False))
    for chunks in (WHOLE, Chunks(1, 64)):
        load = Workload(still, 4, 64, 96)
        held, predicted = held_by_pass(load, chunks), footprint(load, chunks).work
        assert held <= predicted <= 2 * held


def test_many_views_cost_what_stays_of_them():
    """Tokens, raw numbers, and the Gaussians made of them (twice, while they are joined) grow with the views."""
    few, many = (footprint(Workload(LARGE, n, 544, 960, TWO_BYTES), Chunks(8, 16384)).work for n in (64, 128))
    raw = channels_of(LARGE.head, 0)
    stays = 64 * (8160 * 768 * 2 + 2040 * 768 * 4 + (3 + 2 * 14 + raw) * 4 * 272 * 480)
    assert many - few == pytest.approx(stays, rel=0.01)


def test_smaller_pieces_never_need_more():
    load = Workload(LARGE, 64, 544, 960, TWO_BYTES)
    needed = [footprint(load, Chunks(views, tokens)).work for views, tokens in ((64, 65536), (8, 8192), (1, 1024))]
    assert needed == sorted(needed, reverse=True)
