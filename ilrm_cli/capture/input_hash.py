"""Identity of a scene's input: hashes of its photos, masks and pose files."""

import hashlib
import os
from pathlib import Path

import numpy as np

from ilrm_cli.capture.photos.folder import ProjectFolder
from ilrm_cli.geometry.views import Capture
from ilrm_cli.runtime.cache import input_sha256
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.threads import in_threads


def inputs_sha256(folder: ProjectFolder, camera: str | None = None) -> str:
    """Return the SHA-256 over the names and bytes of all inputs of a place.

    Other files do not matter, such as a scene written beside the photos. `camera` is the known lens; it counts if it is
    a file. Raises InputError if a file cannot be read.
    """
    try:
        files = [*folder.inputs, *([Path(camera)] if camera is not None and Path(camera).is_file() else [])]
        hashes = in_threads(input_sha256, files)
    except OSError as error:
        raise InputError(f"{error.filename or folder.place} cannot be read: {error.strerror}.") from error
    digest = hashlib.sha256()
    for file, sha256 in zip(files, hashes, strict=True):
        digest.update(os.fsencode(_name(file, folder.place)) + f"\0{sha256}\0".encode())
    return digest.hexdigest()


def poses_sha256(capture: Capture) -> str:
    """Return the SHA-256 over names, poses and lenses of all photos of a capture and its sparse points, bit by bit."""
    digest = hashlib.sha256()
    for photo in capture.photos:
        digest.update(f"{photo.name}\0{photo.lens!r}\0".encode())
        digest.update(np.ascontiguousarray(photo.world_from_cam, dtype="<f8").tobytes())
    digest.update(np.ascontiguousarray(capture.points, dtype="<f8").tobytes())
    return digest.hexdigest()


def _name(file: Path, place: Path) -> str:
    """Return a name independent of the project's location; a model may lie beside the folder of photos."""
    for root, prefix in ((place, ""), (place.parent, "../")):
        if file.is_relative_to(root):
            return prefix + file.relative_to(root).as_posix()
    return file.as_posix()
