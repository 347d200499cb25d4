"""Weights on disk: our safetensors with a JSON sidecar, or a published checkpoint."""

import dataclasses
import json
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from ilrm_cli.geometry.fields import Field, StoredField
from ilrm_cli.geometry.views import TrainingRange
from ilrm_cli.models.base import Architecture, Blueprint, Network
from ilrm_cli.models.registry import ARCHITECTURES, FIELDS, KNOWN, OURS, require_recorded, weights_file
from ilrm_cli.models.released import config_beside, tensor_names, told_beside
from ilrm_cli.runtime.cache import sha256_of
from ilrm_cli.runtime.errors import Damage, InputError, first_line
from ilrm_cli.runtime.json_values import fitted, parsed_json

TOLD = ("min_views", "max_views")  # fields of configurations that the catalogue tells of published weights


@dataclasses.dataclass(frozen=True)
class ModelIdentity:
    """What is known of a model without its weights."""

    name: str  # as in `registry.KNOWN`, or the file's name
    sha256: str  # of the weights file
    trained_on: TrainingRange


@dataclasses.dataclass(frozen=True)
class LoadedModel:
    """A model ready for inference, and its origin."""

    model: Network
    name: str  # as in `registry.KNOWN`, or the file's name
    sha256: str  # of the weights file

    @property
    def identity(self) -> ModelIdentity:
        return ModelIdentity(self.name, self.sha256, self.model.capabilities.trained_on)


def load_model(name_or_path: str) -> LoadedModel:
    """Load a model by its name, or from a file: `.safetensors` with its `.json`, or a published `.ckpt` / `.pt`.

    Published weights must have been pulled, and must match those recorded then. Nothing is downloaded. Raises
    InputError for a missing file, an unknown name, or a checkpoint of no model that is known here.
    """
    known, path = KNOWN.get(name_or_path), weights_file(name_or_path)
    sha256 = sha256_of(path)
    if known:
        require_recorded(known, sha256)
    blueprint, state = _load_own(path) if _is_own(path) else _load_published(path)
    if known and known.published:  # the file does not state the number of views it was trained for
        trained = {name: getattr(known.published.config, name) for name in TOLD if hasattr(blueprint.config, name)}
        blueprint = dataclasses.replace(blueprint, config=dataclasses.replace(blueprint.config, **trained))
    try:
        with torch.device("meta"):
            model = blueprint.build()
    except (TypeError, ValueError, RuntimeError, ArithmeticError, LookupError, AttributeError, AssertionError) as error:
        raise InputError(f"{path}: its configuration makes no model ({first_line(error)}).") from error
    _require_same_tensors(path, model, state)
    model.load_state_dict(_finite_weights(path, state), assign=True)
    return LoadedModel(model.eval(), known.name if known else path.name, sha256)


def _finite_weights(path: Path, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights in float32. Raises InputError if they are no finite numbers."""
    try:
        weights = {name: tensor.float() for name, tensor in state.items()}
        broken = [name for name, tensor in weights.items() if not tensor.isfinite().all()]
    except (RuntimeError, TypeError) as error:  # quantised, sparse
        raise InputError(f"{path} has weights of a kind that cannot be used; save them as plain tensors.") from error
    if broken:
        raise InputError(f"{path} has weights that are not finite, first in {broken[0]}; get or train them again.")
    return weights


def encode_model(model: Network, dtype: torch.dtype = torch.float32) -> tuple[bytes, bytes]:
    """Encode the weights as safetensors and the configuration as JSON, to be written side by side."""
    state = {k: v.detach().to("cpu", dtype).contiguous() for k, v in model.state_dict().items()}
    config = {"architecture": model.architecture, **dataclasses.asdict(model.config)}
    return save(state), (json.dumps(config, indent=2) + "\n").encode()


def blueprint_from_json(text: str | bytes) -> Blueprint:
    """Parse the JSON of `encode_model`; raise ValueError for anything else."""
    fields = parsed_json(text)
    if not isinstance(fields, dict):
        raise ValueError("it is no object with keys")
    name = fields.pop("architecture", OURS)
    if not isinstance(name, str) or name not in ARCHITECTURES:
        raise ValueError(f"architecture {name!r} is not known here; known are {', '.join(ARCHITECTURES)}")
    architecture = architecture_of(name)
    if missing := [name for name in architecture.required if name not in fields]:
        raise ValueError(f"it lacks {', '.join(missing)}")
    return Blueprint(architecture, fitted(fields, architecture.config))


def architecture_of(name: str) -> Architecture:
    """Return an architecture by a name of `registry.ARCHITECTURES`."""
    return import_module(ARCHITECTURES[name]).ARCHITECTURE


def stored_field(network: Network, field: Field) -> StoredField:
    """Return a field that the network predicted in the form that files keep."""
    return StoredField(network.architecture, dataclasses.asdict(network.config), field.parts())


def restored_field(stored: StoredField) -> Field:
    """Return the field of a file, on the device of its parts. Raises Damage for what makes none."""
    if stored.architecture not in FIELDS:
        raise Damage(f"no model here makes fields of the kind {stored.architecture}")
    architecture = architecture_of(stored.architecture)
    assert architecture.field_of is not None, "an architecture whose scenes are fields"
    config: Any = fitted(dict(stored.config), architecture.config)
    try:
        field = architecture.field_of(config, stored.parts)
    except (TypeError, ValueError, RuntimeError, ArithmeticError, LookupError, AttributeError) as error:
        raise Damage(first_line(error)) from error
    if surplus := stored.parts.keys() - field.parts().keys():
        raise Damage(f"it holds {min(surplus)}, which is no part of it")
    return field


def blueprint_with(config: Any) -> Blueprint:
    """Return the blueprint of a configuration, whose type tells the architecture."""
    architectures = (architecture_of(name) for name in ARCHITECTURES)
    return Blueprint(next(one for one in architectures if one.config is type(config)), config)


def blueprint_of(name_or_path: str) -> Blueprint | None:
    """Return a model's blueprint without loading its weights; None if only the weights file contains it.

    Raises InputError as `load_model` does.
    """
    known, path = KNOWN.get(name_or_path), weights_file(name_or_path)
    if known and known.published:
        return Blueprint(architecture_of(known.published.architecture), known.published.config)
    return _own_blueprint(path) if _is_own(path) else None


def architecture_in(name_or_path: str) -> str:
    """Return the name of a model's architecture, its weights not loaded. Raises InputError as `load_model` does."""
    if blueprint := blueprint_of(name_or_path):
        return blueprint.architecture.name
    found = _architecture_by(tensor_names(weights_file(name_or_path)))
    return found.name if found else OURS


def _is_own(path: Path) -> bool:
    """Return whether weights are in our format: other safetensors have a configuration, and names, of their own."""
    if path.suffix != ".safetensors" or config_beside(path) is None:
        return path.suffix == ".safetensors"
    return path.with_suffix(".json").is_file() and _architecture_by(tensor_names(path)) is None


def _load_published(path: Path) -> tuple[Blueprint, dict[str, Tensor]]:
    """Load a file of the architecture whose authors' format it has; what tensors cannot tell may lie beside it."""
    architecture = _architecture_by(tensor_names(path)) or architecture_of(OURS)
    assert architecture.load_published is not None, "its authors published weights"
    config, state = architecture.load_published(path)
    if told := told_beside(path):
        try:
            config = fitted(_merged(dataclasses.asdict(config), told), architecture.config)
        except ValueError as error:
            raise InputError(f"{path.with_suffix('.json')}: not a model configuration ({error}).") from error
    return Blueprint(architecture, config), state


def _architecture_by(names: frozenset[str]) -> Architecture | None:
    """Return the architecture, other than ours, in whose authors' format tensors of these names are."""
    others = (architecture_of(name) for name in ARCHITECTURES if name != OURS)
    return next((one for one in others if one.recognises is not None and one.recognises(names)), None)


def _merged(values: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values with those told in their places, key by key at every level."""
    inner = {k: values[k] for k, new in told.items() if isinstance(new, dict) and isinstance(values.get(k), dict)}
    return {**values, **told, **{key: _merged(old, told[key]) for key, old in inner.items()}}


def _load_own(path: Path) -> tuple[Blueprint, dict[str, Tensor]]:
    blueprint = _own_blueprint(path)
    try:
        return blueprint, load_file(path)
    except (SafetensorError, OSError, ValueError, LookupError, TypeError, RuntimeError, MemoryError) as error:
        raise InputError(f"{path}: cannot be read as safetensors; it is damaged, cut short or another file.") from error


def _own_blueprint(path: Path) -> Blueprint:
    sidecar = path.with_suffix(".json")
    if not sidecar.is_file():
        raise InputError(f"{path}: its configuration {sidecar.name} is missing beside it; copy both files together.")
    try:
        return blueprint_from_json(sidecar.read_bytes())
    except (ValueError, OSError) as error:
        raise InputError(f"{sidecar}: not a model configuration ({error}).") from error


def _require_same_tensors(path: Path, model: Network, state: dict[str, Tensor]) -> None:
    expected = {k: v.shape for k, v in model.state_dict().items()}
    found = {k: v.shape for k, v in state.items()}
    if wrong := sorted(k for k in expected.keys() | found.keys() if expected.get(k) != found.get(k)):
        raise InputError(
            f"{path}: {len(wrong)} tensors do not fit the model, the first is '{wrong[0]}'; give its own checkpoint."
        )
