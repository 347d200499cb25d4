"""Locations of captures, found by file names alone; imports nothing heavy."""

from pathlib import Path

from ilrm_cli.capture.photos.listing import Listing, find_model, find_transforms
from ilrm_cli.runtime.errors import InputError

INSIDE = ("nerfstudio", "gaussian_splat")  # where DL3DV's benchmark keeps a scene, below its hash
CHUNK_SUFFIX = ".torch"  # of RE10K


def training_places(root: Path) -> list[Path]:
    """Return RE10K training chunks if there are any, else `find_posed_folders`. Raises InputError."""
    return sorted((root / "train").glob(f"*{CHUNK_SUFFIX}")) or find_posed_folders(root)


def find_posed_folders(root: Path) -> list[Path]:
    """Return the folders with cameras at or below `root`, in order of path, without looking below such a folder.

    Raises InputError if there are none.
    """
    check_root(root)
    found = _posed_at_or_below(root, Listing())
    if not found:
        raise InputError(f"{root} holds no scene with a COLMAP model or a transforms.json; give another folder.")
    return found


def check_root(root: Path) -> None:
    """Raise InputError quickly if this is not a folder, before a long search."""
    if not root.is_dir():
        raise InputError(f"{root} is not a folder; give the folder that holds the scenes.")


def _posed_at_or_below(folder: Path, listing: Listing) -> list[Path]:
    inner = [folder / name for name in INSIDE if (folder / name).is_dir()]
    for place in (folder, *inner):  # the benchmark has the same scene in two formats: the first one suffices
        if find_transforms(place) is not None or find_model(place, listing) is not None:
            return [place]
    below = (path for path in listing.folders(folder) if not path.name.startswith("."))
    return [scene for path in below for scene in _posed_at_or_below(path, listing)]
