"""GS-LRM: every tensor of its MIT reimplementation, the two formats of its weights, and what it promises."""

import dataclasses
import json

import pytest
import torch

from ilrm_cli.geometry.transforms import matrix_from_quaternion
from ilrm_cli.models.checkpoint import load_model
from ilrm_cli.models.gs_lrm.config import PRESETS
from ilrm_cli.models.gs_lrm.model import GsLrm
from ilrm_cli.models.patches import Batch
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

TINY = dataclasses.replace(PRESETS["paper"].config, layers=2, width=32, head_width=16, patch=4)
TINY_FACELIFT = dataclasses.replace(PRESETS["facelift"].config, layers=2, width=32, head_width=16, patch=4)
TABLE = {2: 825, 8: 5772, 32: 62672}  # views -> GMAC at 256x256 px (specification, section 9)


def facelift_names(name: str) -> str:
    """Return the name of a tensor in FaceLift's file."""
    for ours, theirs in (
        ("free_tokens", "gaussian_position_embeddings"),
        ("tokenizer.", "patch_embedder.1."),
        ("entry_norm.", "input_layer_norm."),
        ("free_head.norm", "gaussian_upsampler.layernorm"),
        ("free_head.linear", "gaussian_upsampler.linear"),
        ("head.norm", "pixel_gaussian_decoder.0"),
        ("head.linear", "pixel_gaussian_decoder.1"),
        ("blocks.", "transformer_layers."),
    ):
        if name.startswith(ours):
            name = theirs + name.removeprefix(ours)
            break
    for ours, theirs in (
        (".attn.qkv", ".attn.to_qkv"),
        (".attn.proj", ".attn.fc"),
        (".fc1", ".mlp.0"),
        (".fc2", ".mlp.2"),
    ):
        name = name.replace(ours, theirs)
    return name


@torch.no_grad()
def test_the_reimplementation(shared):
    io, config = reference(shared, "gslrm_scene_dev")
    network = load_model(str(shared / "parity" / "family" / "gslrm_scene_dev.ckpt")).model
    assert (network.config.layers, network.config.patch, network.config.head_width) == (2, config["patch"], 16)
    images = io["image"].float() / 255
    k, size = io["intrinsics_normalised"], torch.tensor([images.shape[-1], images.shape[-2]])
    cameras = cameras_of(io["c2w_opencv"], k[:, [0, 1], [0, 1]] * size, k[:, [0, 1], [2, 2]] * size, images)
    batch = Batch(images, cameras, 1, torch.stack([io["near"], io["far"]], dim=-1))
    tokens = network.embedded(batch)
    assert_near(tokens[0], io["tokens_in"], "tokens_in")
    for number, layer in enumerate(network.layers_for(batch)):
        tokens = layer(tokens)
        assert_near(tokens[0], io[f"tokens_block{number}"], f"tokens_block{number}")
    assert_near(network.head.linear(network.head.norm(tokens[0, :6])), io["head_raw_first_tokens"], "raw")
    ours = network.decoded(tokens, batch)[0]
    theirs = {"means": io["means"], "scales": io["scales"], "opacities": io["opacities"], "harmonics": io["harmonics"]}
    for name, expected in theirs.items():
        assert_near(getattr(ours, name), expected, name)
    assert_near(ours.quaternions.roll(-1, dims=-1), io["rotation_xyzw"], "rotation")
    turn = matrix_from_quaternion(ours.quaternions[:200])
    covariance = turn @ torch.diag_embed(ours.scales[:200].square()) @ turn.mT
    assert_near(covariance, io["covariance_first"], "covariance")


@pytest.mark.parametrize("name", PRESETS)
def test_published_sizes(name):
    with torch.device("meta"):
        network = GsLrm(PRESETS[name].config)
    assert sum(p.numel() for p in network.parameters()) == PRESETS[name].parameters
    assert len(network.state_dict()) == {"paper": 147, "facelift": 151}[name]


def write_facelift(network: GsLrm, path) -> None:
    tensors = {facelift_names(k): v for k, v in network.state_dict().items()}
    tensors["loss_calculator.vgg.0.weight"] = torch.zeros(2)
    torch.save({"model": tensors, "optimizer": {}}, path)


def test_facelifts_format_loads_and_gives_its_free_gaussians(tmp_path):
    network = drawn(GsLrm(TINY_FACELIFT))
    write_facelift(network, tmp_path / "ckpt_1.pt")
    (tmp_path / "ckpt_1.json").write_text(json.dumps({"head_width": 16}))
    loaded = load_model(str(tmp_path / "ckpt_1.pt")).model
    assert loaded.config == dataclasses.replace(TINY_FACELIFT, min_views=6, max_views=6)
    torch.testing.assert_close(loaded.state_dict(), network.state_dict())
    views = random_views()
    with torch.no_grad():
        scene, moved = loaded([views])[0], loaded([dataclasses.replace(views, images=1 - views.images)])[0]
    assert len(scene) == 3 * 32 * 48 + 2
    assert (scene.means[-2:] != moved.means[-2:]).any()
    with torch.no_grad():  # zero logits lie at the point of their ray that is nearest to the origin
        loaded.head.linear.weight.zero_()
        bare = loaded([views])[0]
    origin = views.cameras.positions.repeat_interleave(32 * 48, 0)
    assert ((bare.means[:-2] - origin) * bare.means[:-2]).sum(-1).abs().max() < 1e-5


def test_scales_and_distances_keep_to_their_ranges():
    network = drawn(GsLrm(TINY))
    torch.nn.init.normal_(network.head.linear.weight, std=2)
    views = random_views()
    with torch.no_grad():
        scene = network([views], [(1.5, 4.0)])[0]
    distance = (scene.means - views.cameras.positions.repeat_interleave(32 * 48, 0)).norm(dim=-1)
    assert 1.5 - 1e-4 <= distance.min() < 1.6 < 3.9 < distance.max() <= 4.0 + 1e-4
    assert float(scene.scales.max()) == pytest.approx(0.3)


def test_the_order_of_views_does_not_matter():
    assert_equivariant(drawn(GsLrm(TINY)), random_views())


@pytest.mark.parametrize("config", [TINY, TINY_FACELIFT], ids=["paper", "facelift"])
def test_the_operations_told_are_those_of_pytorch(config):
    views = random_views()
    with torch.device("meta"):
        network = GsLrm(config)
    assert counted_flops(network, on_meta(3, 32, 48)) == flops_told(network, views)


@pytest.mark.parametrize("views", TABLE)
def test_the_published_comparison(views):
    with torch.device("meta"):
        network = GsLrm(PRESETS["paper"].config)
    assert flops_told(network, on_meta(views, 256, 256)) / 2e9 == pytest.approx(TABLE[views], rel=0.01)


@pytest.mark.parametrize("damage", ["foreign", "extra", "missing", "flat", "pickled"])
def test_what_is_not_gs_lrm_gets_a_sentence(tmp_path, damage):
    path = tmp_path / "broken.pt"
    write_facelift(GsLrm(TINY_FACELIFT), path)
    content = torch.load(path, weights_only=True)
    if damage == "foreign":
        content["model"] = {"patch_embedder.1.weight": torch.zeros(3)}
    elif damage == "extra":
        content["model"]["decoder.weight"] = torch.zeros(3)
    elif damage == "flat":
        content["model"]["gaussian_position_embeddings"] = torch.tensor(1.0)
    elif damage == "missing":
        del content["model"]["transformer_layers.1.attn.fc.weight"]
    else:
        content["config"] = TINY
    torch.save(content, path)
    with pytest.raises(InputError, match=r"broken\.pt") as caught:
        load_model(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("width", "guessed"), [(64, 64), (48, 16), (32, 16)])
def test_heads_are_guessed_where_nothing_tells_them(tmp_path, width, guessed):
    write_facelift(GsLrm(dataclasses.replace(TINY_FACELIFT, layers=1, width=width)), tmp_path / "net.pt")
    assert load_model(str(tmp_path / "net.pt")).model.config.head_width == guessed
    (tmp_path / "net.json").write_text('{"head_width": 8}')
    assert load_model(str(tmp_path / "net.pt")).model.config.head_width == 8
