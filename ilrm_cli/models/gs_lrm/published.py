"""The two formats of GS-LRM weights, under our names: the MIT reimplementation's, and FaceLift's."""

import dataclasses
from pathlib import Path
from typing import Any

from torch import Tensor

from ilrm_cli.models.gs_lrm.config import PRESETS, GsLrmConfig
from ilrm_cli.models.released import inferred, read_checkpoint, renamed, tensors_in, told_beside, usual_head_width
from ilrm_cli.runtime.errors import InputError, first_line

KIND = "GS-LRM"
MIT_PREFIX = "encoder."  # of every tensor of the network in a Lightning checkpoint; others belong to losses
MIT_HEAD_WIDTH = 16  # of its own configuration; the tensors do not tell
IGNORED = "loss_calculator."  # of FaceLift's: belongs to its losses

# Published tensor name -> ours, first match wins.
MIT_RENAMES = (
    (r"tokenizer\.0\.weight", "tokenizer.weight"),
    (r"attn_processor\.(blocks\.\d+\..+)", r"\1"),
    (r"token_decoder\.0\.weight", "head.norm.weight"),
    (r"token_decoder\.1\.weight", "head.linear.weight"),
)
FACELIFT_RENAMES = (
    (r"gaussian_position_embeddings", "free_tokens"),
    (r"patch_embedder\.1\.weight", "tokenizer.weight"),
    (r"input_layer_norm\.weight", "entry_norm.weight"),
    (r"transformer_layers\.(\d+)\.attn\.to_qkv\.weight", r"blocks.\1.attn.qkv.weight"),
    (r"transformer_layers\.(\d+)\.attn\.fc\.weight", r"blocks.\1.attn.proj.weight"),
    (r"transformer_layers\.(\d+)\.mlp\.mlp\.0\.weight", r"blocks.\1.mlp.fc1.weight"),
    (r"transformer_layers\.(\d+)\.mlp\.mlp\.2\.weight", r"blocks.\1.mlp.fc2.weight"),
    (r"transformer_layers\.(\d+)\.(norm[12])\.weight", r"blocks.\1.\2.weight"),
    (r"gaussian_upsampler\.layernorm\.weight", "free_head.norm.weight"),
    (r"gaussian_upsampler\.linear\.weight", "free_head.linear.weight"),
    (r"pixel_gaussian_decoder\.0\.weight", "head.norm.weight"),
    (r"pixel_gaussian_decoder\.1\.weight", "head.linear.weight"),
)


def recognises(names: frozenset[str]) -> bool:
    """Return whether these are tensors of either format."""
    return f"{MIT_PREFIX}tokenizer.0.weight" in names or "patch_embedder.1.weight" in names


def load_published(path: Path) -> tuple[GsLrmConfig, dict[str, Tensor]]:
    """Load configuration and tensors, under our names; sizes are inferred from the tensors' shapes.

    No tensor tells `head_width`: a `.json` beside the file may. Raises InputError for a file of neither format.
    """
    content = read_checkpoint(path, mapped=True)
    if "state_dict" in content:
        tensors = tensors_in(content, "state_dict")
        own = {k.removeprefix(MIT_PREFIX): v for k, v in tensors.items() if k.startswith(MIT_PREFIX)}
        state = renamed(path, KIND, own, MIT_RENAMES)
        return _config_of(path, PRESETS["paper"].config, state, head_width=MIT_HEAD_WIDTH, xyzw=True), state
    own = {k: v for k, v in tensors_in(content, "model").items() if not k.startswith(IGNORED)}
    state = renamed(path, KIND, own, FACELIFT_RENAMES)
    if "free_tokens" in state and state["free_tokens"].dim() > 1:  # [1, tokens, dim] or [tokens, dim]
        state["free_tokens"] = state["free_tokens"].flatten(0, -2)
    return _config_of(path, PRESETS["facelift"].config, state), state


def _config_of(
    path: Path, like: GsLrmConfig, state: dict[str, Tensor], head_width: int | None = None, xyzw: bool = False
) -> GsLrmConfig:
    """Infer the sizes; everything that tensors do not tell is that of `like`."""
    try:
        width, inputs = state["tokenizer.weight"].shape
        patch = round((inputs / (3 * len(like.channels))) ** 0.5)
        harmonics = state["head.linear.weight"].shape[0] / patch**2 - _CHANNELS_BESIDES[like.head.depth]
        sizes: dict[str, Any] = {
            "layers": 1 + max(int(k.split(".")[1]) for k in state if k.startswith("blocks.")),
            "width": width,
            "mlp_ratio": state["blocks.0.mlp.fc1.weight"].shape[0] // width,
            "patch": patch,
            "free": len(state["free_tokens"]) if "free_tokens" in state else 0,
        }
        if "head_width" not in told_beside(path):
            sizes["head_width"] = head_width if head_width and width % head_width == 0 else usual_head_width(width)
        head = {"degree": round((harmonics / 3) ** 0.5) - 1, "rotation": "world xyzw" if xyzw else "world"}
    except (LookupError, ValueError, ArithmeticError, TypeError) as error:
        raise InputError(f"{path}: not a {KIND} checkpoint (no usable {first_line(error)}).") from error
    whole = dataclasses.asdict(like)
    return inferred(path, KIND, GsLrmConfig, whole | sizes | {"head": whole["head"] | head})


_CHANNELS_BESIDES = {"between": 9, "centred": 11}  # of the head, besides its harmonics
