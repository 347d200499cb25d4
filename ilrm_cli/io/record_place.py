"""Where the record of a scene lies and how it names the photos; nothing heavy is imported."""

import json
import os
from pathlib import Path


def record_path(scene: Path) -> Path:
    """Where the record of a scene lies: `scene.ply`, `scene.spz` and `scene.compressed.ply` have `scene.json`."""
    name = scene.stem if scene.suffix else scene.name
    if scene.suffix.lower() == ".ply" and name.lower().endswith(".compressed"):
        name = name[: -len(".compressed")]
    return scene.with_name(f"{name}.json")


def photos_as_recorded(photos: Path, record_file: Path) -> str:
    """The place of the photos as a record of that path names it.

    Photos below the record's folder, or below the folder that holds it, are named relative to the record, so that
    they may move together; others by their absolute path.
    """
    place, folder = Path(os.path.abspath(photos)), Path(os.path.abspath(record_file)).parent
    near = folder if folder.parent == Path(folder.anchor) else folder.parent  # everything lies below the root
    return Path(os.path.relpath(place, folder)).as_posix() if place.is_relative_to(near) else place.as_posix()


def is_record(path: Path) -> bool:
    """Whether the file is a scene's record, of any format and state: something that ilrm wrote."""
    try:
        content = json.loads(path.read_bytes())
    except ValueError:
        return False
    return isinstance(content, dict) and {"format", "ilrm"} <= content.keys()
