"""The stage of `ilrm pose`: a folder of photos becomes a folder that every splat and NeRF trainer reads.

DIR/sparse/0/         COLMAP model, binary, pinhole cameras
DIR/images/           upright undistorted photos, JPEG; PNG where parts are transparent
DIR/masks/            of every photo where any has masked or transparent pixels: black there, undistorted like it
DIR/transforms.json   the same cameras and masks for nerfstudio and instant-ngp
DIR/pose_card.json    how good the poses are
"""

import dataclasses
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from jaxtyping import Bool
from numpy import ndarray
from PIL import Image

from ilrm_cli.capture.checks import IMAGES, MASKS, MODEL, check_output_folder, refuse_inputs_inside
from ilrm_cli.capture.load import gather
from ilrm_cli.capture.photos.folder import PoseSettings, ProjectFolder
from ilrm_cli.capture.photos.masks import read_masked_photo
from ilrm_cli.capture.photos.pixels import read_photo
from ilrm_cli.capture.pose_card import PoseCard, pose_card
from ilrm_cli.capture.poses.colmap import PinholePhoto, mask_name, points_inside, reconstruction_of
from ilrm_cli.capture.poses.transforms_json import transforms_of
from ilrm_cli.capture.poses.undistort import undistort, undistorted_mask
from ilrm_cli.capture.sfm.copies import COPY_QUALITY
from ilrm_cli.geometry.views import Capture, PosedPhoto, TrainingRange
from ilrm_cli.runtime.files import replacing_folder
from ilrm_cli.runtime.output_names import output_names, place_below
from ilrm_cli.runtime.progress import Report, ignore
from ilrm_cli.runtime.threads import in_threads


@dataclass(frozen=True)
class Posed:
    """The capture and the card of the written poses."""

    capture: Capture
    card: PoseCard


def pose(
    folder: ProjectFolder,
    settings: PoseSettings,
    output: Path,
    overwrite: bool = False,
    trained_on: TrainingRange | None = None,
    report: Report = ignore,
) -> Posed:
    """Find or read the poses of a folder of photos and write them with undistorted photos into `output`.

    The card compares them with the captures that a model was `trained_on`.

    The folder appears whole or not at all. Raises InputError for photos or poses that cannot be used, and for an
    existing `output`, unless `overwrite` is given and it is a folder written by this stage.
    """
    check_output_folder(output, folder.place, overwrite)
    capture = gather(folder, settings, report)
    refuse_inputs_inside(output, [photo.path for photo in capture.photos])
    card = pose_card(capture, trained_on)
    with replacing_folder(output) as part:
        write_posed(capture, card, part, report)
    return Posed(capture, card)


def write_posed(capture: Capture, card: PoseCard, folder: Path, report: Report = ignore) -> None:
    """Fill an empty folder with the files listed in the module's docstring."""
    files = jpeg_names([photo.name for photo in capture.photos])

    def write(index: int) -> tuple[PinholePhoto, bool]:
        return _write_photo(capture.photos[index], files[index], folder)

    written = in_threads(write, range(len(files)), "undistorted", report)
    flat, has_mask = [photo for photo, _ in written], [masked for _, masked in written]
    for photo, has in written:
        if any(has_mask) and not has:
            _write_mask(folder / MASKS, photo, np.ones((photo.lens.height, photo.lens.width), dtype=bool))
    model = folder / MODEL
    model.mkdir(parents=True)
    reconstruction_of(flat).write_binary(str(model))
    _write_json(folder / "transforms.json", transforms_of(flat, IMAGES, MASKS if any(has_mask) else None))
    _write_json(folder / "pose_card.json", dataclasses.asdict(card))


def _write_photo(photo: PosedPhoto, file: str, folder: Path) -> tuple[PinholePhoto, bool]:
    """Write the undistorted photo, and its mask if any, as COLMAP and nerfstudio expect; return whether it has one."""
    said = read_masked_photo(photo.path, photo.mask)
    colors, lens = undistort(said.colors if said.counts is None else read_photo(photo.path), photo.lens)
    name = file if said.empty is None else PurePosixPath(file).with_suffix(".png").as_posix()
    path = place_below(folder / IMAGES, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    if said.empty is None:
        Image.fromarray(colors).save(path, "JPEG", quality=COPY_QUALITY, subsampling=0)
    else:
        alpha = np.where(undistorted_mask(said.empty, photo.lens), np.uint8(0), np.uint8(255))
        Image.fromarray(np.dstack([colors, alpha])).save(path, "PNG")
    points = photo.points if photo.points is not None else np.zeros((0, 3))
    seen = points_inside(points, lens, photo.world_from_cam, colors)
    flat = PinholePhoto(name, lens, photo.world_from_cam, seen)
    if said.counts is not None:
        _write_mask(folder / MASKS, flat, undistorted_mask(said.counts, photo.lens))
    return flat, said.counts is not None


def _write_mask(folder: Path, photo: PinholePhoto, counts: Bool[ndarray, "height width"]) -> None:
    path = place_below(folder, mask_name(photo))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(counts.astype(np.uint8) * 255).save(path)


def jpeg_names(names: Sequence[str]) -> list[str]:
    """Return the names below the image folder: as made safe by `output_names`, with the suffix .jpg.

    If two would be equal, the old suffix is kept before the new one. No two differ in the suffix alone.
    """
    safe = output_names(names)
    renamed = [PurePosixPath(name).with_suffix(".jpg").as_posix() for name in safe]
    counts = Counter(name.lower() for name in renamed)
    unlike = [new if counts[new.lower()] == 1 else f"{old}.jpg" for old, new in zip(safe, renamed, strict=True)]
    return output_names(unlike)


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False) + "\n", encoding="utf-8")
