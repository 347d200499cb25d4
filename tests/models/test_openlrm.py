"""OpenLRM without reference data: sizes, both layouts of its files, and what the camera does."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from ilrm_cli.models.base import Pass
from ilrm_cli.models.checkpoint import load_model
from ilrm_cli.models.lrm.config import OpenLrmConfig, VitConfig
from ilrm_cli.models.lrm.openlrm import ARCHITECTURE, ModLN, OpenLrm, OpenLrmField, camera_numbers
from ilrm_cli.models.lrm.published_openlrm import load_openlrm
from ilrm_cli.runtime.errors import InputError

# The published ones: width and heads of the encoder, the rest, and parameters.
LARGE = OpenLrmConfig(width=1024, heads=16, layers=16, plane_channels=80, image_px=448, samples=128)
SIZES = {
    "small": (384, 6, OpenLrmConfig(width=512, heads=8, plane_channels=32, image_px=224), 111_390_948),
    "base": (768, 12, OpenLrmConfig(), 260_201_972),
    "large": (768, 12, LARGE, 452_138_004),
}
OUR_VIT = {"grid": 3, "patch": 14, "norm_eps": 1e-6, "registers": 2, "layer_scale": True, "antialias": True}
OPTIONS = {
    "camera_embed_dim": 12, "rendering_samples_per_ray": 8, "transformer_dim": 16, "transformer_layers": 2,
    "transformer_heads": 2, "triplane_low_res": 4, "triplane_high_res": 8, "triplane_dim": 4, "encoder_feat_dim": 16,
}  # fmt: skip


def sized(width: int, heads: int, config: OpenLrmConfig) -> OpenLrmConfig:
    vit = VitConfig(width, 12, heads, 4 * width, 14, 37, 1e-6, 4, True, True, False)
    return replace(config, vit=vit)


@pytest.mark.parametrize("size", SIZES)
def test_the_published_sizes(size):
    width, heads, config, parameters = SIZES[size]
    with torch.device("meta"):
        model = OpenLrm(sized(width, heads, config))
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters
    cost = ARCHITECTURE.cost(model.config, Pass(1, 224, 224))
    assert cost.weights_bytes == pytest.approx(4 * parameters, rel=0.02)


def tiny() -> OpenLrm:
    torch.manual_seed(0)
    vit = VitConfig(width=16, layers=1, heads=2, mlp_width=32, pooler=False, **OUR_VIT)
    config = OpenLrmConfig(vit, 28, 12, plane_size=4, width=16, heads=2, layers=2, plane_channels=4, samples=8)
    return OpenLrm(config).eval().requires_grad_(False)


def publish(model: OpenLrm, folder, fused: bool) -> None:
    """Write the weights as the authors do, with fused cross attention as in their base model, or without."""
    theirs = (
        (r"vit\.blocks\.(\d+)\.attention\.out\.", r"encoder.model.blocks.\1.attn.proj."),
        (r"vit\.blocks\.(\d+)\.attention\.(q|k|v)\.", r"encoder.model.blocks.\1.attn.\2."),
        (r"vit\.blocks\.(\d+)\.scale(\d)$", r"encoder.model.blocks.\1.ls\2.gamma"),
        (r"vit\.blocks\.(\d+)\.fc", r"encoder.model.blocks.\1.mlp.fc"),
        (r"vit\.positions", "encoder.model.pos_embed"),
        (r"vit\.registers", "encoder.model.register_tokens"),
        (r"vit\.patches\.", "encoder.model.patch_embed.proj."),
        (r"vit\.", "encoder.model."),
        (r"camera\.", "camera_embedder.mlp."),
        (r"tokens", "pos_embed"),
        (r"norm\.", "transformer.norm."),
        (r"upsample\.", "upsampler."),
        (r"decoder\.", "synthesizer.decoder.net."),
        (r"blocks\.(\d+)\.(norm\d)\.linear\.", r"transformer.layers.\1.\2.mlp.1."),
        (r"blocks\.(\d+)\.cross\.out\.", r"transformer.layers.\1.cross_attn.out_proj."),
        (r"blocks\.(\d+)\.own\.out\.", r"transformer.layers.\1.self_attn.out_proj."),
        (r"blocks\.(\d+)\.cross\.(q|k|v)\.weight", r"transformer.layers.\1.cross_attn.\2_proj_weight"),
        (r"blocks\.(\d+)\.own\.(q|k|v)\.weight", r"transformer.layers.\1.self_attn.\2_proj_weight"),
        (r"blocks\.(\d+)\.fc1\.", r"transformer.layers.\1.mlp.0."),
        (r"blocks\.(\d+)\.fc2\.", r"transformer.layers.\1.mlp.3."),
        (r"blocks\.", "transformer.layers."),
    )
    named = {}
    for ours, tensor in model.state_dict().items():
        pattern, template = next(pair for pair in theirs if re.match(pair[0], ours))
        named[re.sub(f"^{pattern}", template, ours)] = tensor.clone()
    joined: dict[str, torch.Tensor] = {}
    for name, tensor in named.items():
        if match := re.fullmatch(r"(.+\.attn)\.(q|k|v)\.(weight|bias)", name):
            if match[2] == "q":
                joined[f"{match[1]}.qkv.{match[3]}"] = torch.cat([named[f"{match[1]}.{c}.{match[3]}"] for c in "qkv"])
        elif (match := re.fullmatch(r"(.+\.(self|cross)_attn)\.(q|k|v)_proj_weight", name)) and (
            fused or match[2] == "self"
        ):
            if match[3] == "q":
                joined[f"{match[1]}.in_proj_weight"] = torch.cat([named[f"{match[1]}.{c}_proj_weight"] for c in "qkv"])
        else:
            joined[name] = tensor
    save_file(joined, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(OPTIONS))


@pytest.mark.parametrize("fused", [False, True])
@torch.no_grad()
def test_both_layouts_of_cross_attention_make_the_same_network(tmp_path, fused):
    model = tiny()
    publish(model, tmp_path, fused)
    config, state = load_openlrm(tmp_path / "model.safetensors", vit_heads=2, image_px=28)
    assert config == model.config
    again = OpenLrm(config).eval()
    again.load_state_dict(state)
    image, camera = torch.rand(1, 3, 28, 28), torch.rand(1, 16)
    assert torch.equal(again.triplane(image, camera), model.triplane(image, camera))
    loaded = load_model(str(tmp_path / "model.safetensors"))
    assert not loaded.model.capabilities.needs_poses


def test_damaged_files_are_refused_in_one_sentence(tmp_path):
    publish(tiny(), tmp_path, fused=False)
    weights, options = tmp_path / "model.safetensors", tmp_path / "config.json"
    content = options.read_text()
    for damaged, sentence in (
        ("{", "damaged or another"),
        ("[]", "no usable"),
        ('{"transformer_dim": 16}', "no usable"),
    ):
        options.write_text(damaged)
        with pytest.raises(InputError, match=sentence):
            load_openlrm(weights)
    options.write_text(content)
    save_file({"other": torch.ones(1)}, weights)
    with pytest.raises(InputError, match="unexpected tensor 'other'"):
        load_openlrm(weights)
    weights.write_bytes(b"nothing")
    with pytest.raises(InputError, match="cannot be read as safetensors"):
        load_openlrm(weights)
    options.unlink()
    with pytest.raises(InputError, match=r"config\.json is missing"):
        load_openlrm(weights)


def test_a_modulated_norm_without_weights_is_a_norm():
    norm = ModLN(8, 5)
    torch.nn.init.zeros_(norm.linear.weight)
    torch.nn.init.zeros_(norm.linear.bias)
    tokens = torch.randn(2, 3, 8)
    assert torch.equal(norm(tokens, torch.randn(2, 5)), norm.norm(tokens))


@torch.no_grad()
def test_the_camera_changes_the_shape():
    model, image = tiny(), torch.rand(1, 3, 28, 28)
    view = model.view_of(np.full((30, 30, 4), 255, np.uint8))
    numbers = camera_numbers(view.cameras)
    assert numbers[0].tolist() == pytest.approx([1, 0, 0, 0, 0, 0, -1, -2, 0, 1, 0, 0, 0.75, 0.75, 0.5, 0.5], abs=1e-6)
    assert view.images[0, :, 0, 0].tolist() == [1, 1, 1]
    first, second = (model.triplane(image, camera) for camera in (numbers, numbers + 0.5))
    assert not torch.allclose(first, second)


def test_what_no_file_of_theirs_tells_lies_beside(tmp_path):
    model = tiny()
    publish(model, tmp_path, False)
    (tmp_path / "model.json").write_text('{"vit": {"heads": 2}, "image_px": 28}')
    assert load_model(str(tmp_path / "model.safetensors")).model.config == model.config


def test_an_encoder_without_registers_gets_a_sentence(tmp_path):
    publish(tiny(), tmp_path, False)
    (tmp_path / "config.json").write_text(json.dumps(OPTIONS | {"encoder_model_name": "dinov2_vitb14"}))
    with pytest.raises(InputError, match=r"encoder is dinov2_vitb14; only"):
        load_openlrm(tmp_path / "model.safetensors")


def test_of_odd_samples_one_is_left_out():
    model = OpenLrm(replace(tiny().config, samples=9))
    marching = OpenLrmField(torch.zeros(3, 4, 8, 8), model.decoder, 9).marching
    assert (marching.samples, marching.importance) == (4, 4)
