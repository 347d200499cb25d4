"""The state of a run, in memory and on disk."""

import copy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ilrm_cli.data.synthetic.dataset import HOLDOUT_SEED
from ilrm_cli.models.base import Network
from ilrm_cli.models.checkpoint import blueprint_from_json, blueprint_with, encode_model, load_model
from ilrm_cli.models.registry import KNOWN
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.files import atomic_write, replacing
from ilrm_cli.train.config import DEFAULT_MODEL, FRESH, STATE_FILE, TrainConfig

WEIGHTS_FILE = "weights.safetensors"  # result of a run, readable by --model


@dataclass
class Trainer:
    """The mutable state of a run."""

    config: TrainConfig
    model: Network
    averaged: Network  # exponential moving average of the weights, evaluated and shipped
    optimizer: torch.optim.AdamW
    forward: nn.Module  # the model, or its wrapper that averages gradients over processes
    start: str = FRESH  # the model that it began from: a name, or the absolute path of a file
    step: int = 0
    scenes: int = 0  # seen so far, by all processes


def new_trainer(config: TrainConfig, model: Network, start: str = FRESH) -> Trainer:
    """Create a run at its first step, from the model's current weights, named by `start`, on the model's device."""
    model.precision = torch.bfloat16 if config.precision == "bf16" else torch.float32
    model.checkpointing, model.read_every = config.checkpointing, config.read_every
    decayed = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim == 1]
    groups = [{"params": decayed, "weight_decay": config.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=config.learning_rate, betas=config.betas)
    averaged = copy.deepcopy(model).requires_grad_(False).eval()
    return Trainer(config, model.train(), averaged, optimizer, model, start=start)


def resume_or_start(
    folder: Path,
    config: TrainConfig,
    start: str | None = None,
    *,
    model: Any = DEFAULT_MODEL,
    device: torch.device | str = "cpu",
) -> Trainer:
    """Resume the run in `folder`, or start a new one: from the weights that `start` names, or a fresh model.

    `model` is the configuration of a fresh one, of any architecture.

    Raises InputError if the folder holds a run of another configuration, or from another start, or a damaged one, and
    for the seed reserved for evaluation scenes.
    """
    if config.seed == HOLDOUT_SEED:
        raise InputError(f"--seed {HOLDOUT_SEED}: its scenes are kept for evaluation; train with any other seed.")
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; name a folder for the run.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be made ({error.strerror}); name another folder for the run.") from error
    torch.manual_seed(config.seed)
    begun = start if start in KNOWN else str(Path(start).resolve()) if start else FRESH
    if (folder / STATE_FILE).is_file():
        trainer = _resumed(folder / STATE_FILE, config, begun, device)
        if begun == FRESH and trainer.model.config != model:
            raise InputError(
                f"{folder / STATE_FILE} holds a run of another model than this preset's; give its preset again, or "
                "another folder."
            )
        return trainer
    fresh = load_model(start).model if start else blueprint_with(model).build()
    if fresh.capabilities.output == "field":
        raise InputError(f"a {fresh.architecture} gives fields, which are not trained here; start from another model.")
    return new_trainer(config, fresh.to(device), begun)


def _resumed(file: Path, config: TrainConfig, start: str, device: torch.device | str) -> Trainer:
    """Resume a run; states of older versions do not tell its start, and any is taken for it."""
    state = _read_state(file)
    stored = {**state["config"], "start": state.get("start", start)}
    if different := differences(stored, {**asdict(config), "start": start}):
        recorded = ", ".join(f"{name} {stored.get(name)}" for name in different)
        raise InputError(
            f"{file} holds a run with other settings ({recorded}); give the same ones again, or another folder."
        )
    try:
        model = blueprint_from_json(state["model_config"]).build()
        trainer = new_trainer(config, model.to(device), start)
        trainer.model.load_state_dict(state["model"])
        trainer.averaged.load_state_dict(state["averaged"])
        trainer.optimizer.load_state_dict(state["optimizer"])
        trainer.step, trainer.scenes = state["step"], state["scenes"]
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise InputError(f"{file}: not the state of a run of this version; choose another folder.") from error
    return trainer


def _read_state(file: Path) -> dict[str, Any]:
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises a different type for every kind of damage
        raise InputError(f"{file}: cannot be read as a run's state; remove it to start anew.") from error
    if not isinstance(state, dict) or not isinstance(state.get("config"), dict):
        raise InputError(f"{file}: not the state of a run of this version; choose another folder.")
    return state


def differences(stored: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    """Return the names of the settings that differ."""
    return [name for name in sorted(stored.keys() | wanted.keys()) if stored.get(name) != wanted.get(name)]


def save(trainer: Trainer, folder: Path) -> None:
    """Write the run's state, atomically."""
    state = {
        "config": asdict(trainer.config),
        "model_config": encode_model(trainer.model)[1].decode(),
        "model": trainer.model.state_dict(),
        "averaged": trainer.averaged.state_dict(),
        "optimizer": trainer.optimizer.state_dict(),
        "start": trainer.start,
        "step": trainer.step,
        "scenes": trainer.scenes,
    }
    with replacing(folder / STATE_FILE) as partial:
        torch.save(state, partial)


def write_weights(trainer: Trainer, folder: Path) -> Path:
    """Write the averaged weights in half precision, with their configuration, in the format of `--model`."""
    weights, config = encode_model(trainer.averaged, torch.float16)
    path = folder / WEIGHTS_FILE
    atomic_write(path, weights)
    atomic_write(path.with_suffix(".json"), config)
    return path
