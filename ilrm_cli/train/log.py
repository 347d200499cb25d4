"""The log of a run: JSON lines always, TensorBoard where it is installed, and a picture of how far the run is."""

import contextlib
import importlib.util
import io
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image

from ilrm_cli.geometry.backdrop import before_backdrop
from ilrm_cli.models.base import Network
from ilrm_cli.render.rasterize import render, to_uint8
from ilrm_cli.runtime.alone import alone_in
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.files import atomic_write
from ilrm_cli.runtime.json_values import parsed_json
from ilrm_cli.train.samples import Sample
from ilrm_cli.train.step import TrainStep

LOG_FILE = "log.jsonl"  # one object per step
TENSORBOARD_FOLDER = "tensorboard"

PREVIEW_FILE = "preview.png"
GAP_PX = 2  # white, between pictures


class Record:
    """The log of the run in `folder`, for appending; lines of steps that a resumed run repeats are dropped first.

    Raises InputError if another process appends to it.
    """

    def __init__(self, folder: Path, step: int, *, active: bool = True):
        self._file = self._board = None
        self._alone = contextlib.ExitStack()
        if not active:
            return
        path = folder / LOG_FILE
        self._alone.enter_context(alone_in(folder))
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
        self._alone.close()

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


def _lines_until(path: Path, step: int) -> list[str]:
    """Return the complete lines of steps up to `step`; the last line may be cut by a kill."""
    if not path.is_file():
        return []
    whole = [line for line in path.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("\n")]
    try:
        return [line for line in whole if parsed_json(line)["step"] <= step]
    except (ValueError, LookupError, TypeError) as error:
        raise InputError(f"the log {path} is damaged; train into another folder.") from error


def _tensorboard(folder: Path, step: int) -> Any:
    if importlib.util.find_spec("tensorboard") is None:
        return None
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder), purge_step=step + 1)


@torch.no_grad()
def preview(model: Network, sample: Sample) -> UInt8[ndarray, "height width 3"]:
    """Render one row per target: ground truth | ours."""
    gaussians = model([sample.inputs], [sample.depth_range])[0]
    if model.capabilities.backdrop:
        gaussians = before_backdrop(gaussians, sample.inputs, sample.depth_range)
    ours = render(gaussians, sample.targets.cameras).color
    pairs = torch.nn.functional.pad(torch.stack([sample.targets.images, ours], dim=1), (0, GAP_PX, 0, GAP_PX), value=1)
    rows = pairs.permute(0, 3, 1, 4, 2).flatten(2, 3).flatten(0, 1)  # [T*H, 2*W, 3]
    return to_uint8(rows)


def write_preview(model: Network, sample: Sample, folder: Path) -> None:
    """Write the preview into the run's folder, replacing the previous one."""
    encoded = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(preview(model, sample))).save(encoded, format="PNG")
    atomic_write(folder / PREVIEW_FILE, encoded.getvalue())
