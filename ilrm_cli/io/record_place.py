"""Path of a scene's record, and the notation of its photo folder; imports nothing heavy."""

import json
import os
from pathlib import Path


def record_path(scene: Path) -> Path:
    """Return the path of a scene's record: `scene.json` for `scene.ply`, `scene.spz` and `scene.compressed.ply`."""
    name = scene.stem if scene.suffix else scene.name
    if scene.suffix.lower() == ".ply" and name.lower().endswith(".compressed"):
        name = name[: -len(".compressed")]
    return scene.with_name(f"{name}.json")


def photos_as_recorded(photos: Path, record_file: Path) -> str:
    """Return the location of the photos as the record at that path states it.

    Photos below the record's folder, or below its parent, are named relative to the record, so that they can be moved
    together; others by their absolute path.
    """
    place, folder = Path(os.path.abspath(photos)), Path(os.path.abspath(record_file)).parent
    near = folder if folder.parent == Path(folder.anchor) else folder.parent  # everything is below the root
    return Path(os.path.relpath(place, folder)).as_posix() if place.is_relative_to(near) else place.as_posix()


def is_record(path: Path) -> bool:
    """Return whether the file is a scene's record of any format version, even a damaged one."""
    try:
        content = json.loads(path.read_bytes())
    except ValueError:
        return False
    return isinstance(content, dict) and {"format", "ilrm"} <= content.keys()
