"""Commands in processes of their own that a test kills, what may then lie in their folders, and what must not."""

import csv
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
import psutil
import pycolmap
import safetensors.torch
import torch
from PIL import Image

from ilrm_cli.runtime.files import PREFIX
from ilrm_cli.scene.checks import SUFFIXES, record_path
from ilrm_cli.scene.opened import read_shown_scene
from ilrm_cli.scene.record import read_record

ENDED_S = 30.0  # within which the helpers of a killed process have ended too
PROMISED = {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGINT: 130, signal.SIGHUP: 129}

# `ilrm`, but fits take few steps on small photos, the speeds that are measured are known beforehand, and it may kill
# itself before the n-th change in a folder.
LAUNCH = """
import atexit, dataclasses, importlib.util, os, sys
def tiny(fit):
    for key, effort in fit.EFFORTS.items():
        fit.EFFORTS[key] = dataclasses.replace(effort, steps=16, long_side_px=64)
def known(bench):
    from ilrm_cli.bench.figures import Findings
    from ilrm_cli.bench.timing import BenchRow
    found = Findings([BenchRow("job", 0.1, "unit", 0.5, limit=1.0)], {}, {"NOTES.md": b"notes"})
    bench.SUITES = {name: lambda **_: found for name in ("one", "two")}
class Changed:
    wanted = {"ilrm_cli.pipeline.optimize.fit": tiny, "ilrm_cli.bench": known}
    def find_spec(self, name, path=None, target=None):
        if name not in self.wanted:
            return None
        change = self.wanted.pop(name)
        spec = importlib.util.find_spec(name)
        execute = spec.loader.exec_module
        spec.loader.exec_module = lambda module: (execute(module), change(module))
        return spec
sys.meta_path.insert(0, Changed())
folder, left = os.environ.get("TEST_WATCHED"), int(os.environ.get("TEST_CHANGES", 0))
def changes(event, arguments):
    global left
    opened = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
    if opened or event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir"):
        if isinstance(arguments[0], (str, os.PathLike)) and os.path.abspath(arguments[0]).startswith(folder):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), 9)
if folder:
    sys.addaudithook(changes)
    atexit.register(lambda: print(f"changes: {-left}", file=sys.stderr))
from ilrm_cli.cli.app import run
run()
"""


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    status: int
    out: str
    err: str
    seconds: float
    sent: bool  # the signal, while it ran

    @property
    def changes(self) -> int:
        """The changes in the folder that was watched."""
        return int(self.err.rpartition("changes: ")[2])


class Place:
    """A folder for the outputs of commands, with a temporary folder and a cache for nobody else."""

    def __init__(self, root: Path):
        self.out, self.scratch, self.cache = root / "out", root / "scratch", root / "cache"
        self.scratch.mkdir(parents=True)

    def start(self, *words: str | Path, before: tuple[str, ...] = (), **variables: str) -> "subprocess.Popen[str]":
        """Start a command in a session of its own, where no signal is ignored."""
        own = {"TMPDIR": str(self.scratch), "ILRM_CACHE": str(self.cache), "TERM": "dumb", "NO_COLOR": "1"}
        own |= {"OMP_NUM_THREADS": "1"}  # other threads may be given a signal that is held while pycolmap is imported
        return subprocess.Popen(
            [*before, sys.executable, "-c", LAUNCH, *map(str, words)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | own | variables,
            start_new_session=True, preexec_fn=_usual_signals,
        )  # fmt: skip

    def run(self, *words: str | Path, sends: signal.Signals | None = None, after_s: float = 0.0, **more: Any) -> Ended:
        """Run a command to its end, or send it a signal after so many seconds."""
        begun_s, sent = time.monotonic(), False
        process = self.start(*words, **more)
        if sends is not None:
            try:
                process.wait(after_s)
            except subprocess.TimeoutExpired:
                process.send_signal(sends)
                sent = True
        try:
            out, err = process.communicate(timeout=240)
        finally:
            process.kill()
        seconds = time.monotonic() - begun_s
        self.wait_for_helpers(process.pid)
        return Ended(process.returncode, out, err, seconds, sent)

    def wait_for_helpers(self, session: int) -> None:
        """Require that no process of a session outlives it for long."""
        end_s = time.monotonic() + ENDED_S
        while left := _of_session(session):
            assert time.monotonic() < end_s, f"{left} still run"
            time.sleep(0.05)

    def empty_cache(self) -> None:
        shutil.rmtree(self.cache, ignore_errors=True)

    def hidden(self) -> list[str]:
        """Return what only a killed process may leave: everything in the temporary folder, and parts elsewhere."""
        parts = (path for folder in (self.out.parent, self.cache) for path in folder.rglob(f"{PREFIX}*"))
        return sorted({str(path) for path in (*self.scratch.iterdir(), *parts)})

    def visible(self) -> dict[str, str]:
        """Return the SHA-256 of all files below the output folder that are not hidden, by relative names."""
        files = (path for path in self.out.rglob("*") if path.is_file())
        named = {path.relative_to(self.out).as_posix(): path for path in files}
        shown = {name: path for name, path in named.items() if not name.startswith(".") and "/." not in name}
        return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in shown.items()}

    def require_whole(self) -> None:
        """Require that all that is visible can be read to its end, and that a scene has its own record."""
        for name, digest in self.visible().items():
            path = self.out / name
            read_to_its_end(path)
            if name.endswith(SUFFIXES) and not name.startswith("copy"):  # whose record tells of the original
                assert read_record(record_path(path)).ply_sha256 == digest, name


def _usual_signals() -> None:
    """Undo what a shell does to processes in its background."""
    for number in PROMISED:
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)


def _of_session(session: int) -> list[int]:
    found = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == session and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except (ProcessLookupError, psutil.Error):
            continue
    return found


def read_to_its_end(path: Path) -> None:
    """Raise an error if a file of any kind that we write is not complete."""
    kind = path.suffix
    if kind == ".json":
        json.loads(path.read_bytes())
    elif kind == ".md":
        assert path.read_text() == "notes"
    elif kind == ".jsonl":
        assert all(json.loads(line) for line in path.read_text().splitlines())
    elif kind == ".csv":
        assert len({len(row) for row in csv.reader(path.read_text().splitlines())}) == 1
    elif kind in SUFFIXES:
        assert len(read_shown_scene(path).file.gaussians)
    elif kind == ".html":
        assert path.read_text().rstrip().endswith("</html>")
    elif kind == ".mp4":
        assert imageio_ffmpeg.count_frames_and_secs(str(path))[0]
    elif kind in (".png", ".jpg"):
        Image.open(path).load()
    elif kind == ".npy":
        np.load(path)
    elif kind == ".bin":
        pycolmap.Reconstruction(path.parent)
    elif kind == ".safetensors":
        safetensors.torch.load_file(path)
    elif kind == ".pt":
        torch.load(path, weights_only=True)
    else:
        raise AssertionError(f"nobody expects {path}")
