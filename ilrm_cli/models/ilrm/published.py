"""The two formats of weights that the authors of iLRM published, under our names."""

import dataclasses
import re
from pathlib import Path

import torch
from torch import Tensor

from ilrm_cli.models.ilrm.config import PRESETS, IlrmConfig
from ilrm_cli.runtime.errors import InputError, first_line
from ilrm_cli.runtime.json_values import fitted

LIGHTNING_PREFIX = "encoder.scaler."  # of every tensor in `re10k_2view.ckpt`

# Published tensor name -> ours, first match wins; block 2N is the cross half of layer N, block 2N + 1 its self half.
RENAMES = (
    (r"(?:input_tokenizer|viewpoint_tokenizer\.1)\.weight", "viewpoint_tokenizer.linear.weight"),
    (r"(?:input_layernorm|viewpoint_tokenizer\.2)\.weight", "viewpoint_tokenizer.norm.weight"),
    (r"(?:support_tokenizer|image_tokenizer\.1)\.weight", "image_tokenizer.linear.weight"),
    (r"(?:support_layernorm|image_tokenizer\.2)\.weight", "image_tokenizer.norm.weight"),
    (r"(?:viewpoint_)?token_decoder\.0\.weight", "head.norm.weight"),
    (r"(?:viewpoint_)?token_decoder\.1\.weight", "head.linear.weight"),
    (r"processor\.blocks\.(\d+)\.read_cross\.(.+)", "layers.{layer}.cross.{rest}"),
    (r"processor\.blocks\.(\d+)\.read_ff\.(.+)", "layers.{layer}.cross_mlp.{rest}"),
    (r"processor\.blocks\.(\d+)\.attn\.(.+)", "layers.{layer}.self_attention.{rest}"),
    (r"processor\.blocks\.(\d+)\.mlp\.(.+)", "layers.{layer}.self_mlp.{rest}"),
)


def load_published(path: Path) -> tuple[IlrmConfig, dict[str, Tensor]]:
    """Load configuration and tensors, under our names, of `re10k_2view.ckpt` or `ilrm_undistort_dl3dv*.pt`.

    The configuration is inferred from the tensors' shapes, so that models of other sizes in these formats load too.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises a different type for every kind of damage
        raise InputError(f"{path}: cannot be read as a checkpoint; it is damaged or another file.") from error
    content = content if isinstance(content, dict) else {}
    preset = PRESETS["re10k" if "state_dict" in content else "dl3dv"].config
    tensors = content.get("state_dict", content.get("model"))
    if not (isinstance(tensors, dict) and all(isinstance(v, Tensor) for v in tensors.values())):
        raise InputError(f"{path}: not an iLRM checkpoint (no tensors under 'state_dict' or 'model'); see --model.")
    prefix = LIGHTNING_PREFIX if "state_dict" in content else ""
    named = {str(k).removeprefix(prefix): v for k, v in tensors.items() if str(k).startswith(prefix)}
    state = {_own_name(path, name): tensor for name, tensor in named.items()}
    return _config_of(path, preset, state), state


def _own_name(path: Path, published: str) -> str:
    for pattern, template in RENAMES:
        match = re.fullmatch(pattern, published)
        if match and match.groups():
            return template.format(layer=int(match[1]) // 2, rest=match[2])
        if match:
            return template
    raise InputError(f"{path}: not an iLRM checkpoint (unexpected tensor '{published}').")


def _config_of(path: Path, preset: IlrmConfig, state: dict[str, Tensor]) -> IlrmConfig:
    try:
        width = state["viewpoint_tokenizer.linear.weight"].shape[0]
        found = dataclasses.replace(
            preset,
            layers=1 + max(int(k.split(".")[1]) for k in state if k.startswith("layers.")),
            width=width,
            head_width=state["layers.0.cross.q_norm.weight"].shape[0],
            mlp_ratio=state["layers.0.cross_mlp.fc1.weight"].shape[0] // width,
            uplifting=state["layers.0.cross.q.weight"].shape[0] // width,
        )
        return fitted(dataclasses.asdict(found), IlrmConfig)
    except (LookupError, ValueError, ArithmeticError) as error:
        raise InputError(f"{path}: not an iLRM checkpoint (no usable {first_line(error)}).") from error
