"""A state of a fit that outlives its process, from which the same fit goes on to the same scene."""

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from ilrm_cli.pipeline.optimize.course import Begun, Leaving
from ilrm_cli.runtime.cache import cache_dir
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.files import replacing

KEEP_EVERY_S = 60.0  # between two states that are kept: at most a minute is lost, and short fits keep nothing
MOST_KEPT = 3  # states of killed fits in the cache, each of up to 0.3 GB (400,000 Gaussians, harmonics of degree 2)
SUFFIX = ".fit"


class KeptState:
    """A file in the cache with the state of a fit, for the same fit to go on from if its process is killed."""

    def __init__(self, path: Path | None, leaving: Leaving | None = None):
        """None: nothing is kept. `leaving` is told whenever there is a state."""
        self._path, self._begun_s = path, time.monotonic()
        self._leaving = leaving or Leaving()
        self._due_s = self._begun_s + KEEP_EVERY_S
        self.found = self._read()  # what an earlier process left; empty if there is none
        self._leaving.state = path if self.found else None
        self.spent_s: float = self.found.get("spent_s", 0.0)  # by earlier processes
        self.begun_at: Begun | None = self.found.get("begun_at")  # of the fit; None: nobody has told

    @property
    def done(self) -> int:
        """Number of steps that an earlier process had taken."""
        return self.found["fit"]["done"] if self.found else 0

    @property
    def plans(self) -> list[tuple[int, int]]:
        """The plans of an earlier process, see `Course`; none if there was none."""
        return self.found.get("plans", [])

    def _read(self) -> dict[str, Any]:
        if self._path is not None and self._path.is_file():
            with suppress(Exception):  # whatever a damaged file makes of its reader
                return dict(torch.load(self._path, weights_only=True))
        return {}

    def keep(self, state: Callable[[], Mapping[str, Any]]) -> None:
        """Keep the state if the last one is old enough; a cache that cannot be written keeps none."""
        now_s = time.monotonic()
        if self._path is None or now_s < self._due_s:
            return
        with suppress(OSError, InputError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            _make_room(self._path)
            with replacing(self._path) as part:
                spent_s = self.spent_s + now_s - self._begun_s
                torch.save({**state(), "spent_s": spent_s, "begun_at": self.begun_at}, part)
            self._leaving.state = self._path
        self._due_s = time.monotonic() + KEEP_EVERY_S

    def drop(self) -> None:
        """Remove the state of a fit that has ended."""
        self._leaving.state = None
        if self._path is not None:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)


def _make_room(path: Path) -> None:
    """Remove the oldest states of other fits, so that with this one there are MOST_KEPT."""
    others = set(path.parent.glob(f"*{SUFFIX}")) - {path}
    for file in sorted(others, key=lambda file: file.stat().st_mtime)[: len(others) + 1 - MOST_KEPT]:
        file.unlink(missing_ok=True)


def state_file(key: Sequence[object]) -> Path:
    """Return the file in the cache for the state of a fit that depends on the key alone, which holds JSON values."""
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode())
    for code in sorted(Path(__file__).parent.glob("*.py")):  # a state that other code left is another state
        digest.update(code.read_bytes())
    return cache_dir() / "fits" / f"{digest.hexdigest()}{SUFFIX}"
