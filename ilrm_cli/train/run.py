"""The training loop: yields what happened, resumes where it stopped."""

import copy
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from ilrm_cli.errors import InputError
from ilrm_cli.io.atomic import atomic_write, replacing
from ilrm_cli.model.checkpoint import config_from_json, encode_model, load_model
from ilrm_cli.model.ilrm import Ilrm
from ilrm_cli.train.config import DEFAULT_MODEL, TrainConfig
from ilrm_cli.train.loss import scene_loss
from ilrm_cli.train.samples import Sample, batches

STATE_FILE = "state.pt"  # everything a resumed run needs
WEIGHTS_FILE = "weights.safetensors"  # what a run gives, readable by --model
SAVE_SECONDS = 120.0  # between checkpoints


@dataclass(frozen=True)
class TrainStep:
    """What one optimizer step did."""

    step: int  # finished steps
    scenes: int  # scenes seen so far
    loss: float
    psnr: float  # dB, mean over the targets of the batch
    data_s: float  # seconds spent making scenes
    total_s: float  # seconds of the whole step


@dataclass
class Trainer:
    """The moving parts of a run."""

    config: TrainConfig
    model: Ilrm
    averaged: Ilrm  # exponential moving average of the weights: what is evaluated and shipped
    optimizer: torch.optim.AdamW
    step: int = 0
    scenes: int = 0  # seen so far


def new_trainer(config: TrainConfig, model: Ilrm) -> Trainer:
    """A run at its first step, from whatever weights the model has."""
    decayed = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim == 1]
    groups = [{"params": decayed, "weight_decay": config.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=config.learning_rate, betas=config.betas)
    return Trainer(config, model, copy.deepcopy(model).requires_grad_(False), optimizer)


def resume_or_start(folder: Path, config: TrainConfig, start: str | None = None) -> Trainer:
    """The run that `folder` holds, or a new one from the weights `start` names (None: a fresh default model).

    Raises InputError if the folder holds a run of another configuration, or a damaged one.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; name a folder for the run.")
    folder.mkdir(parents=True, exist_ok=True)
    state_file = folder / STATE_FILE
    torch.manual_seed(config.seed)
    if not state_file.is_file():
        model = load_model(start).model if start else Ilrm(DEFAULT_MODEL)
        return new_trainer(config, model.train())
    try:
        state = torch.load(state_file, weights_only=True)
    except Exception as error:  # torch raises a different type for every kind of damage
        raise InputError(f"{state_file}: cannot be read as a run's state; remove it to start anew.") from error
    if state["config"] != repr(config):
        raise InputError(f"{state_file}: holds a run with other settings; choose another folder or the same settings.")
    trainer = new_trainer(config, Ilrm(config_from_json(state["model_config"])))
    trainer.model.load_state_dict(state["model"])
    trainer.averaged.load_state_dict(state["averaged"])
    trainer.optimizer.load_state_dict(state["optimizer"])
    trainer.step, trainer.scenes = state["step"], state["scenes"]
    return trainer


def save(trainer: Trainer, folder: Path) -> None:
    """Write the run's state, atomically."""
    state = {
        "config": repr(trainer.config),
        "model_config": encode_model(trainer.model)[1].decode(),
        "model": trainer.model.state_dict(),
        "averaged": trainer.averaged.state_dict(),
        "optimizer": trainer.optimizer.state_dict(),
        "step": trainer.step,
        "scenes": trainer.scenes,
    }
    with replacing(folder / STATE_FILE) as partial:
        torch.save(state, partial)


def write_weights(trainer: Trainer, folder: Path) -> Path:
    """Write the averaged weights in half precision, with their configuration, as `--model` takes them."""
    weights, config = encode_model(trainer.averaged, torch.float16)
    path = folder / WEIGHTS_FILE
    atomic_write(path, weights)
    atomic_write(path.with_suffix(".json"), config)
    return path


def train(trainer: Trainer, folder: Path, minutes: float = math.inf) -> Iterator[TrainStep]:
    """Run to the last step or until the time is over; either way the state is saved at the end."""
    start = saved = time.monotonic()
    stream = batches(trainer.config, trainer.model.config.size_multiple, trainer.step)
    try:
        while trainer.step < trainer.config.steps and time.monotonic() - start < 60 * minutes:
            began = time.perf_counter()
            samples = next(stream)
            data_s = time.perf_counter() - began
            loss, quality = advance(trainer, samples)
            total_s = time.perf_counter() - began
            yield TrainStep(trainer.step, trainer.scenes, loss, quality, data_s, total_s)
            if time.monotonic() - saved > SAVE_SECONDS:
                save(trainer, folder)
                saved = time.monotonic()
    finally:
        save(trainer, folder)


def advance(trainer: Trainer, samples: list[Sample]) -> tuple[float, float]:
    """One optimizer step; returns the loss and the PSNR."""
    config = trainer.config
    for group in trainer.optimizer.param_groups:
        group["lr"] = learning_rate(config, trainer.step)
    scenes = trainer.model([s.inputs for s in samples], [s.depth_range for s in samples])
    losses = [scene_loss(g, s, config, trainer.step / config.steps) for g, s in zip(scenes, samples, strict=True)]
    total = torch.stack([loss.total for loss in losses]).mean()
    trainer.optimizer.zero_grad(set_to_none=True)
    total.backward()
    torch.nn.utils.clip_grad_norm_(trainer.model.parameters(), config.clip)
    trainer.optimizer.step()
    trainer.step += 1
    trainer.scenes += len(samples)
    _average(trainer)
    return float(total.detach()), float(torch.stack([loss.psnr for loss in losses]).mean())


def learning_rate(config: TrainConfig, step: int) -> float:
    """Linear warm-up, then a cosine down to a small share of the peak."""
    if step < config.warmup:
        return config.learning_rate * (step + 1) / config.warmup
    done = (step - config.warmup) / max(1, config.steps - config.warmup)
    low = config.final_rate
    return config.learning_rate * (low + (1 - low) * 0.5 * (1 + math.cos(math.pi * min(1.0, done))))


@torch.no_grad()
def _average(trainer: Trainer) -> None:
    """Exponential moving average; young runs forget faster, so that the first weights do not linger."""
    decay = min(trainer.config.ema, (1 + trainer.step) / (10 + trainer.step))
    for mean, new in zip(trainer.averaged.parameters(), trainer.model.parameters(), strict=True):
        mean.lerp_(new, 1 - decay)
