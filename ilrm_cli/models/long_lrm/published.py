"""The format in which Long-LRM's authors released weights, under our names."""

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from torch import Tensor

from ilrm_cli.models.long_lrm.config import HEAD, LongLrmConfig
from ilrm_cli.models.released import inferred, read_checkpoint, renamed, tensors_in, told_beside, usual_head_width
from ilrm_cli.runtime.errors import InputError, first_line

KIND = "Long-LRM"
IGNORED = ("perceptual_loss.", "depth_anything.")  # belong to its losses
CHANNELS = 9  # colour, moment, direction
BESIDES_HARMONICS = 11  # channels of the head: distance 3, scale 3, rotation 4, opacity 1
MERGED_BEFORE = 1 / 3  # of the blocks, of the released one: where a merge between equal widths is taken to be

# Published tensor name -> ours, first match wins.
RENAMES = (
    (r"global_token_init", "global_tokens"),
    (r"tokenizer\.weight", "tokenizer.weight"),
    (r"input_layernorm\.weight", "entry_norm.weight"),
    (r"processor\.(blocks\.\d+\..+)", r"\1"),
    (r"processor\.resize_blocks\.(\d+)\.(weight|bias)", r"merges.\1.resize.\2"),
    (r"processor\.merge_blocks\.(\d+)\.(weight|bias)", r"merges.\1.merge.\2"),
    (r"tokenDecoder\.0\.weight", "head.norm.weight"),
    (r"tokenDecoder\.1\.weight", "head.linear.weight"),
)


def recognises(names: frozenset[str]) -> bool:
    """Return whether these are tensors of this format."""
    return {"input_layernorm.weight", "tokenDecoder.1.weight"} <= names


def load_published(path: Path) -> tuple[LongLrmConfig, dict[str, Tensor]]:
    """Load configuration and tensors, under our names; sizes are inferred from the tensors' shapes.

    No tensor tells `head_width`, nor before which block a merge is that leaves the width as it is: a `.json` beside the
    file may, as may everything else be told (`merges`, `kept`). Raises InputError for a file of another format.
    """
    tensors = tensors_in(read_checkpoint(path, mapped=True), "model")
    state = renamed(path, KIND, {k: v for k, v in tensors.items() if not k.startswith(IGNORED)}, RENAMES)
    try:
        values = _sizes(state, told_beside(path))
        if not values["globals"]:  # nothing to resize
            state = {k: v for k, v in state.items() if k != "global_tokens" and ".resize." not in k}
    except (LookupError, ValueError, ArithmeticError, TypeError) as error:
        raise InputError(f"{path}: not a {KIND} checkpoint (no usable {first_line(error)}).") from error
    return inferred(path, KIND, LongLrmConfig, values), state


def _sizes(state: dict[str, Tensor], told: Mapping[str, Any]) -> dict[str, Any]:
    numbers = range(1 + max(int(k.split(".")[1]) for k in state if k.startswith("blocks.")))
    kinds = "".join("m" if f"blocks.{n}.norm.weight" in state else "t" for n in numbers)
    of_blocks = [len(state[f"blocks.{n}.norm{'' if kinds[n] == 'm' else '1'}.weight"]) for n in numbers]
    merged = [k for k in state if re.fullmatch(r"merges\.\d+\.merge\.weight", k)]
    widths = [of_blocks[0], *(len(state[f"merges.{number}.merge.weight"]) for number in range(len(merged)))]
    patch = round((state["tokenizer.weight"].shape[1] / CHANNELS) ** 0.5)
    last_patch = patch << len(merged)
    harmonics = state["head.linear.weight"].shape[0] / last_patch**2 - BESIDES_HARMONICS
    values: dict[str, Any] = {
        "blocks": kinds,
        "widths": widths,
        "merges": _merges(of_blocks, widths),
        "patch": patch,
        "globals": state["global_tokens"].shape[1] if "global_tokens" in state else 0,
        "head": {**vars(HEAD), "degree": round((harmonics / 3) ** 0.5) - 1},
    }
    if "t" in kinds:
        first = kinds.index("t")
        values["mlp_ratio"] = state[f"blocks.{first}.mlp.fc1.weight"].shape[0] // of_blocks[first]
        if "head_width" not in told:
            of_attention = [width for width, kind in zip(of_blocks, kinds, strict=True) if kind == "t"]
            values["head_width"] = usual_head_width(*of_attention)
    if "m" in kinds:
        first = kinds.index("m")
        prefix = f"blocks.{first}.mamba.mamba_scans.0."
        inner = len(state[f"{prefix}norm.weight"])
        values["state"] = (state[f"{prefix}conv1d.weight"].shape[0] - inner) // 2
        values["taps"] = state[f"{prefix}conv1d.weight"].shape[2]
        values["expansion"] = inner // of_blocks[first]
        values["scan_head_width"] = inner // len(state[f"{prefix}D"])
    return values


def _merges(of_blocks: Sequence[int], widths: Sequence[int]) -> list[int]:
    """Return the blocks before which tokens are merged: where widths change, or where such a merge is taken to be."""
    merges: list[int] = []
    usual = round(MERGED_BEFORE * len(of_blocks))
    for before, after in pairwise(widths):
        later = range(max(merges, default=0) + 1, len(of_blocks))
        places = [n for n in later if (of_blocks[n - 1], of_blocks[n]) == (before, after)]
        if not places:
            raise ValueError(f"merges: from {before} to {after} channels, before no block")
        merges.append(min(places, key=lambda place: abs(place - usual)))
    return merges
