"""The format in which OpenLRM v1.1 was published: safetensors, and a `config.json` beside them; under our names."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from ilrm_cli.models.lrm.config import OpenLrmConfig
from ilrm_cli.models.released import renamed, require_config
from ilrm_cli.runtime.errors import InputError, first_line
from ilrm_cli.runtime.json_values import fitted, read_json

CONFIG_FILE = "config.json"
VIT_HEAD = 64  # channels of an attention head of DINOv2, which neither file tells
IMAGE_PX = {512: 224, 768: 336, 1024: 448}  # width of the published decoders -> the photos that they were trained on
PATCHES = 16  # per side of a photo, of others

# Published tensor name -> ours, first match wins, once fused projections are parted.
RENAMES = (
    (r"encoder\.model\.pos_embed", "vit.positions"),
    (r"encoder\.model\.register_tokens", "vit.registers"),
    (r"encoder\.model\.cls_token", "vit.cls_token"),
    (r"encoder\.model\.patch_embed\.proj\.(.+)", r"vit.patches.\1"),
    (r"encoder\.model\.norm\.(.+)", r"vit.norm.\1"),
    (r"encoder\.model\.blocks\.(\d+)\.ls(\d)\.gamma", r"vit.blocks.\1.scale\2"),
    (r"encoder\.model\.blocks\.(\d+)\.attn\.(q|k|v)\.(.+)", r"vit.blocks.\1.attention.\2.\3"),
    (r"encoder\.model\.blocks\.(\d+)\.attn\.proj\.(.+)", r"vit.blocks.\1.attention.out.\2"),
    (r"encoder\.model\.blocks\.(\d+)\.mlp\.(.+)", r"vit.blocks.\1.\2"),
    (r"encoder\.model\.blocks\.(\d+)\.(norm\d\..+)", r"vit.blocks.\1.\2"),
    (r"camera_embedder\.mlp\.(.+)", r"camera.\1"),
    (r"pos_embed", "tokens"),
    (r"transformer\.norm\.(.+)", r"norm.\1"),
    (r"transformer\.layers\.(\d+)\.(norm\d)\.norm\.(.+)", r"blocks.\1.\2.norm.\3"),
    (r"transformer\.layers\.(\d+)\.(norm\d)\.mlp\.1\.(.+)", r"blocks.\1.\2.linear.\3"),
    (r"transformer\.layers\.(\d+)\.cross_attn\.(q|k|v)_proj_weight", r"blocks.\1.cross.\2.weight"),
    (r"transformer\.layers\.(\d+)\.self_attn\.(q|k|v)_proj_weight", r"blocks.\1.own.\2.weight"),
    (r"transformer\.layers\.(\d+)\.cross_attn\.out_proj\.(.+)", r"blocks.\1.cross.out.\2"),
    (r"transformer\.layers\.(\d+)\.self_attn\.out_proj\.(.+)", r"blocks.\1.own.out.\2"),
    (r"transformer\.layers\.(\d+)\.mlp\.0\.(.+)", r"blocks.\1.fc1.\2"),
    (r"transformer\.layers\.(\d+)\.mlp\.3\.(.+)", r"blocks.\1.fc2.\2"),
    (r"upsampler\.(.+)", r"upsample.\1"),
    (r"synthesizer\.decoder\.net\.(.+)", r"decoder.\1"),
)


def load_openlrm(
    path: Path, vit_heads: int | None = None, image_px: int | None = None
) -> tuple[OpenLrmConfig, dict[str, Tensor]]:
    """Load configuration and tensors, under our names, of `model.safetensors` with its `config.json`.

    `vit_heads` and `image_px` are in neither file; None: as of the published ones. Raises InputError for anything else.
    """
    options_file = require_config(path, CONFIG_FILE)
    try:
        options = read_json(options_file)
    except ValueError as error:
        raise InputError(f"{options_file}: {error}; it is damaged or another file.") from error
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError, ValueError, LookupError, TypeError, RuntimeError, MemoryError) as error:
        raise InputError(f"{path}: cannot be read as safetensors; it is damaged, cut short or another file.") from error
    encoder = options.get("encoder_model_name", "_reg") if isinstance(options, dict) else "_reg"
    if not str(encoder).endswith("_reg"):
        raise InputError(f"{path}: its encoder is {encoder}; only OpenLRM with registers (dinov2_*_reg) can be read.")
    state = renamed(path, "OpenLRM", dict(_parted(tensors)), RENAMES)
    try:
        return _config_of(options, state, vit_heads, image_px), state
    except (LookupError, ValueError, ArithmeticError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: not an OpenLRM checkpoint (no usable {first_line(error)}).") from error


def is_openlrm(names: frozenset[str]) -> bool:
    """Return whether tensors of these names are of this format."""
    return {"synthesizer.decoder.net.0.weight", "camera_embedder.mlp.0.weight"} <= names


def _parted(tensors: Mapping[str, Tensor]) -> list[tuple[str, Tensor]]:
    """Return the tensors with fused projections of queries, keys and values parted."""
    parted = []
    for name, tensor in tensors.items():
        if name.endswith(".in_proj_weight"):
            names = [name.replace(".in_proj_weight", f".{part}_proj_weight") for part in "qkv"]
            parted += list(zip(names, tensor.chunk(3), strict=True))
        elif ".attn.qkv." in name:
            names = [name.replace(".qkv.", f".{part}.") for part in "qkv"]
            parted += list(zip(names, tensor.chunk(3), strict=True))
        else:
            parted.append((name, tensor))
    return parted


def _config_of(
    options: Mapping[str, Any], state: Mapping[str, Tensor], vit_heads: int | None, image_px: int | None
) -> OpenLrmConfig:
    patches, width = state["vit.patches.weight"], options["transformer_dim"]
    patch, encoder_width = patches.shape[-1], patches.shape[0]
    vit = {
        "width": encoder_width,
        "layers": 1 + max(int(name.split(".")[2]) for name in state if name.startswith("vit.blocks.")),
        "heads": vit_heads or max(1, encoder_width // VIT_HEAD),
        "mlp_width": state["vit.blocks.0.fc1.weight"].shape[0],
        "patch": patch,
        "grid": round((state["vit.positions"].shape[1] - 1) ** 0.5),
        "norm_eps": 1e-6,
        "registers": state["vit.registers"].shape[1],
        "layer_scale": True,
        "antialias": True,
        "pooler": False,
    }
    found = {
        "vit": vit,
        "image_px": image_px or IMAGE_PX.get(width, PATCHES * patch),
        "camera_width": options["camera_embed_dim"],
        "plane_size": options["triplane_low_res"],
        "width": width,
        "heads": options["transformer_heads"],
        "layers": options["transformer_layers"],
        "plane_channels": options["triplane_dim"],
        "samples": options["rendering_samples_per_ray"],
    }
    return fitted(found, OpenLrmConfig)
