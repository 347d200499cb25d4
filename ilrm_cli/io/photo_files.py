"""Discovery of photo and video files and of a project's photo folder, without opening any."""

import os
import re
from collections.abc import Iterable
from pathlib import Path

from ilrm_cli.runtime.errors import InputError

PLAIN_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".avif", ".tif", ".tiff"})
HEIC_SUFFIXES = frozenset({".heic", ".heif", ".hif"})
RAW_SUFFIXES = frozenset(
    {".dng", ".cr2", ".cr3", ".crw", ".nef", ".nrw", ".arw", ".sr2", ".raf", ".orf", ".rw2", ".pef", ".srw", ".3fr"}
)
SUFFIXES = PLAIN_SUFFIXES | HEIC_SUFFIXES | RAW_SUFFIXES
VIDEO_SUFFIXES = frozenset({".mp4", ".mov", ".mkv", ".avi", ".webm", ".m4v", ".mts", ".m2ts", ".3gp"})
PHOTO_FOLDERS = ("images", "input")  # of COLMAP, nerfstudio and 3DGS projects
MASK_FOLDERS = ("masks", "mask")


def photo_folder(folder: Path) -> Path:
    """Return a project's photo folder: its `images` or `input` subfolder if that has photos, else the folder itself."""
    for name in PHOTO_FOLDERS:
        if (folder / name).is_dir() and find_photos(folder / name):
            return folder / name
    return folder


def find_photos(folder: Path) -> list[Path]:
    """Return the photos of a folder in natural order, or those of all its subfolders if the folder itself has none.

    Hidden files and folders and folders of masks are ignored. Raises InputError for a name that is not UTF-8, which no
    record could hold.
    """
    return _find(folder, SUFFIXES)


def photos_passed_over(folder: Path) -> list[Path]:
    """Return the photos in subfolders that `find_photos` ignores because the folder itself has some."""
    found = find_photos(folder)
    return sorted(set(_below(folder, SUFFIXES)) - set(found), key=natural_order)


def find_videos(folder: Path) -> list[Path]:
    """Return the videos of a folder in natural order, or those of its subfolders if the folder itself has none."""
    return _find(folder, VIDEO_SUFFIXES)


def find_pictures(folder: Path) -> list[Path]:
    """Return the pictures in a folder of masks and below it, except hidden ones."""
    return _below(folder, SUFFIXES)


def _find(folder: Path, suffixes: frozenset[str]) -> list[Path]:
    directly = [path for path in folder.iterdir() if _is_one_of(path, suffixes, folder)]
    return sorted(directly or _below(folder, suffixes), key=natural_order)


def _below(folder: Path, suffixes: frozenset[str]) -> list[Path]:
    return [path for path in folder.rglob("*") if _is_one_of(path, suffixes, folder)]


def _is_one_of(path: Path, suffixes: frozenset[str], root: Path) -> bool:
    if path.suffix.lower() not in suffixes:
        return False
    *folders, name = path.relative_to(root).parts
    passed_over = any(part.startswith(".") or part == "__MACOSX" or part in MASK_FOLDERS for part in folders)
    if passed_over or name.startswith(".") or not path.is_file():
        return False
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        shown = os.fsencode(path).decode(errors="backslashreplace")
        raise InputError(
            f"the name {shown} is not in UTF-8, so no record could hold it; rename this file and others like it."
        ) from error
    return True


def converted_photos(root: Path, names: Iterable[str]) -> dict[str, str]:
    """Map names of missing photos to the photo found in place of each.

    That is the only one that differs in the suffix alone, as after a conversion of posed photos.
    """
    stems: dict[Path, dict[str, list[str]]] = {}  # folder -> stem -> names of photos
    found = {}
    for name in names:
        path = root / name
        if path.is_file():
            continue
        if path.parent not in stems:
            beside = stems[path.parent] = {}
            for photo in path.parent.iterdir() if path.parent.is_dir() else ():
                if _is_one_of(photo, SUFFIXES, path.parent):
                    beside.setdefault(photo.stem, []).append(photo.name)
        candidates = stems[path.parent].get(path.stem, [])
        if len(candidates) == 1:
            found[name] = Path(name).with_name(candidates[0]).as_posix()
    return found


def is_video(path: Path) -> bool:
    """Return whether this is a video file."""
    return path.suffix.lower() in VIDEO_SUFFIXES and path.is_file()


def natural_order(path: Path) -> tuple[tuple[int, int, str], ...]:
    """Return a sort key by which `frame_2` comes before `frame_10`."""
    parts = re.split(r"(\d+)", path.as_posix())
    return tuple((1, int(part), part) if part.isdecimal() else (0, 0, part) for part in parts)
