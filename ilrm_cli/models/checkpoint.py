"""Weights on disk: our safetensors with a JSON sidecar, or a published checkpoint."""

import dataclasses
import json
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from ilrm_cli.models.ilrm.config import IlrmConfig
from ilrm_cli.models.ilrm.model import Ilrm
from ilrm_cli.models.ilrm.published import _first_line, load_published
from ilrm_cli.models.registry import KNOWN, require_recorded, weights_file
from ilrm_cli.runtime.cache import sha256_of
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.json_values import fitted

# Fields of a configuration that tensors do not tell; others have defaults for files of older versions.
DECISIVE = ("head", "matching", "viewpoint_channels", "image_channels")


@dataclasses.dataclass(frozen=True)
class LoadedModel:
    """A model ready for inference, and its origin."""

    model: Ilrm
    name: str  # as in `registry.KNOWN`, or the file's name
    sha256: str  # of the weights file


def load_model(name_or_path: str) -> LoadedModel:
    """Load a model by its name, or from a file: `.safetensors` with its `.json`, or a published `.ckpt` / `.pt`.

    Published weights must have been pulled, and must match those recorded then. Nothing is downloaded. Raises
    InputError for a missing file, an unknown name, or a checkpoint that is not an iLRM.
    """
    known, path = KNOWN.get(name_or_path), weights_file(name_or_path)
    sha256 = sha256_of(path)
    if known:
        require_recorded(known, sha256)
    config, state = _load_own(path) if path.suffix == ".safetensors" else load_published(path)
    if known and known.published:  # the file does not state the number of views it was trained for
        trained = known.published.config
        config = dataclasses.replace(config, min_views=trained.min_views, max_views=trained.max_views)
    try:
        with torch.device("meta"):
            model = Ilrm(config)
    except (TypeError, ValueError, RuntimeError, ZeroDivisionError, AttributeError) as error:
        raise InputError(f"{path}: its configuration makes no model ({_first_line(error)}).") from error
    _require_same_tensors(path, model, state)
    model.load_state_dict({k: v.float() for k, v in state.items()}, assign=True)
    return LoadedModel(model.eval(), known.name if known else path.name, sha256)


def encode_model(model: Ilrm, dtype: torch.dtype = torch.float32) -> tuple[bytes, bytes]:
    """Encode the weights as safetensors and the configuration as JSON, to be written side by side."""
    state = {k: v.detach().to("cpu", dtype).contiguous() for k, v in model.state_dict().items()}
    config = json.dumps(dataclasses.asdict(model.config), indent=2) + "\n"
    return save(state), config.encode()


def config_from_json(text: str) -> IlrmConfig:
    """Parse the JSON of `encode_model`; raise ValueError for anything else."""
    fields = json.loads(text)
    if isinstance(fields, dict) and (missing := [name for name in DECISIVE if name not in fields]):
        raise ValueError(f"it lacks {', '.join(missing)}")
    return fitted(fields, IlrmConfig)


def config_beside(name_or_path: str) -> IlrmConfig | None:
    """Return a model's configuration without loading its weights; None if only the weights file contains it.

    Raises InputError as `load_model` does.
    """
    known, path = KNOWN.get(name_or_path), weights_file(name_or_path)
    if known and known.published:
        return known.published.config
    return _own_config(path) if path.suffix == ".safetensors" else None


def _load_own(path: Path) -> tuple[IlrmConfig, dict[str, Tensor]]:
    config = _own_config(path)
    try:
        return config, load_file(path)
    except SafetensorError as error:
        raise InputError(f"{path}: cannot be read as safetensors ({_first_line(error)}).") from error


def _own_config(path: Path) -> IlrmConfig:
    sidecar = path.with_suffix(".json")
    if not sidecar.is_file():
        raise InputError(f"{path}: its configuration {sidecar.name} is missing beside it; copy both files together.")
    try:
        return config_from_json(sidecar.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{sidecar}: not a model configuration ({_first_line(error)}).") from error


def _require_same_tensors(path: Path, model: Ilrm, state: dict[str, Tensor]) -> None:
    expected = {k: v.shape for k, v in model.state_dict().items()}
    found = {k: v.shape for k, v in state.items()}
    if wrong := sorted(k for k in expected.keys() | found.keys() if expected.get(k) != found.get(k)):
        raise InputError(
            f"{path}: {len(wrong)} tensors do not fit the model, the first is '{wrong[0]}'; give an iLRM checkpoint."
        )
