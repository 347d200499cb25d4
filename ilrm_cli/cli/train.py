"""`ilrm train` and the live picture of a training run: where it is, how good, how fast, and where the time goes."""

import math
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ilrm_cli.cli.console import face
from ilrm_cli.cli.options import Device, Quiet, Seed

if TYPE_CHECKING:
    from ilrm_cli.train.step import TrainStep

SMOOTHING = 0.02  # minimum weight of the newest step in running means
PARTS = ("data", "model", "rendering", "optimizer")  # parts of a step's time


def train(
    folder: Annotated[Path, typer.Argument(help="Where the run lives; one that was stopped goes on from there.")],
    preset: Annotated[
        str,
        typer.Option(
            help="Recipe: cpu, gpu, tiny, tiny-gs-lrm, tiny-long-lrm, tiny-grm, tiny-avat3r, paper-re10k, paper-dl3dv; "
            "the options below change it."
        ),
    ] = "cpu",
    data: Annotated[
        list[str] | None,
        typer.Option(help="synth, objects or heads for procedural scenes, or a folder of captures; several are mixed."),
    ] = None,
    start: Annotated[
        str | None, typer.Option(help="Model a new run starts from: a name, a file, or fresh for none.")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Optimizer steps of the whole run.", min=1)] = None,
    minutes: Annotated[float, typer.Option(help="Stop after this time, with a checkpoint.", min=0)] = math.inf,
    size: Annotated[
        list[int] | None, typer.Option(help="Long side of the images in px; several are mixed.", min=32)
    ] = None,
    views: Annotated[str | None, typer.Option(help="Input views of a scene: 8, or a range as 2-12.")] = None,
    batch: Annotated[int | None, typer.Option(help="Scenes per step at the smallest size.", min=1)] = None,
    rate: Annotated[float | None, typer.Option(help="Peak learning rate.", min=0)] = None,
    warmup: Annotated[int | None, typer.Option(help="Steps before the peak.", min=0)] = None,
    depth_weight: Annotated[
        float | None, typer.Option(help="Weight of the depth error at the first step.", min=0)
    ] = None,
    device: Device = "auto",
    precision: Annotated[
        Literal["fp32", "bf16"] | None, typer.Option(help="Number format of the matrix products.")
    ] = None,
    threads: Annotated[int | None, typer.Option(help="CPU threads. Default: all.", min=1)] = None,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Train a model; writes weights.safetensors, a log and a preview into the folder. Ctrl-C stops cleanly."""
    with face("train", quiet=quiet) as shown:
        from ilrm_cli.data.checks import check_root
        from ilrm_cli.models.registry import weights_file
        from ilrm_cli.train.config import FRESH, MADE_UP, STATE_FILE, chosen_recipe, view_range

        recipe = chosen_recipe(
            preset, steps=steps, long_sides_px=tuple(size) if size else None, batch=batch, learning_rate=rate,
            warmup=warmup, depth_weight=depth_weight, precision=precision, seed=seed,
            data=tuple(data) if data else None, **view_range(views),
        )  # fmt: skip
        first = recipe.start if start is None else (None if start == FRESH else start)
        if first is not None and not (folder / STATE_FILE).is_file():
            weights_file(first)
        for source in recipe.train.data:
            if source not in MADE_UP:
                check_root(Path(source))

        from ilrm_cli.runtime.cache import keep_compiled_layers

        keep_compiled_layers()  # otherwise PyTorch makes a folder for these in the temporary one

        import torch

        from ilrm_cli.render.perceptual import find_perceptual, why_no_lpips
        from ilrm_cli.runtime.devices import resolve_device
        from ilrm_cli.train import distributed, loop
        from ilrm_cli.train.state import resume_or_start, write_weights

        if threads:
            torch.set_num_threads(threads)
        with _told_to_stop() as stop, distributed.join(resolve_device(device)) as group:
            trainer = resume_or_start(folder, recipe.train, first, model=recipe.model, device=group.device)
            if trainer.step and group.leads:
                shown.say(f"going on from the checkpoint at step {trainer.step} of {recipe.train.steps}")
            workers = threads or distributed.cores_of_process()
            perceptual = find_perceptual(group.device) if recipe.train.perceptual_weight > 0 else None
            if recipe.train.perceptual_weight > 0 and perceptual is None and group.leads:
                shown.warn((f"the perceptual term is left out: {why_no_lpips()}.",))
            with TrainingView(shown.err, recipe.train.steps, minutes, visible=group.leads and not quiet) as view:
                for done in loop.train(
                    trainer, folder, minutes, group=group, threads=workers, perceptual=perceptual, stop=stop.is_set
                ):
                    view.show(done)
            if group.leads:
                weights = write_weights(trainer, folder)
                shown.say(f"{trainer.step} of {recipe.train.steps} steps done: {weights}")


@contextmanager
def _told_to_stop() -> Iterator[Event]:
    """Yield an event set by Ctrl-C or a job manager's signal, so that a step under way is finished first."""
    event = Event()
    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda *_: event.set()) for number in signals]
    try:
        yield event
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)


class TrainingView:
    """A three-line view of a run; draws nothing unless visible."""

    def __init__(self, console: Console, steps: int, minutes: float = math.inf, *, visible: bool):
        """`minutes` is when the run ends if its steps are not done by then, counted from now."""
        self._end_s = time.monotonic() + 60 * minutes
        self._live = Live(console=console, transient=False, auto_refresh=False)
        self._steps, self._visible = steps, visible
        self._running: dict[str, float] = {}
        self._scenes: int | None = None  # before the last step
        self._steps_seen = 0

    def __enter__(self) -> "TrainingView":
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()
        if self._steps_seen and not self._live.console.is_terminal:
            self._live.console.print()  # without redrawing, the last line is left open

    def show(self, step: "TrainStep") -> None:
        """Show one more step."""
        if not self._visible:
            return
        self._live.start()  # at the first step: a run that fails earlier draws nothing
        self._average(step)
        self._live.update(Group(*self._lines(step)), refresh=True)

    def _average(self, step: "TrainStep") -> None:
        """Update the running means, from which the first step drops out: it compiles, and rates need two steps."""
        new = {"loss": step.loss, "psnr": step.psnr, "total": step.seconds.total} | asdict(step.seconds)
        if self._scenes is not None:
            new["scenes"] = step.scenes - self._scenes
        self._scenes = step.scenes
        share = max(SMOOTHING, 1 / max(1, self._steps_seen))
        self._steps_seen += 1
        for name, value in new.items():
            before = self._running.get(name, value)
            self._running[name] = before + share * (value - before)

    def _lines(self, step: "TrainStep") -> tuple[Table, Text, Text]:
        figures = self._running
        bar = Table.grid(padding=(0, 1))
        steps_s, time_s = figures["total"] * (self._steps - step.step), max(0.0, self._end_s - time.monotonic())
        left = f"{duration(time_s)} of --minutes" if time_s < steps_s else duration(steps_s)
        bar.add_row(
            "training", ProgressBar(self._steps, step.step, width=20), f"{step.step}/{self._steps}", f"{left} left"
        )
        speed = f"{figures.get('scenes', 0) / max(figures['total'], 1e-9):.2f} scenes/s"
        quality = f"loss {figures['loss']:.4f}, {figures['psnr']:.2f} dB, {speed}, {step.scenes:,} scenes seen"
        shares = ", ".join(f"{part} {figures[part] / max(figures['total'], 1e-9):.0%}" for part in PARTS)
        return bar, Text(quality), Text(f"time: {shares}", style="dim")


def duration(seconds: float) -> str:
    """Format as hours, minutes and seconds: 1:02:03."""
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
