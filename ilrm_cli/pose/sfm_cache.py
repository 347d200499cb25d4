"""Cache of structure-from-motion models, by the content of the photos."""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from ilrm_cli.colmap_library import pycolmap
from ilrm_cli.geometry.views import LeftOut
from ilrm_cli.pose.colmap import load_reconstruction
from ilrm_cli.pose.sfm import SfmResult
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.files import scratch_folder

VERSION = 6  # raise it if the same photos would give a different model than before
CHUNK = 1 << 20  # bytes read at a time


def content_key(photos: Sequence[tuple[str, Path]], options: Mapping[str, object]) -> str:
    """Return the sha256 over names and bytes of all photos, the options and the version of pycolmap."""
    digest = hashlib.sha256(json.dumps([VERSION, pycolmap.__version__, options], sort_keys=True).encode())
    for name, path in photos:
        digest.update(f"\0{name}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
    return digest.hexdigest()


def load(cache: Path, key: str) -> SfmResult | None:
    """Load the model stored under this key; None if there is none or it is damaged."""
    entry = cache / "sfm" / key
    try:
        notes = json.loads((entry / "notes.json").read_text(encoding="utf-8"))
        left_out = tuple(LeftOut(name, reason) for name, reason in notes["left_out"])
        return SfmResult(load_reconstruction(entry), tuple(notes["warnings"]), left_out, tuple(notes["advice"]))
    except (OSError, ValueError, KeyError, InputError):
        return None


def store(cache: Path, key: str, result: SfmResult) -> None:
    """Store a model; it appears whole or not at all. Raises OSError if the cache folder cannot be written."""
    shelf = cache / "sfm"
    shelf.mkdir(parents=True, exist_ok=True)
    with scratch_folder(shelf) as new:
        result.model.write_binary(new)
        notes = {
            "warnings": result.warnings,
            "left_out": [(photo.name, photo.reason) for photo in result.left_out],
            "advice": result.advice,
            "pycolmap": pycolmap.__version__,
        }
        (new / "notes.json").write_text(json.dumps(notes, ensure_ascii=False, indent=1), encoding="utf-8")
        shutil.rmtree(shelf / key, ignore_errors=True)  # a damaged entry
        os.replace(new, shelf / key)
