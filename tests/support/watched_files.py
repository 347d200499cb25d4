"""Count how often a run lists folders, opens their files, hashes them and decodes photos."""

import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from PIL import ImageFile

from ilrm_cli.runtime import cache

LISTINGS = ("os.scandir", "os.listdir")  # Python's own events: everything that lists a folder raises one of them


@dataclass
class Seen:
    """What was done with the files and folders at and below one folder, by their paths relative to it."""

    place: Path
    listings: Counter[str] = field(default_factory=Counter)
    opened: Counter[str] = field(default_factory=Counter)
    hashed: Counter[str] = field(default_factory=Counter)
    decoded: Counter[str] = field(default_factory=Counter)

    def note(self, counts: Counter[str], path: Any) -> None:
        """Count the path if it lies here."""
        if isinstance(path, str | bytes | os.PathLike):
            absolute = Path(os.path.abspath(os.fsdecode(path)))
            if absolute.is_relative_to(self.place):
                counts[absolute.relative_to(self.place).as_posix()] += 1


_watched: list[Seen] = []


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    for seen in _watched if event in LISTINGS or event == "open" else ():
        seen.note(seen.opened if event == "open" else seen.listings, arguments[0])


sys.addaudithook(_hook)  # which can never be removed


@contextmanager
def watched(place: Path) -> Iterator[Seen]:
    """Count for as long as the context lasts, in this process."""
    seen = Seen(Path(os.path.abspath(place)))
    hashing, decoding = cache.sha256_of, ImageFile.ImageFile.load_prepare

    def hashed(path: Path) -> str:
        seen.note(seen.hashed, path)
        return hashing(path)

    def decoded(
        image: ImageFile.ImageFile,
    ) -> None:  # called where a file's pixels are decoded, not where they are held
        seen.note(seen.decoded, getattr(image.fp, "name", image.filename))  # photos are opened as streams
        decoding(image)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cache, "sha256_of", hashed)
        patch.setattr(ImageFile.ImageFile, "load_prepare", decoded)
        _watched.append(seen)
        try:
            yield seen
        finally:
            _watched.remove(seen)
