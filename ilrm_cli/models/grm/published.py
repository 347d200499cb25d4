"""The format of GRM's withdrawn weights, under our names: only to read a file that somebody has.

Neither that code nor its weights have a licence, and both were withdrawn by their authors; nothing is downloaded, and
no name of the catalogue stands for them. Its file also holds a pickled configuration, which is never read: such a file
must be saved anew as plain tensors.
"""

import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ilrm_cli.models.grm.config import HEAD, GrmConfig
from ilrm_cli.models.released import USUAL_HEADS, inferred, read_checkpoint, renamed, tensors_in
from ilrm_cli.runtime.errors import InputError, first_line

KIND = "GRM"
CHANNELS = 9  # colour, moment, direction
PARALLEL = "module."  # perhaps in front of each name
HEADS = ("depth", "feature", "scaling", "rotation", "opacity")  # in the order of our head's channels

_ENCODER = r"visual_encoder\.transformer_encoder\."
_UPSAMPLER = r"visual_encoder\.(?:transformer_encoder\.)?gaussian_upsampler\."

_OF_BLOCK = {
    r"attn\.in_proj_": "attn.qkv.",
    r"attn\.out_proj\.": "attn.proj.",
    r"layernorm1\.": "norm1.",
    r"layernorm2\.": "norm2.",
    r"mlp\.c_fc\.": "mlp.fc1.",
    r"mlp\.c_proj\.": "mlp.fc2.",
}

# Published tensor name -> ours, first match wins.
RENAMES = (
    (rf"{_ENCODER}conv\.weight", "tokenizer.weight"),
    (rf"{_ENCODER}positional_embedding", "positions"),
    (rf"{_ENCODER}layernorm([12])\.(weight|bias)", r"norm\1.\2"),
    *((rf"{_ENCODER}transformer\.resblocks\.(\d+)\.{a}(\w+)", rf"blocks.\1.{b}\2") for a, b in _OF_BLOCK.items()),
    (rf"{_UPSAMPLER}upsampler_(\d+)\.residual_fc\.(\w+)", r"stages.\1.widen.\2"),
    *(
        (rf"{_UPSAMPLER}attention_(\d+)\.resblocks\.([01])\.{a}(\w+)", rf"stages.\1.blocks.\2.{b}\3")
        for a, b in _OF_BLOCK.items()
    ),
    (rf"{_UPSAMPLER}layernorm2\.(\w+)", r"head.norm.\1"),
    (r"visual_encoder\.(?:\w+\.)*out_layer_(\w+)\.weight", r"out.\1"),
)


def recognises(names: frozenset[str]) -> bool:
    """Return whether these are tensors of this format."""
    return any(name.removeprefix(PARALLEL).startswith("visual_encoder.transformer_encoder.") for name in names)


def load_published(path: Path) -> tuple[GrmConfig, dict[str, Tensor]]:
    """Load configuration and tensors, under our names; sizes are inferred from the tensors' shapes.

    Raises InputError for a file of another format.
    """
    tensors = tensors_in(read_checkpoint(path), "model")
    state = renamed(path, KIND, {k.removeprefix(PARALLEL): v for k, v in tensors.items()}, RENAMES)
    try:
        state = _fused(_counted_from_0(state))
        values = _sizes(state)
    except (LookupError, ValueError, ArithmeticError, TypeError, RuntimeError, StopIteration) as error:
        raise InputError(f"{path}: not a {KIND} checkpoint (no usable {first_line(error)}).") from error
    return inferred(path, KIND, GrmConfig, values), state


def _counted_from_0(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the state with the stages of the upsampler numbered 0, 1, ... in their order."""
    numbers = sorted({int(name.split(".")[1]) for name in state if name.startswith("stages.")})
    place = {f"stages.{number}.": f"stages.{index}." for index, number in enumerate(numbers)}
    pattern = re.compile(r"stages\.\d+\.")
    return {pattern.sub(lambda found: place[found[0]], name): tensor for name, tensor in state.items()}


def _fused(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the state with the convolution as a Linear over (row, column, channel), and the heads as one.

    A head's channels are (channel, row, column) of the pixels of a token, and become (row, column, channel).
    """
    of_heads = {name: state.pop(f"out.{name}") for name in HEADS}
    pixels = len(of_heads["depth"])
    parts = [of_heads[name].unflatten(0, (-1, pixels)) for name in HEADS]
    convolution, positions = state["tokenizer.weight"], state["positions"]
    return state | {
        "tokenizer.weight": convolution.permute(0, 2, 3, 1).flatten(1),
        "positions": positions.flatten(0, -2),
        "head.linear.weight": torch.cat(parts).transpose(0, 1).flatten(0, 1),
    }


def _sizes(state: dict[str, Tensor]) -> dict[str, Any]:
    width, inputs = state["tokenizer.weight"].shape
    stages = 1 + max((int(k.split(".")[1]) for k in state if k.startswith("stages.")), default=-1)
    widths = [len(state[f"stages.{number}.blocks.0.norm1.weight"]) for number in range(stages)]
    narrowest = min(width, *widths) if widths else width
    return {
        "layers": 1 + max(int(k.split(".")[1]) for k in state if k.startswith("blocks.")),
        "width": width,
        "head_width": next(one for one in USUAL_HEADS if all(w % one == 0 for w in (width, narrowest))),
        "mlp_ratio": len(state["blocks.0.mlp.fc1.weight"]) // width,
        "patch": round((inputs / CHANNELS) ** 0.5),
        "places": len(state["positions"]),
        "widths": widths,
        "layout": "legacy",
        "head": vars(HEAD),
    }
