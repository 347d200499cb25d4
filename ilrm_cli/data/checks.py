"""Where captures lie, and where made-up scenes may be written, by file names alone; imports nothing heavy."""

from pathlib import Path

from ilrm_cli.capture.photos.listing import Listing
from ilrm_cli.capture.photos.project_models import find_model, find_transforms
from ilrm_cli.data.synthetic.heads.config import EXPRESSIONS_NAME, HEAD_NAME
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.files import PREFIX, check_folder_of, refuse_link

INSIDE = ("nerfstudio", "gaussian_splat")  # where DL3DV's benchmark keeps a scene, below its hash
CHUNK_SUFFIX = ".torch"  # of RE10K
SMALLEST_PX = 8  # of the shorter side of a picture
RECORD_NAME = "scene.json"
WRITTEN = frozenset({"images", "sparse", "depth", "normals", RECORD_NAME})  # all entries of a scene's folder
# All entries of a head's folder.
OF_A_HEAD = frozenset(
    {"images", "positions", "confidence", "transforms.json", HEAD_NAME, EXPRESSIONS_NAME, RECORD_NAME}
)


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
    held = [path for path in out.iterdir() if not path.name.startswith(PREFIX)] if out.is_dir() else []
    if held and not overwrite:
        raise InputError(f"{out} holds files already; pass -w to replace scenes there, or name a new folder.")
    check_folder_of(out / RECORD_NAME)


def check_scene_folder(folder: Path) -> None:
    """Raise InputError if a scene's folder exists and holds anything that no scene of ours does."""
    _check_own(folder, WRITTEN)


def check_head_folder(folder: Path) -> None:
    """Raise InputError if a head's folder exists and holds anything that no head of ours does."""
    _check_own(folder, OF_A_HEAD)


def _check_own(folder: Path, written: frozenset[str]) -> None:
    refuse_link(folder)
    if not folder.exists():
        return
    held = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if not (RECORD_NAME in held and held <= written):
        raise InputError(f"{folder} is not a scene written by ilrm and would be replaced; name another folder.")
