"""GRM: its size and operations, the upsampler's windows, the layout of the withdrawn code, and what it promises."""

import dataclasses

import pytest
import torch

from ilrm_cli.geometry.cameras import directions_through
from ilrm_cli.models.checkpoint import load_model
from ilrm_cli.models.grm.config import PARAMETERS, GrmConfig
from ilrm_cli.models.grm.model import Grm, shown_by_legacy_pixels, shown_by_legacy_rays
from ilrm_cli.models.layers.upsampler import UpsampleStage, window_sides
from ilrm_cli.models.patches import Batch, parameters_in
from ilrm_cli.models.registry import KNOWN
from ilrm_cli.runtime.errors import InputError
from tests.support.family import assert_equivariant, counted_flops, drawn, flops_told, on_meta
from tests.support.small_models import random_views

TINY = GrmConfig(layers=2, width=32, head_width=16, patch=8, places=16, widths=(32, 16), window=16)
LEGACY = dataclasses.replace(TINY, layout="legacy", places=36, window=4)
TABLE = {2: 333, 8: 1475, 32: 7757}  # views -> GMAC at 256x256 px (specification, section 9)


def test_the_published_size():
    assert parameters_in(Grm, GrmConfig()) == PARAMETERS


@pytest.mark.parametrize("views", TABLE)
def test_the_published_comparison(views):
    with torch.device("meta"):
        network = Grm(GrmConfig())
    assert flops_told(network, on_meta(views, 256, 256)) / 2e9 == pytest.approx(TABLE[views], rel=0.1)


@pytest.mark.parametrize("config", [TINY, LEGACY, dataclasses.replace(TINY, widths=())], ids=["tiny", "legacy", "flat"])
def test_the_operations_told_are_those_of_pytorch(config):
    views = on_meta(1 if config is LEGACY else 3, 48, 48)
    with torch.device("meta"):
        network = Grm(config)
    assert counted_flops(network, views) == flops_told(network, views)


def test_the_order_of_views_does_not_matter_to_windows_of_a_view():
    assert_equivariant(drawn(Grm(TINY)), random_views(4, 48, 48))
    assert_equivariant(drawn(Grm(LEGACY)), random_views(4, 48, 48), equivariant=False)


@pytest.mark.parametrize(("views", "window"), [(3, 4), (2, 4), (4, 7)])
def test_what_makes_no_square_gets_a_sentence(views, window):
    network = Grm(dataclasses.replace(LEGACY, window=window))
    with pytest.raises(InputError, match="one square of all photos"):
        network([random_views(views, 48, 48)])


def test_windows_divide_the_grid():
    assert window_sides(128, 96, 4096) == (64, 48)
    assert window_sides(32, 32, 4096) == (32, 32)
    assert window_sides(7, 12, 16) == (1, 4)


@torch.no_grad()
def test_a_window_sees_itself_and_the_shifted_one_its_neighbours():
    torch.manual_seed(0)
    stage = UpsampleStage(8, 8, 8, 2, window=16, layout="views")
    grid = torch.randn(1, 8 * 8, 8)
    changed = grid.clone()
    changed[0, 0] += 1  # the place in the corner, which becomes 2x2
    moved = (stage(grid, 1, 8) - stage(changed, 1, 8)).abs().amax(-1).view(16, 16) > 1e-6
    rows = moved.any(1).nonzero().flatten().tolist()
    assert rows == [0, 1, 2, 3, 4, 5, 14, 15], "its window, then those that are shifted by half"
    shuffled = stage.shuffled(torch.randn(1, 8, 8, 8))
    assert shuffled.shape == (1, 16, 16, 8)


def test_pixelshuffle_takes_channels_as_published():
    stage = UpsampleStage(4, 4, 4, 1, window=4, layout="views")
    with torch.no_grad():
        stage.widen.weight.zero_()
        stage.widen.bias.copy_(torch.arange(16.0))
        grid = stage.shuffled(torch.zeros(1, 1, 1, 4))
    assert grid[0, :, :, 0].tolist() == [[0, 1], [2, 3]]
    assert grid[0, :, :, 1].tolist() == [[4, 5], [6, 7]]


def test_pixels_of_the_withdrawn_code():
    cameras = random_views(2, 5, 4).cameras
    size, place = torch.tensor([5.0, 4.0]), torch.tensor([3.0, 2.0])
    expected = (place / (size - 1) - cameras.center_px / size) / (cameras.focal_px / size)
    focal = cameras.world_from_cam[:, :3, :3].mT  # identity: directions are in camera axes
    ours = directions_through(shown_by_legacy_pixels(cameras), (place + 0.5).expand(2, 1, 1, 2))[:, 0, 0]
    torch.testing.assert_close(torch.einsum("vij,vj->vi", focal, ours)[:, :2], expected)
    further = directions_through(shown_by_legacy_rays(cameras), (place + 0.5).expand(2, 1, 1, 2))[:, 0, 0]
    torch.testing.assert_close(further[:, :2], expected + 0.5 * size / cameras.focal_px)


def withdrawn_names(network: Grm) -> dict[str, torch.Tensor]:
    """Return the tensors as the withdrawn code names and orders them."""
    pixels = network.config.last_patch**2
    state, found = network.state_dict(), {}
    heads = state.pop("head.linear.weight").unflatten(0, (pixels, -1)).transpose(0, 1)  # [channel, pixel, d]
    parts = heads.split([1, 3, 3, 4, 1])
    for name, part in zip(("depth", "feature", "scaling", "rotation", "opacity"), parts, strict=True):
        found[f"visual_encoder.out_layer_{name}.weight"] = part.flatten(0, 1)
    side = network.config.patch
    linear = state.pop("tokenizer.weight").unflatten(1, (side, side, 9))
    found["visual_encoder.transformer_encoder.conv.weight"] = linear.permute(0, 3, 1, 2)
    found["visual_encoder.transformer_encoder.positional_embedding"] = state.pop("positions")
    for name, tensor in state.items():
        for ours, theirs in (
            ("norm1", "layernorm1"), ("norm2", "layernorm2"), ("attn.qkv.", "attn.in_proj_"),
            ("attn.proj", "attn.out_proj"), ("fc1", "c_fc"), ("fc2", "c_proj"),
        ):  # fmt: skip
            name = name.replace(ours, theirs)
        _, number, *rest = name.split(".")
        if name.startswith("blocks."):
            name = f"transformer_encoder.transformer.resblocks.{number}.{'.'.join(rest)}"
        elif name.startswith("stages."):
            inner = ".".join(rest).replace("widen", "residual_fc").replace("blocks", "resblocks")
            kind = "upsampler" if "residual_fc" in inner else "attention"
            name = f"gaussian_upsampler.{kind}_{int(number) + 1}.{inner}"
        elif name.startswith("head.norm"):
            name = name.replace("head.norm", "gaussian_upsampler.layernorm2")
        else:
            name = f"transformer_encoder.{name}"
        found[f"visual_encoder.{name}"] = tensor
    return {f"module.{name}": tensor for name, tensor in found.items()}


@torch.no_grad()
def test_the_withdrawn_layout_loads(tmp_path):
    network = drawn(Grm(dataclasses.replace(LEGACY, widths=(16,))))
    torch.save({"model": withdrawn_names(network)}, tmp_path / "grm.pt")
    (tmp_path / "grm.json").write_text('{"window": 4, "head_width": 16}')
    loaded = load_model(str(tmp_path / "grm.pt")).model
    assert loaded.config == dataclasses.replace(network.config, min_views=4, max_views=4)
    torch.testing.assert_close(loaded.state_dict(), network.state_dict())
    (tmp_path / "grm.json").write_text('{"window": 16, "head_width": 16}')
    views, other = random_views(4, 48, 48), load_model(str(tmp_path / "grm.pt")).model
    made, wider = loaded([views])[0], other([views])[0]
    assert (made.means - wider.means).abs().max() > 1e-3, "the window is heeded, which no tensor tells"


@torch.no_grad()
def test_the_withdrawn_upsampler_shuffles_all_views_as_one_grid():
    network = drawn(Grm(LEGACY))
    batch = Batch.of([random_views(4, 48, 48)], None)
    tokens = network.embedded(batch)
    stage = network.stages[0]
    whole = stage.shuffled(tokens.view(1, 12, 12, -1))
    for block in stage.blocks:
        block.attn.proj.weight.zero_(), block.attn.proj.bias.zero_()
        block.mlp.fc2.weight.zero_(), block.mlp.fc2.bias.zero_()
    torch.testing.assert_close(stage(tokens, 4, 6), whole.flatten(1, 2))


def test_what_is_not_grm_gets_a_sentence(tmp_path):
    state = withdrawn_names(Grm(LEGACY))
    name = "module.visual_encoder.transformer_encoder.conv.weight"
    for damaged in (
        {name: state[name]},
        state | {"module.visual_encoder.extra": torch.zeros(2)},
        state | {name: torch.zeros(3)},
        {k: v for k, v in state.items() if "c_proj" not in k},
    ):
        torch.save({"model": damaged}, tmp_path / "broken.pt")
        with pytest.raises(InputError, match=r"broken\.pt") as caught:
            load_model(str(tmp_path / "broken.pt"))
        assert "\n" not in str(caught.value)
    torch.save({"model": state, "opt": TINY}, tmp_path / "pickled.pt")
    with pytest.raises(InputError, match="cannot be read as a checkpoint"):
        load_model(str(tmp_path / "pickled.pt"))


def test_no_name_stands_for_it():
    assert not [name for name in KNOWN if "grm" in name]


@torch.no_grad()
def test_depth_starts_at_the_origin_and_scales_are_bounded():
    network = Grm(TINY).eval()
    network.head.linear.weight.zero_()
    views = random_views(4, 48, 48)
    scene = network([views])[0]
    away = (scene.means - views.cameras.positions.repeat_interleave(48 * 48, 0)) * views.cameras.forward[0]
    expected = views.cameras.positions.norm(dim=-1).repeat_interleave(48 * 48, 0)
    torch.testing.assert_close(away.sum(-1), expected)
    torch.testing.assert_close(scene.scales, torch.full_like(scene.scales, 0.0125))
