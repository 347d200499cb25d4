"""A tiny TripoSR with random weights, and its files as the authors' are."""

import re
from pathlib import Path
from typing import Any

import torch
import yaml

from ilrm_cli.models.lrm.config import TripoSrConfig, VitConfig
from ilrm_cli.models.lrm.triposr import TripoSr

CONFIG = TripoSrConfig(
    vit=VitConfig(width=16, layers=1, heads=2, mlp_width=32, grid=3),
    image_px=32,
    plane_size=4,
    width=32,
    heads=2,
    head_width=8,
    layers=1,
    plane_channels=4,
    decoder_width=8,
    decoder_layers=2,
    samples=16,
)
SOLID_BIAS = 4.0  # of the raw density: about half of the box is solid
THEIRS = (  # our names -> theirs
    (r"vit\.blocks\.(\d+)\.attention\.q\.", r"image_tokenizer.model.encoder.layer.\1.attention.attention.query."),
    (r"vit\.blocks\.(\d+)\.attention\.k\.", r"image_tokenizer.model.encoder.layer.\1.attention.attention.key."),
    (r"vit\.blocks\.(\d+)\.attention\.v\.", r"image_tokenizer.model.encoder.layer.\1.attention.attention.value."),
    (r"vit\.blocks\.(\d+)\.attention\.out\.", r"image_tokenizer.model.encoder.layer.\1.attention.output.dense."),
    (r"vit\.blocks\.(\d+)\.norm1\.", r"image_tokenizer.model.encoder.layer.\1.layernorm_before."),
    (r"vit\.blocks\.(\d+)\.norm2\.", r"image_tokenizer.model.encoder.layer.\1.layernorm_after."),
    (r"vit\.blocks\.(\d+)\.fc1\.", r"image_tokenizer.model.encoder.layer.\1.intermediate.dense."),
    (r"vit\.blocks\.(\d+)\.fc2\.", r"image_tokenizer.model.encoder.layer.\1.output.dense."),
    (r"vit\.norm\.", r"image_tokenizer.model.layernorm."),
    (r"vit\.pooler\.", r"image_tokenizer.model.pooler.dense."),
    (r"vit\.patches\.", r"image_tokenizer.model.embeddings.patch_embeddings.projection."),
    (r"vit\.positions", r"image_tokenizer.model.embeddings.position_embeddings"),
    (r"vit\.cls_token", r"image_tokenizer.model.embeddings.cls_token"),
    (r"planes", "tokenizer.embeddings"),
    (r"(norm|proj_in|proj_out)\.", r"backbone.\1."),
    (r"blocks\.(\d+)\.own\.(q|k|v)\.", r"backbone.transformer_blocks.\1.attn1.to_\2."),
    (r"blocks\.(\d+)\.own\.out\.", r"backbone.transformer_blocks.\1.attn1.to_out.0."),
    (r"blocks\.(\d+)\.cross\.(q|k|v)\.", r"backbone.transformer_blocks.\1.attn2.to_\2."),
    (r"blocks\.(\d+)\.cross\.out\.", r"backbone.transformer_blocks.\1.attn2.to_out.0."),
    (r"blocks\.(\d+)\.fc1\.", r"backbone.transformer_blocks.\1.ff.net.0.proj."),
    (r"blocks\.(\d+)\.fc2\.", r"backbone.transformer_blocks.\1.ff.net.2."),
    (r"blocks\.(\d+)\.norm", r"backbone.transformer_blocks.\1.norm"),
    (r"upsample\.", "post_processor.upsample."),
)


def small_triposr(seed: int = 0) -> TripoSr:
    """Return one whose field has something solid."""
    torch.manual_seed(seed)
    model = TripoSr(CONFIG).eval()
    with torch.no_grad():
        model.planes.normal_()
        model.upsample.weight.mul_(4)
        for layer in model.decoder.layers[::2]:
            layer.weight.mul_(2)
        model.decoder.layers[-1].bias[0] = SOLID_BIAS
    return model.requires_grad_(False)


def publish(model: TripoSr, path: Path) -> dict[str, Any]:
    """Write the weights to `path` and their `config.yaml` beside it, as the authors do; return the configuration."""
    torch.save({their_name(name): tensor.clone() for name, tensor in model.state_dict().items()}, path)
    config = model.config
    options = {
        "cond_image_size": config.image_px,
        "tokenizer": {"plane_size": config.plane_size, "num_channels": config.width},
        "backbone": {
            "num_attention_heads": config.heads,
            "attention_head_dim": config.head_width,
            "num_layers": config.layers,
        },
        "post_processor": {"out_channels": config.plane_channels},
        "decoder": {"n_neurons": config.decoder_width, "n_hidden_layers": config.decoder_layers, "activation": "silu"},
        "renderer": {
            "radius": config.radius,
            "density_bias": config.density_bias,
            "num_samples_per_ray": config.samples,
        },
    }
    path.with_name("config.yaml").write_text(yaml.safe_dump(options))
    return options


def their_name(ours: str) -> str:
    if ours.startswith("decoder."):
        return ours
    for pattern, template in THEIRS:
        if match := re.match(pattern, ours):
            return match.expand(template) + ours[match.end() :]
    raise AssertionError(ours)
