"""The format in which TripoSR was published: a plain state dict, and a `config.yaml` beside it; under our names."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from ilrm_cli.models.lrm.config import TripoSrConfig, VitConfig
from ilrm_cli.models.released import config_beside, read_checkpoint, renamed, require_config
from ilrm_cli.runtime.errors import InputError, first_line
from ilrm_cli.runtime.json_values import fitted

CONFIG_FILE = "config.yaml"
MOST_CONFIG_BYTES = 100_000
PUBLISHED_PLANES = (3, 1024, 32, 32)  # of the one that needs no file beside it
DENSITY_BIAS, SAMPLES = -1.0, 128  # where the file leaves them out
VIT_HEAD = 64  # channels of an attention head of the ViT, which neither file tells

# Published tensor name -> ours, first match wins.
VIT_RENAMES = (
    (r"embeddings\.cls_token", "cls_token"),
    (r"embeddings\.position_embeddings", "positions"),
    (r"embeddings\.patch_embeddings\.projection\.(.+)", r"patches.\1"),
    (r"encoder\.layer\.(\d+)\.layernorm_before\.(.+)", r"blocks.\1.norm1.\2"),
    (r"encoder\.layer\.(\d+)\.layernorm_after\.(.+)", r"blocks.\1.norm2.\2"),
    (r"encoder\.layer\.(\d+)\.attention\.attention\.(q|k|v)(?:uery|ey|alue)\.(.+)", r"blocks.\1.attention.\2.\3"),
    (r"encoder\.layer\.(\d+)\.attention\.output\.dense\.(.+)", r"blocks.\1.attention.out.\2"),
    (r"encoder\.layer\.(\d+)\.intermediate\.dense\.(.+)", r"blocks.\1.fc1.\2"),
    (r"encoder\.layer\.(\d+)\.output\.dense\.(.+)", r"blocks.\1.fc2.\2"),
    (r"layernorm\.(.+)", r"norm.\1"),
    (r"pooler\.dense\.(.+)", r"pooler.\1"),
)
RENAMES = (
    *((r"image_tokenizer\.model\." + theirs, "vit." + ours) for theirs, ours in VIT_RENAMES),
    (r"tokenizer\.embeddings", "planes"),
    (r"backbone\.(norm|proj_in|proj_out)\.(.+)", r"\1.\2"),
    (r"backbone\.transformer_blocks\.(\d+)\.(norm\d)\.(.+)", r"blocks.\1.\2.\3"),
    (r"backbone\.transformer_blocks\.(\d+)\.attn1\.to_(q|k|v|out)(?:\.0)?\.(.+)", r"blocks.\1.own.\2.\3"),
    (r"backbone\.transformer_blocks\.(\d+)\.attn2\.to_(q|k|v|out)(?:\.0)?\.(.+)", r"blocks.\1.cross.\2.\3"),
    (r"backbone\.transformer_blocks\.(\d+)\.ff\.net\.0\.proj\.(.+)", r"blocks.\1.fc1.\2"),
    (r"backbone\.transformer_blocks\.(\d+)\.ff\.net\.2\.(.+)", r"blocks.\1.fc2.\2"),
    (r"post_processor\.upsample\.(.+)", r"upsample.\1"),
    (r"(decoder\.layers\..+)", r"\1"),
)


def load_triposr(path: Path, vit_heads: int | None = None) -> tuple[TripoSrConfig, dict[str, Tensor]]:
    """Load configuration and tensors, under our names, of `model.ckpt` with its `config.yaml`.

    `vit_heads` is in neither file; None: as of a ViT whose heads have 64 channels. The published sizes need no
    `config.yaml`. Raises InputError for anything else.
    """
    state = renamed(path, "TripoSR", plain_tensors(path), RENAMES)
    try:
        published = state["planes"].shape == PUBLISHED_PLANES and not config_beside(path, CONFIG_FILE)
        config = TripoSrConfig() if published else _config_of(_options(path), state, vit_heads)
        state["planes"] = state["planes"].reshape(3, config.width, config.plane_size, config.plane_size)
        return config, state
    except InputError:
        raise
    except (LookupError, ValueError, ArithmeticError, TypeError, RuntimeError, AttributeError) as error:
        raise InputError(f"{path}: not a TripoSR checkpoint (no usable {first_line(error)}).") from error


def is_triposr(names: frozenset[str]) -> bool:
    """Return whether tensors of these names are of this format."""
    return {"tokenizer.embeddings", "backbone.proj_in.weight"} <= names


def plain_tensors(path: Path) -> dict[str, Tensor]:
    """Load a state dict that is nothing but tensors. Raises InputError for anything else."""
    content = read_checkpoint(path)
    if not (content and all(isinstance(value, Tensor) for value in content.values())):
        raise InputError(f"{path}: not a plain checkpoint (something in it is no tensor); see --model.")
    return {str(name): tensor for name, tensor in content.items()}


def _options(weights: Path) -> Mapping[str, Any]:
    import yaml

    path = require_config(weights, CONFIG_FILE)
    try:
        text = path.read_text(encoding="utf-8")
        options = yaml.safe_load(text) if len(text) <= MOST_CONFIG_BYTES else None
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as YAML; it is damaged or another file.") from error
    if not isinstance(options, dict):
        raise InputError(f"{path}: not the configuration of a TripoSR (no keys with values).")
    return options


def _config_of(options: Mapping[str, Any], state: Mapping[str, Tensor], vit_heads: int | None) -> TripoSrConfig:
    """Return the configuration that the YAML states, with the ViT's sizes as its tensors tell."""
    patches = state["vit.patches.weight"]
    width = patches.shape[0]
    vit = VitConfig(
        width=width,
        layers=1 + max(int(name.split(".")[2]) for name in state if name.startswith("vit.blocks.")),
        heads=vit_heads or max(1, width // VIT_HEAD),
        mlp_width=state["vit.blocks.0.fc1.weight"].shape[0],
        patch=patches.shape[-1],
        grid=round((state["vit.positions"].shape[1] - 1) ** 0.5),
        pooler="vit.pooler.weight" in state,
    )
    backbone, decoder, renderer = options["backbone"], options["decoder"], options["renderer"]
    known = (
        ("density_activation", ("trunc_exp", "exp")),  # the same, but for gradients
        ("color_activation", ("sigmoid",)),
        ("feature_reduction", ("concat",)),
    )
    for key, usable in known:
        if renderer.get(key, usable[0]) not in usable:
            raise ValueError(f"{key}: {renderer[key]!r} is not known here, only {' and '.join(usable)}")
    found = {
        "vit": vars(vit),
        "image_px": options["cond_image_size"],
        "plane_size": options["tokenizer"]["plane_size"],
        "width": options["tokenizer"]["num_channels"],
        "heads": backbone["num_attention_heads"],
        "head_width": backbone["attention_head_dim"],
        "layers": backbone["num_layers"],
        "plane_channels": options["post_processor"]["out_channels"],
        "decoder_width": decoder["n_neurons"],
        "decoder_layers": decoder["n_hidden_layers"],
        "activation": decoder.get("activation", "relu"),  # where they leave it out, it is this
        "radius": renderer["radius"],
        "density_bias": renderer.get("density_bias", DENSITY_BIAS),
        "samples": renderer.get("num_samples_per_ray", SAMPLES),
    }
    return fitted(found, TripoSrConfig)
