"""What identifies the input of a scene: the content of its photos, masks and pose files."""

import hashlib
import os
from pathlib import Path

import numpy as np

from ilrm_cli.errors import InputError
from ilrm_cli.hashing import input_sha256
from ilrm_cli.io.photo_files import MASK_FOLDERS, PHOTO_FOLDERS, SUFFIXES, VIDEO_SUFFIXES, is_video
from ilrm_cli.pose.pose_files import find_model, find_transforms
from ilrm_cli.threads import in_threads
from ilrm_cli.views import Capture


def inputs_sha256(place: Path, camera: str | None = None) -> str:
    """SHA-256 over the names and bytes of all that a scene of this folder, or video, can depend on.

    These are all photos and masks below the folder, or its videos if there is no photo, and the files of the poses.
    Anything else may come and go, such as a scene that is written beside the photos. `camera` is what is known of the
    lens; it counts if it is a file. Raises InputError if a file cannot be read.
    """
    try:
        files = [place] if is_video(place) else _files(place)
        files += [Path(camera)] if camera is not None and Path(camera).is_file() else []
        hashes = in_threads(input_sha256, files)
    except OSError as error:
        raise InputError(f"{error.filename or place} cannot be read: {error.strerror}.") from error
    digest = hashlib.sha256()
    for file, sha256 in zip(files, hashes, strict=True):
        digest.update(os.fsencode(_name(file, place)) + f"\0{sha256}\0".encode())
    return digest.hexdigest()


def poses_sha256(capture: Capture) -> str:
    """SHA-256 over the names, poses and lenses of all photos of a capture and its sparse points, to the last bit."""
    digest = hashlib.sha256()
    for photo in capture.photos:
        digest.update(f"{photo.name}\0{photo.lens!r}\0".encode())
        digest.update(np.ascontiguousarray(photo.world_from_cam, dtype="<f8").tobytes())
    digest.update(np.ascontiguousarray(capture.points, dtype="<f8").tobytes())
    return digest.hexdigest()


def _files(folder: Path) -> list[Path]:
    visible = [p for p in folder.rglob("*") if not any(part.startswith(".") for part in p.relative_to(folder).parts)]
    photos = [path for path in visible if path.suffix.lower() in SUFFIXES]
    files = photos or [path for path in visible if path.suffix.lower() in VIDEO_SUFFIXES]
    if folder.name in PHOTO_FOLDERS:  # the masks of such a folder may lie beside it
        files += [path for name in MASK_FOLDERS for path in (folder.parent / name).rglob("*")]
    if (model := find_model(folder)) is not None:
        files += [path for path in model.iterdir() if path.suffix in (".bin", ".txt")]
    if (transforms := find_transforms(folder)) is not None:
        files.append(transforms)
    return sorted({path for path in files if path.is_file()})


def _name(file: Path, place: Path) -> str:
    """The same wherever the project lies; a model may lie beside the folder of photos."""
    for root, prefix in ((place, ""), (place.parent, "../")):
        if file.is_relative_to(root):
            return prefix + file.relative_to(root).as_posix()
    return file.as_posix()
