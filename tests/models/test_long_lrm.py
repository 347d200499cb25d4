"""Long-LRM: every tensor of its authors' code, the format of its weights, and what it promises."""

import dataclasses
import json
import re

import pytest
import torch

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.frames import normalisation_of
from ilrm_cli.models.checkpoint import load_model
from ilrm_cli.models.long_lrm.config import PRESETS, LongLrmConfig
from ilrm_cli.models.long_lrm.model import VISIBLE, LongLrm
from ilrm_cli.models.patches import Batch, parameters_in
from ilrm_cli.pipeline.prepare import normalized_cameras
from ilrm_cli.runtime.errors import InputError
from tests.support.family import (
    assert_equivariant,
    assert_near,
    cameras_of,
    counted_flops,
    drawn,
    flops_told,
    on_meta,
    reference,
)
from tests.support.small_models import random_views

TINY = LongLrmConfig("mtm", (16, 32), (2,), 16, state=8, scan_head_width=16, patch=4, kept=1.0)
TABLE = {  # views -> GMAC at 256x256 px (specification, section 9)
    "7m1t": {2: 539, 8: 2467, 32: 14816},
    "7m1t-merge": {2: 111, 8: 484, 32: 2553},
}


@pytest.fixture(scope="module")
def pair(shared):
    return reference(shared, "longlrm_dev")[0]


@pytest.fixture(scope="module")
def released(shared):
    return load_model(str(shared / "parity" / "family" / "longlrm_dev.pt")).model


@torch.no_grad()
def test_every_tensor_of_its_authors(pair, released):
    images = pair["image"].float() / 255
    focal, center = pair["fxfycxcy"].split(2, dim=-1)
    batch = Batch(images, cameras_of(pair["c2w"], focal, center, images), 1, None)
    tokens = released.embedded(batch)
    assert_near(tokens[0], pair["tokens_in"], "tokens_in")
    for number, block in enumerate(released.blocks):
        before, tokens = tokens, released.merged(tokens, number, batch)
        if number == 2:
            assert (tokens.shape[1] - 2) * 4 == before.shape[1] - 2, "a merge gives exactly a quarter"
            assert_near(tokens[0], pair["tokens_merged2"], "tokens_merged2")
        tokens = block(tokens)
        assert_near(tokens[0, ::2], pair[f"tokens_block{number}_every2"], f"tokens_block{number}")
    scene = released.all_gaussians(tokens, batch)[0]
    assert_near(scene.means, pair["gaussians_xyz"], "xyz")
    assert_near(scene.harmonics, pair["gaussians_feature"], "feature")
    assert_near(scene.scales.log(), pair["gaussians_scale"], "scale")
    turned = torch.nn.functional.normalize(pair["gaussians_rotation"], dim=-1)
    assert_near(scene.quaternions, turned, "rotation")
    assert_near(scene.opacities, pair["gaussians_opacity"].sigmoid().flatten(), "opacity")
    assert float((scene.opacities > VISIBLE).float().mean()) == float(pair["usage"])
    kept = released.pruned(scene)
    assert len(kept) == int(pair["pruned_count"])
    assert_near(kept.means.sum(0), pair["pruned_xyz_sum"], "pruned sum")
    assert_near(kept.opacities.min().logit(), pair["pruned_min_opacity"], "least opacity kept")


def test_the_cameras_of_its_authors(pair):
    width, height = pair["photo_size_wh"].tolist()
    focal, center = pair["photo_intrinsics"].split(2, dim=-1)
    poses = pair["photo_w2c"].double().inverse()
    to_normal = normalisation_of(poses, "recentred")
    turn = torch.cat([to_normal.rotation, to_normal.translation[:, None] / to_normal.scale], dim=1)
    assert_near(turn.float(), pair["world_to_normalised"][:3], "world_to_normalised")
    assert_near(torch.tensor(to_normal.scale), pair["scene_scale"], "scene_scale")
    photos = Cameras(poses, focal, center, width, height)
    cameras = photos.resized(24, 16)
    assert_near(torch.cat([cameras.focal_px, cameras.center_px], dim=-1), pair["fxfycxcy"], "fxfycxcy")
    assert_near(normalized_cameras(cameras, to_normal).world_from_cam, pair["c2w"], "c2w")


@pytest.mark.parametrize("name", PRESETS)
def test_published_sizes(name):
    assert parameters_in(LongLrm, PRESETS[name].config) == PRESETS[name].parameters


def test_the_released_file_has_as_many_tensors():
    with torch.device("meta"):
        assert len(LongLrm(LongLrmConfig()).state_dict()) == 342


def test_the_most_opaque_are_kept_and_training_draws_others():
    network = drawn(LongLrm(dataclasses.replace(TINY, kept=0.4)))
    views = random_views()
    with torch.no_grad():
        whole = drawn(LongLrm(TINY))
        whole.load_state_dict(network.state_dict())
        every, kept = whole([views])[0], network([views])[0]
        drawn_too = network.train()([views])[0]
    assert len(kept) == len(drawn_too) == int(0.4 * len(every))
    assert float(kept.opacities.min()) == float(every.opacities.sort(descending=True).values[len(kept) - 1])
    assert float(drawn_too.opacities.min()) < float(kept.opacities.min())


def test_the_order_of_views_matters_only_to_scans():
    assert_equivariant(drawn(LongLrm(TINY)), random_views(), equivariant=False)
    assert_equivariant(drawn(LongLrm(dataclasses.replace(TINY, blocks="ttt"))), random_views())


@pytest.mark.parametrize("blocks", ["mtm", "mmm", "ttt"])
def test_the_operations_told_are_those_of_pytorch(blocks):
    with torch.device("meta"):
        network = LongLrm(dataclasses.replace(TINY, blocks=blocks, widths=(32, 64)))
    views = on_meta(3, 32, 48)
    assert counted_flops(network, views) == flops_told(network, views)


@pytest.mark.parametrize("name", TABLE)
def test_the_published_comparison(name):
    with torch.device("meta"):
        network = LongLrm(PRESETS[name].config)
    for views, gmac in TABLE[name].items():
        assert flops_told(network, on_meta(views, 256, 256)) / 2e9 == pytest.approx(gmac, rel=0.05)
    wide = {"7m1t": 484, "7m1t-merge": 66}[name]
    assert flops_told(network, on_meta(32, 544, 960)) / 2e12 == pytest.approx(wide, rel=0.05)


def test_what_the_tensors_do_not_tell_lies_beside(shared, tmp_path):
    file = shared / "parity" / "family" / "longlrm_dev.pt"
    (tmp_path / "mine.pt").write_bytes(file.read_bytes())
    (tmp_path / "mine.json").write_text(json.dumps({"head_width": 8, "kept": 1.0, "max_views": 5}))
    loaded = load_model(str(tmp_path / "mine.pt")).model
    assert (loaded.config.head_width, loaded.config.kept, loaded.capabilities.max_views) == (8, 1.0, 5)
    for wrong in ("[]", "{", '{"head_width": "x"}', '{"unheard": 1}'):
        (tmp_path / "mine.json").write_text(wrong)
        with pytest.raises(InputError, match=r"mine\.json"):
            load_model(str(tmp_path / "mine.pt"))


@pytest.mark.parametrize("damage", ["cut", "extra", "missing", "odd", "pickled"])
def test_what_is_not_long_lrm_gets_a_sentence(shared, tmp_path, damage):
    file, path = shared / "parity" / "family" / "longlrm_dev.pt", tmp_path / "broken.pt"
    content = torch.load(file, weights_only=True)
    if damage == "extra":
        content["model"]["decoder.weight"] = torch.zeros(3)
    elif damage == "missing":
        del content["model"]["processor.resize_blocks.0.bias"]
    elif damage == "odd":
        content["model"]["tokenizer.weight"] = torch.zeros(5)
    elif damage == "pickled":
        content["scheduler"] = TINY
    torch.save(content, path)
    if damage == "cut":
        path.write_bytes(file.read_bytes()[:-1000])
    with pytest.raises(InputError, match=r"broken\.pt") as caught:
        load_model(str(path))
    assert "\n" not in str(caught.value)


def their_name(ours: str) -> str:
    for a, b in (
        (r"^global_tokens", "global_token_init"),
        (r"^entry_norm", "input_layernorm"),
        (r"^merges\.(\d+)\.(merge|resize)", r"processor.\2_blocks.\1"),
        (r"^blocks", "processor.blocks"),
        (r"^head\.norm", "tokenDecoder.0"),
        (r"^head\.linear", "tokenDecoder.1"),
    ):
        ours = re.sub(a, b, ours)
    return ours


def write(network: LongLrm, path) -> None:
    torch.save({"model": {their_name(k): v for k, v in network.state_dict().items()}}, path)


@pytest.mark.parametrize(("widths", "merges"), [((16, 16), (1,)), ((16, 32, 32), (1, 2)), ((16, 16, 32), (1, 2))])
def test_merges_are_found_whether_or_not_the_width_changes(tmp_path, widths, merges):
    network = LongLrm(dataclasses.replace(TINY, widths=widths, merges=merges, globals=0, head_width=8))
    write(network, tmp_path / "net.pt")
    (tmp_path / "net.json").write_text(json.dumps({"head_width": 8, "kept": 1.0}))
    loaded = load_model(str(tmp_path / "net.pt")).model
    assert (loaded.config.widths, loaded.config.merges, loaded.config.globals) == (widths, merges, 0)
    views = on_meta(2, 16, 16)
    assert len(loaded.to("meta")([views])[0]) == 2 * 16 * 16


@pytest.mark.parametrize("width", [64, 12])
def test_heads_are_64_wide_or_refused(tmp_path, width):
    write(LongLrm(dataclasses.replace(TINY, blocks="t", widths=(width,), merges=(), head_width=4)), tmp_path / "n.pt")
    if width == 64:
        assert load_model(str(tmp_path / "n.pt")).model.config.head_width == 64
        return
    with pytest.raises(InputError, match="head_width"):
        load_model(str(tmp_path / "n.pt"))
    (tmp_path / "n.json").write_text('{"head_width": 4}')
    assert load_model(str(tmp_path / "n.pt")).model.config.head_width == 4
