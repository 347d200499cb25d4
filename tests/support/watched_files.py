"""Count how often a run lists folders."""

import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LISTINGS = ("os.scandir", "os.listdir")  # Python's own events: everything that lists a folder raises one of them


@dataclass
class Seen:
    """What was done with the files at and below one folder."""

    place: Path
    listings: Counter[str] = field(default_factory=Counter)  # by the path relative to the place


_watched: list[Seen] = []


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _watched and event in LISTINGS and isinstance(arguments[0], str | bytes | os.PathLike):
        path = Path(os.path.abspath(os.fsdecode(arguments[0])))
        for seen in _watched:
            if path.is_relative_to(seen.place):
                seen.listings[path.relative_to(seen.place).as_posix()] += 1


sys.addaudithook(_hook)  # which can never be removed


@contextmanager
def watched(place: Path) -> Iterator[Seen]:
    """Count for as long as the context lasts, in this process."""
    seen = Seen(Path(os.path.abspath(place)))
    _watched.append(seen)
    try:
        yield seen
    finally:
        _watched.remove(seen)
