"""Checks of a collection's folder and picture size that import nothing heavy."""

import os
from pathlib import Path

from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.files import refuse_link

SMALLEST_PX = 8  # of the shorter side
RECORD_NAME = "scene.json"
WRITTEN = frozenset({"images", "sparse", "depth", "normals", RECORD_NAME})  # all entries of a scene's folder


def picture_size(aspect: str, long_side_px: int) -> tuple[int, int]:
    """Return (width, height) in px for an aspect such as "4:3"; raise InputError if it is invalid."""
    parts = aspect.split(":")
    if len(parts) != 2 or not all(part.isdigit() and int(part) for part in parts):
        raise InputError(f"--aspect {aspect} is not width:height; use 4:3, 1:1, 16:9 or the like.")
    wide, tall = map(int, parts)
    sides = (round(long_side_px * side / max(wide, tall)) for side in (wide, tall))
    width, height = (max(side, 1) for side in sides)
    if min(width, height) < SMALLEST_PX:
        raise InputError(f"--aspect {aspect} at --size {long_side_px} leaves less than {SMALLEST_PX} px; use more.")
    return width, height


def check_folder(out: Path, overwrite: bool) -> None:
    """Raise InputError if scenes cannot be written into the folder."""
    refuse_link(out)
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; name a folder for the scenes.")
    if out.is_dir() and any(out.iterdir()) and not overwrite:
        raise InputError(f"{out} holds files already; pass -w to replace scenes there, or name a new folder.")
    parent = out if out.is_dir() else out.parent
    if not parent.is_dir():
        state = "is not a folder" if parent.exists() else "does not exist; create it first"
        raise InputError(f"the folder {parent} of the output {state}.")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise InputError(f"the folder {parent} is not writable; choose another place.")


def check_scene_folder(folder: Path) -> None:
    """Raise InputError if a scene's folder exists and holds anything that no scene of ours does."""
    refuse_link(folder)
    if not folder.exists():
        return
    held = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if not (RECORD_NAME in held and held <= WRITTEN):
        raise InputError(f"{folder} is not a scene written by ilrm and would be replaced; name another folder.")
