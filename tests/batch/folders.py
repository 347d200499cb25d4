"""Small folders of photos for a batch, and what must be the same of two outputs."""

import json
import shutil
from pathlib import Path

from tests.cli.conftest import SAMPLES

SMALL = ("--views", "3", "--size", "64")  # options that make a scene in a fraction of a second


def make_folders(root: Path, count: int) -> Path:
    """So many copies of the posed sample, each less one photo, and one folder without any."""
    for index in range(count):
        folder = shutil.copytree(SAMPLES / "posed", root / f"scene {index}")
        (folder / "images" / f"{index + 1:03d}.jpg").unlink()
    (root / "empty").mkdir()
    return root


def content(out: Path) -> dict[str, object]:
    """File name -> bytes, or the record without what differs from run to run and place to place; hidden files too."""
    files: dict[str, object] = {}
    for path in sorted(out.iterdir()):
        files[path.name] = path.read_bytes()
        if path.suffix == ".json":
            files[path.name] = {
                k: v for k, v in json.loads(path.read_bytes()).items() if k not in ("timings_s", "photos")
            }
    return files
