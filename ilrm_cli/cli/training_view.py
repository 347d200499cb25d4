"""The live view of a training run: progress, quality, speed, and where the time goes."""

from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from ilrm_cli.train.step import TrainStep

SMOOTHING = 0.02  # minimum weight of the newest step in running means
PARTS = ("data", "model", "rendering", "optimizer")  # parts of a step's time


class TrainingView:
    """A three-line view of a run; draws nothing unless visible."""

    def __init__(self, console: Console, steps: int, *, visible: bool):
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
        left = duration(figures["total"] * (self._steps - step.step))
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
