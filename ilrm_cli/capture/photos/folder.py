"""What a project folder holds by the names of files alone: photos, videos, masks and poses.

Nothing is opened, and nothing heavy is imported.
"""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
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

MODEL_PLACES = ("sparse", ".", "colmap/sparse", "distorted/sparse", "dense/sparse", "undistorted/sparse")
MODEL_SUFFIXES = (".bin", ".txt")
TRANSFORMS_NAMES = ("transforms.json", "transforms_train.json")  # nerfstudio and instant-ngp; NeRF's Blender scenes
MIN_PHOTOS = 3  # for structure from motion: two photos agree by chance too easily


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


def find_model(folder: Path) -> Path | None:
    """Return the folder of a project's COLMAP model, or None.

    Searched in `sparse/0`, `sparse`, the folder itself and where common tools put it; among the numbered models of one
    place the one with the largest image list is chosen. For a folder named `images` or `input` its parent is searched
    too.
    """
    roots = [folder, folder.parent] if folder.name in ("images", "input") else [folder]
    for root in roots:
        for place in MODEL_PLACES:
            base = root / place
            if not base.is_dir():
                continue
            models = [base] if is_model(base) else [path for path in sorted(base.iterdir()) if is_model(path)]
            if models and (place != "." or models == [base]):
                return max(models, key=_images_file_size)
    return None


def is_model(folder: Path) -> bool:
    """Return whether a folder holds the files of a COLMAP model."""
    return any(
        all((folder / f"{part}{suffix}").is_file() for part in ("cameras", "images")) for suffix in MODEL_SUFFIXES
    )


def _images_file_size(model: Path) -> int:
    return max(
        (model / f"images{suffix}").stat().st_size for suffix in MODEL_SUFFIXES if (model / f"images{suffix}").exists()
    )


def find_transforms(folder: Path) -> Path | None:
    """Return the transforms file of a project folder, or None."""
    return next((folder / name for name in TRANSFORMS_NAMES if (folder / name).is_file()), None)


def find_mask(root: Path, name: str) -> Path | None:
    """Return the mask of the photo `name` below `root`, or None.

    Searched in a folder `masks` or `mask` in `root` and, by the file's name alone, in the folder of the photo; and if
    one of these two is named `images` or `input`, or like reduced copies `images_4`, also beside it. The mask is named
    as COLMAP expects, `name.jpg.png`, or `name.png`, or exactly as the photo.
    """
    return next(
        (file for folder, inside in _places(root, name) for file in _named(folder, inside) if file.is_file()), None
    )


def masks_without_photo(root: Path, names: Iterable[str]) -> list[Path]:
    """Return the pictures in these photos' mask folders that are not the mask of any of the photos."""
    places = {place for name in names for place in _places(root, name)}
    known = {file for folder, inside in places for file in _named(folder, inside)}
    there = {file for folder in {folder for folder, _ in places} for file in find_pictures(folder)}
    return sorted(there - known, key=natural_order)


def _places(root: Path, name: str) -> list[tuple[Path, Path]]:
    """Return (existing folder of masks, path of the photo relative to it), in order of precedence."""
    photo, home = Path(name), (root / name).parent
    places = [(place, photo) for place in _with_sibling(root)]
    places += [(place, Path(photo.name)) for place in _with_sibling(home) if home != root]
    return [
        (place / folder, inside) for place, inside in places for folder in MASK_FOLDERS if (place / folder).is_dir()
    ]


def _named(folder: Path, photo: Path) -> tuple[Path, ...]:
    """Return the possible paths of a photo's mask in a folder."""
    return tuple(folder / name for name in (photo.with_name(f"{photo.name}.png"), photo.with_suffix(".png"), photo))


def _with_sibling(folder: Path) -> list[Path]:
    """Return the folder, and its parent if the folder holds the photos of a project."""
    holds_photos = folder.name in PHOTO_FOLDERS or folder.name.startswith("images_")
    return [folder, folder.parent] if holds_photos else [folder]


@dataclass(frozen=True)
class VideoChoice:
    """The options for choosing a video's frames."""

    fps: float | None = None  # frames per second of video; None: as many as the camera's motion requires
    max_frames: int = 100  # limit over all videos together
