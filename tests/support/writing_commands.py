"""Every command that writes, with small work for it, and one of them at work in a place of its own."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.cli.conftest import SAMPLES
from tests.support.batch_folders import make_folders
from tests.support.family import saved
from tests.support.heads import small_avatar, small_head
from tests.support.killed_commands import Ended, Place

SMALL = ("--views", "3", "--size", "64", "--no-auto-scale")
DRAFT = (*SMALL, "--quality", "draft", "--precision", "fp32")
FILM = ("--seconds", "1", "--fps", "8", "--size", "96x72")
PHOTOS = SAMPLES / "posed"
# Suffixes of files that are the same each time; threads of structure from motion add numbers in any order.
STEADY = (".ply", ".spz", ".png", ".npy")
Words = tuple[str | Path, ...]


@dataclass(frozen=True)
class Case:
    """A command that writes."""

    words: Callable[[Path, Path], Words]  # for an output folder, and one with what it starts from
    goes_on: bool = False  # the same words go on with what is there
    cold: bool = False  # what it keeps in the cache is removed before it starts over


CASES = {
    "reconstruct": Case(
        lambda out, _: (
            "reconstruct", PHOTOS, "-o", out / "scene.ply", *DRAFT, "--report", out / "report.html",
            "--report", out / "report.json", "--trace", out / "trace.png",
        )
    ),
    "fit": Case(lambda out, _: ("reconstruct", PHOTOS, "-o", out / "s.ply", *SMALL, "--preview", out / "p.jpg")),
    "refine": Case(lambda out, start: ("refine", start / "s.ply", "-o", out / "t.spz", "--preview", out / "p.png")),
    "film": Case(
        lambda out, start: ("render", start / "s.ply", "-o", out / "f.mp4", *FILM, "--save-path", out / "c.json")
    ),
    "frames": Case(lambda out, start: ("render", start / "s.ply", "-o", out / "frames", *FILM)),
    "export": Case(lambda out, start: ("export", start / "s.ply", "-o", out / "copy.spz")),
    "depth": Case(lambda out, start: ("export", start / "s.ply", "-o", out / "depth")),
    "mesh": Case(
        lambda out, start: ("mesh", start / "s.ply", "-o", out / "mesh.ply", "--resolution", "24", "--faces", "500")
    ),
    "page": Case(lambda out, start: ("export", start / "s.ply", "-o", out / "page.html")),
    "pose": Case(lambda out, _: ("pose", PHOTOS, "--poses", "sfm", "-o", out / "posed"), cold=True),
    "synth": Case(lambda out, _: ("synth", out, "-n", "2", "--views", "2", "--size", "48", "--samples", "1")),
    "heads": Case(lambda out, _: ("synth", out, "--heads", "-n", "2", "--size", "32")),
    "animate": Case(
        lambda out, start: (
            "animate", start / "head" / "head.json", start / "head" / "expressions.json", "-o", out / "f.mp4",
            "--model", start / "tiny.safetensors", "--size", "64",
        )
    ),
    "train": Case(lambda out, _: ("train", out, "--preset", "tiny", "--threads", "1", "--steps", "12"), goes_on=True),
    "evaluate": Case(lambda out, _: ("evaluate", PHOTOS, "-o", out, "--views", "2", "--size", "64", "--no-baselines")),
    "batch": Case(
        lambda out, start: (
            "batch", f"{start}/photos/*", "-o", f"{out}/{{name}}.ply", *DRAFT, "--summary", out / "l.jsonl",
        ),
        goes_on=True,
    ),
    "bench": Case(lambda out, _: ("bench", "one", "two", "-o", out / "bench"), goes_on=True),
    "replay": Case(lambda out, start: ("replay", start / "s.ply", "-o", out / "again.ply")),
}  # fmt: skip


def make_start(root: Path) -> Path:
    """Make what commands start from: a fitted scene, and two folders of photos."""
    place = Place(root)
    done = place.run(*CASES["fit"].words(place.out, place.out))
    assert done.status == 0, done.err
    shutil.rmtree(make_folders(place.out / "photos", 2) / "empty")
    saved(small_avatar(), place.out)
    small_head(place.out / "heads").rename(place.out / "head")
    return place.out


class Trial:
    """One command in a place of its own, once left alone, to be disturbed and run again."""

    def __init__(self, name: str, start: Path, root: Path):
        self.case, self.place, self._start = CASES[name], Place(root), start
        self.words = self.case.words(self.place.out, start)
        self.whole = self.again(TEST_WATCHED=str(self.place.out))
        self.files = self.place.visible()
        self.bytes = sum((self.place.out / name).stat().st_size for name in self.files)
        self.require_all()

    def again(self, *more: str, **variables: str) -> Ended:
        """Run the command, which must succeed."""
        done = self.place.run(*self.words, *more, **variables)
        assert done.status == 0, done.err
        return done

    def move(self, out: Path) -> None:
        """Let it write elsewhere from now on."""
        self.place.out, self.words = out, self.case.words(out, self._start)

    def start_over(self) -> None:
        """Remove what it made."""
        shutil.rmtree(self.place.out, ignore_errors=True)
        if self.case.cold:
            shutil.rmtree(self.place.cache, ignore_errors=True)

    def run_after(self) -> None:
        """Require that the same command makes the same files, whatever was left behind; -w where there are some."""
        self.again(*(("-w",) if self.outputs() and not self.case.goes_on else ()))
        self.require_all()

    def outputs(self) -> set[str]:
        """Return the names of visible files, but for a record without its scene, which is none."""
        there = self.place.visible().keys()
        return {name for name in there if not name.endswith(".json") or len(there) > 1 or len(self.files) == 1}

    def require_all(self) -> None:
        """Require that all files are there, whole and as they were at first, and nothing hidden."""
        there = self.place.visible()
        assert there.keys() == self.files.keys()
        steady = [name for name in self.files if name.endswith(STEADY)]
        assert [there[name] for name in steady] == [self.files[name] for name in steady]
        self.place.require_whole()
        assert self.place.hidden() == []
