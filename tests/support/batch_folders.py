"""Small folders of photos for a batch, and the contents that two outputs must share."""

import json
import shutil
from pathlib import Path

from tests.cli.conftest import SAMPLES

SMALL = ("--quality", "draft", "--views", "3", "--size", "64")  # options that make a scene in a fraction of a second


def make_folders(root: Path, count: int) -> Path:
    """Make `count` copies of the posed sample, each less one photo, and one folder without any."""
    for index in range(count):
        folder = shutil.copytree(SAMPLES / "posed", root / f"scene {index}")
        (folder / "images" / f"{index + 1:03d}.jpg").unlink()
    (root / "empty").mkdir()
    return root


def content(out: Path) -> dict[str, object]:
    """Map file names to bytes, hidden files included, or to records without what differs by run and place."""
    files: dict[str, object] = {}
    for path in sorted(out.iterdir()):
        files[path.name] = path.read_bytes()
        if path.suffix == ".json":
            told = json.loads(path.read_bytes())
            files[path.name] = {k: v for k, v in told.items() if k not in ("timings_s", "photos", "photo_root")}
    return files
