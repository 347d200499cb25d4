"""The training loop: yields each step, saves, logs, and stops on request."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import torch

from ilrm_cli.runtime.errors import InputError
from ilrm_cli.train.batches import ALL, Batches
from ilrm_cli.train.distributed import Group
from ilrm_cli.train.log import Record, write_preview
from ilrm_cli.train.loss import Perceptual
from ilrm_cli.train.sources import check_sources, open_source
from ilrm_cli.train.state import Trainer, save
from ilrm_cli.train.step import TrainStep, advance

SAVE_SECONDS = 120.0  # between checkpoints, each with a preview


ALONE = Group(ALL, torch.device("cpu"))


def train(
    trainer: Trainer,
    folder: Path,
    minutes: float = math.inf,
    *,
    group: Group = ALONE,
    threads: int = 1,
    perceptual: Perceptual | None = None,
    save_seconds: float = SAVE_SECONDS,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[TrainStep]:
    """Train until the last step, until time is up or until `stop()`; the state is saved in each case.

    `threads` make the samples. Closing the iterator leaves the run at its last checkpoint, like a kill. Raises
    InputError for unusable data, on the first step.
    """
    config, processes = trainer.config, group.share.processes
    if config.batch % processes:
        raise InputError(f"--batch {config.batch} does not split among {processes} processes; make it a multiple.")
    trainer.forward = group.wrapped(trainer.model)
    can = trainer.model.capabilities
    check_sources(config.data, can.needs_priors)
    sources = [open_source(name, config, group.device, can.frame) for name in config.data]
    multiple = can.size_multiple
    began = saved = time.monotonic()
    with (
        Batches(
            config, multiple, sources, trainer.step, share=group.share, threads=threads, device=group.device
        ) as batches,
        Record(folder, trainer.step, active=group.leads) as record,
    ):
        stream = iter(batches)
        while trainer.step < config.steps and not group.any(stop() or time.monotonic() - began >= 60 * minutes):
            start = time.perf_counter()
            samples = next(stream)
            waited = time.perf_counter() - start
            done = advance(trainer, samples, perceptual)
            loss, quality = group.mean((done.loss, done.psnr))
            trainer.scenes += len(samples) * processes
            seconds = replace(done.seconds, data=waited)
            step = TrainStep(
                trainer.step, trainer.scenes, loss, quality, done.gradient_norm, done.learning_rate, seconds
            )
            record.add(step)
            last = trainer.step == config.steps
            if group.leads and (last or time.monotonic() - saved >= save_seconds):
                save(trainer, folder)
                write_preview(trainer.averaged, samples[0], folder)
                saved = time.monotonic()
            yield step
    if group.leads:
        save(trainer, folder)
