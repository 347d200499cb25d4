"""Whether a place can be reconstructed or a posed folder be written, as far as names of files tell.

Nothing heavy is imported.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from ilrm_cli.capture.photos.folder import (
    MASK_FOLDERS,
    MIN_PHOTOS,
    PHOTO_FOLDERS,
    SUFFIXES,
    VIDEO_SUFFIXES,
    find_model,
    find_photos,
    find_transforms,
    find_videos,
    is_video,
    photo_folder,
)
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.files import refuse_link

Origin = Literal["auto", "colmap", "transforms", "sfm"]  # of poses
MIN_VIEWS = 2  # one photo has no parallax

IMAGES = "images"
MODEL = "sparse/0"
MASKS = "masks"
CARD = "pose_card.json"  # which no other tool writes
WRITTEN = frozenset({IMAGES, MASKS, "sparse", "transforms.json", CARD})  # all entries of such a folder


def check_place(place: Path, poses: Origin = "auto", camera: str | None = None) -> None:
    """Raise InputError if `gather` cannot use a place, or if --camera conflicts with poses; uses file names alone."""
    if not place.is_dir() and not is_video(place):
        what = "is not a folder" if place.exists() else "does not exist"
        raise InputError(f"{place} {what}; give the folder that holds the photos, or a video.")
    if any(find_poses(place, poses)):
        if camera is not None:
            raise InputError(f"{place} has poses with their own cameras, so --camera does not apply; add --poses sfm.")
        return
    if poses == "colmap":
        raise InputError(f"{place} holds no COLMAP model (sparse/0 with cameras and images); use --poses auto.")
    if poses == "transforms":
        raise InputError(f"{place} holds no transforms.json; use --poses auto.")
    check_photos(place)


def find_poses(place: Path, poses: Origin) -> tuple[Path | None, Path | None]:
    """Return the folder of a COLMAP model or else the transforms.json, if allowed by `poses`."""
    if not place.is_dir():
        return None, None
    model = find_model(place) if poses in ("auto", "colmap") else None
    return model, find_transforms(place) if poses in ("auto", "transforms") and model is None else None


def check_photos(place: Path) -> None:
    """Raise InputError if a folder has no photos or videos, or too few photos for `find_photo_set`, by names alone."""
    if is_video(place):
        return
    root = photo_folder(place)
    found = find_photos(root)
    if not found and not find_videos(root):
        raise InputError(
            f"{place} holds no photo (JPEG, PNG, WebP, TIFF, AVIF, HEIC or camera RAW) and no video; "
            "give the folder that holds them."
        )
    if 0 < len(found) < MIN_PHOTOS:
        raise too_few(place, len(found), ".")


def too_few(place: Path, count: int, why: str) -> InputError:
    """Return the error for fewer photos than MIN_PHOTOS."""
    photos = ("no photo", "only one photo", "only two photos")[count]
    return InputError(f"{place} holds {photos} that can be used; three that overlap are the least without poses{why}")


def check_views(views: int | None, place: Path | None = None) -> None:
    """Raise InputError if the number of inputs is too small for a scene, or exceeds the photos of the place."""
    if views is None:
        return
    if views < MIN_VIEWS:
        raise InputError(f"--views {views}: a scene needs at least {MIN_VIEWS} photos.")
    if place is not None and place.is_dir() and 0 < (found := len(find_photos(photo_folder(place)))) < views:
        there = f"{found} photos there are" if found > 1 else "one photo there is"
        raise InputError(f"--views {views} is more than the {there}; ask for fewer.")


def input_files(place: Path) -> list[Path]:
    """Return all files that a scene of this folder, or video, can depend on.

    These are all photos and masks below the folder, or its videos if there is no photo, and the files of the poses.
    """
    if is_video(place):
        return [place]
    visible = [p for p in place.rglob("*") if not any(part.startswith(".") for part in p.relative_to(place).parts)]
    photos = [path for path in visible if path.suffix.lower() in SUFFIXES]
    files = photos or [path for path in visible if path.suffix.lower() in VIDEO_SUFFIXES]
    if place.name in PHOTO_FOLDERS:  # the masks of such a folder may lie beside it
        files += [path for name in MASK_FOLDERS for path in (place.parent / name).rglob("*")]
    if (model := find_model(place)) is not None:
        files += [path for path in model.iterdir() if path.suffix in (".bin", ".txt")]
    if (transforms := find_transforms(place)) is not None:
        files.append(transforms)
    return sorted({path for path in files if path.is_file()})


def refuse_inputs(place: Path, outputs: Iterable[Path]) -> None:
    """Raise InputError where an output would replace one of the `input_files` of a place, also with -w."""
    there = [path for path in outputs if path.is_file()]
    inputs = {path.resolve() for path in input_files(place)} if there else set()
    for output in there:
        if output.resolve() in inputs:
            raise InputError(f"{output} is read as an input from {place}; choose another name for the output.")


def check_output_folder(output: Path, photos: Path, overwrite: bool) -> None:
    """Raise InputError, before the long work begins, if the folder cannot be written or has content not ours."""
    if not output.absolute().parent.is_dir():
        raise InputError(f"the folder {output.absolute().parent} of the output does not exist; create it first.")
    if not os.access(output.absolute().parent, os.W_OK | os.X_OK):
        raise InputError(f"the folder {output.absolute().parent} is not writable; choose another --output.")
    refuse_link(output)
    if not output.exists():
        return
    if not output.is_dir():
        raise InputError(f"the output {output} is a file; name a folder.")
    held = {path.name for path in output.iterdir()}
    if held and (not held <= WRITTEN or CARD not in held):
        raise InputError(f"{output} holds more than poses written by ilrm; choose another --output.")
    refuse_inputs_inside(output, [photos])
    if held and not overwrite:
        raise InputError(f"{output} exists; pass -w to overwrite it.")


def refuse_inputs_inside(output: Path, inputs: Iterable[Path]) -> None:
    """Raise InputError if an input lies in the folder that would be replaced."""
    for path in inputs:
        if path.resolve().is_relative_to(output.resolve()):
            raise InputError(f"{output} holds {path}, which is read; choose another --output.")
