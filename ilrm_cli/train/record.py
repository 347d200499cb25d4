"""The log of a run: JSON lines always, TensorBoard if installed."""

import importlib.util
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ilrm_cli.runtime.files import atomic_write
from ilrm_cli.train.step import TrainStep

LOG_FILE = "log.jsonl"  # one object per step
TENSORBOARD_FOLDER = "tensorboard"


class Record:
    """The log of the run in `folder`, for appending; lines of steps that a resumed run repeats are dropped first."""

    def __init__(self, folder: Path, step: int, *, active: bool = True):
        self._file = self._board = None
        if not active:
            return
        path = folder / LOG_FILE
        atomic_write(path, "".join(_lines_until(path, step)).encode())
        self._file = path.open("a", encoding="utf-8")
        self._board = _tensorboard(folder / TENSORBOARD_FOLDER, step)

    def __enter__(self) -> "Record":
        return self

    def __exit__(self, *_: object) -> None:
        if self._file:
            self._file.close()
        if self._board:
            self._board.close()

    def add(self, step: TrainStep) -> None:
        """Append one line, flushed at once."""
        if self._file:
            self._file.write(json.dumps(asdict(step)) + "\n")
            self._file.flush()
        if self._board:
            scalars = {"loss": step.loss, "psnr": step.psnr, "learning_rate": step.learning_rate}
            shares = {f"time/{part}": share for part, share in step.seconds.shares().items()}
            for name, value in (scalars | shares).items():
                self._board.add_scalar(name, value, step.step)


def read_log(folder: Path) -> list[dict[str, Any]]:
    """Return the steps of a run so far, in order."""
    return [json.loads(line) for line in (folder / LOG_FILE).read_text(encoding="utf-8").splitlines()]


def _lines_until(path: Path, step: int) -> list[str]:
    """Return the complete lines of steps up to `step`; the last line may be cut by a kill."""
    if not path.is_file():
        return []
    whole = [line for line in path.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("\n")]
    return [line for line in whole if json.loads(line)["step"] <= step]


def _tensorboard(folder: Path, step: int) -> Any:
    if importlib.util.find_spec("tensorboard") is None:
        return None
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder), purge_step=step + 1)
