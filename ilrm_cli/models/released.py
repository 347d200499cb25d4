"""Files in the formats in which authors released weights: read without unpickling anything, and under our names."""

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ilrm_cli.runtime.errors import InputError, first_line
from ilrm_cli.runtime.json_values import fitted, read_json

USUAL_HEADS = (64, 32, 16, 8)  # channels of an attention head, widest first
CONTAINERS = ("state_dict", "model")  # of the tensors, in files that hold more than these
C = TypeVar("C")


def read_checkpoint(path: Path, *, mapped: bool = False) -> dict[str, Any]:
    """Return what a `.ckpt`, `.pt` or `.pth` holds; {} for anything but a dict. `mapped`: tensors stay on disk.

    Raises InputError for a file that torch cannot read, or that holds more than plain tensors and values.
    """
    try:
        try:
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
        except RuntimeError:  # of an older format, which cannot stay on disk
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises a different type for every kind of damage
        raise InputError(f"{path}: cannot be read as a checkpoint; it is damaged or another file.") from error
    return content if isinstance(content, dict) else {}


def tensors_in(content: Mapping[str, Any], container: str | None = None) -> dict[str, Tensor]:
    """Return the tensors of a checkpoint by name: those under the container, by default any usual one, or itself."""
    names = CONTAINERS if container is None else (container,)
    inner = next((content[name] for name in names if isinstance(content.get(name), dict)), content)
    return {str(name): value for name, value in inner.items() if isinstance(value, Tensor)}


def config_beside(path: Path, name: str = "config.json") -> Path | None:
    """Return the configuration of released weights: of that name beside them, or with theirs before it."""
    places = (path.with_name(f"{path.stem}_{name}"), path.with_name(name))
    return next((place for place in places if place.is_file()), None)


def require_config(path: Path, name: str) -> Path:
    """Return the configuration beside released weights. Raises InputError if there is none."""
    if found := config_beside(path, name):
        return found
    raise InputError(f"{path}: its configuration {name} is missing beside it; copy both files together.")


def tensor_names(path: Path) -> frozenset[str]:
    """Return the names of a checkpoint's tensors. Raises InputError as `read_checkpoint` does."""
    if path.suffix == ".safetensors":
        try:
            with safe_open(path, framework="pt") as tensors:
                return frozenset(tensors.keys())
        except (SafetensorError, OSError) as error:
            raise InputError(f"{path}: cannot be read as safetensors; it is damaged or another file.") from error
    return frozenset(tensors_in(read_checkpoint(path, mapped=True)))


def renamed(
    path: Path, kind: str, tensors: Mapping[str, Tensor], renames: Sequence[tuple[str, str]]
) -> dict[str, Tensor]:
    """Return the tensors under our names; `renames` are patterns and templates of which the first match wins.

    Raises InputError for a name that matches none: the file is not of this `kind`.
    """
    return {_renamed(path, kind, name, renames): tensor for name, tensor in tensors.items()}


def _renamed(path: Path, kind: str, name: str, renames: Sequence[tuple[str, str]]) -> str:
    for pattern, template in renames:
        if match := re.fullmatch(pattern, name):
            return match.expand(template)
    raise InputError(f"{path}: not a {kind} checkpoint (unexpected tensor '{name}').")


def inferred(path: Path, kind: str, config: type[C], values: Mapping[str, Any]) -> C:
    """Return a configuration of values, inferred from tensors. Raises InputError for values that it cannot have."""
    try:
        return fitted(dict(values), config)
    except ValueError as error:
        raise InputError(f"{path}: not a {kind} checkpoint (no usable {first_line(error)}).") from error


def usual_head_width(*widths: int) -> int:
    """Return the channels of an attention head that such widths usually have, as the tensors do not tell.

    64, or of narrower networks the most of which there are at least two heads. Raises ValueError if none divides them.
    """
    shared = math.gcd(*widths)
    for width in USUAL_HEADS:
        if shared % width == 0 and (shared > width or width == USUAL_HEADS[0]):
            return width
    raise ValueError(f"head_width: {shared} channels do not split into usual heads")


def told_beside(path: Path) -> dict[str, Any]:
    """Return what a `.json` beside the file tells of the configuration that tensors cannot tell; {} without one.

    Raises InputError for a file that is no object of JSON.
    """
    beside = path.with_suffix(".json")
    if not beside.is_file():
        return {}
    try:
        told = read_json(beside)
    except ValueError as error:
        raise InputError(f"{beside}: {error}; correct or remove it.") from error
    if not isinstance(told, dict):
        raise InputError(f"{beside}: has no object with keys; correct or remove it.")
    return told
