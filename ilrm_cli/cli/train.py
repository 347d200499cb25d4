"""`ilrm train`."""

from pathlib import Path
from typing import Annotated

import typer

from ilrm_cli.cli.console import face
from ilrm_cli.cli.options import Quiet, Seed

SMOOTHING = 0.02  # share of the newest step in the running figures


def train(
    folder: Annotated[Path, typer.Argument(help="Where the run lives; one that was stopped goes on from there.")],
    steps: Annotated[int, typer.Option(help="Optimizer steps of the whole run.", min=1)] = 4000,
    minutes: Annotated[float, typer.Option(help="Stop after this time, with a checkpoint.", min=0)] = float("inf"),
    size: Annotated[
        list[int] | None, typer.Option(help="Long side of the images in px; several are mixed. Default: 64.", min=32)
    ] = None,
    batch: Annotated[int, typer.Option(help="Scenes per step at the smallest size.", min=1)] = 4,
    rate: Annotated[float, typer.Option(help="Peak learning rate.", min=0)] = 2e-3,
    start: Annotated[
        str | None, typer.Option(help="Model a new run starts from: a name or a file. Default: fresh.")
    ] = None,
    threads: Annotated[int | None, typer.Option(help="CPU threads. Default: all.", min=1)] = None,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Train the default model on endless procedural scenes; writes weights.safetensors into the folder."""
    with face("train", quiet=quiet) as shown:
        import torch

        from ilrm_cli.progress import Step
        from ilrm_cli.train import run
        from ilrm_cli.train.config import TrainConfig

        if threads:
            torch.set_num_threads(threads)
        config = TrainConfig(steps=steps, long_sides_px=tuple(size or [64]), batch=batch, learning_rate=rate, seed=seed)
        trainer = run.resume_or_start(folder, config, start)
        loss = quality = None
        with shown.progress() as report:
            for done in run.train(trainer, folder, minutes):
                loss = done.loss if loss is None else loss + SMOOTHING * (done.loss - loss)
                quality = done.psnr if quality is None else quality + SMOOTHING * (done.psnr - quality)
                share = done.data_s / done.total_s
                note = f"loss {loss:.4f}, {quality:.2f} dB, data {share:.0%}"
                report(Step("training", done.step, steps, note))
        weights = run.write_weights(trainer, folder)
        shown.say(f"{trainer.step} of {steps} steps done: {weights}")
