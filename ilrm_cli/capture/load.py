"""The first stage: a folder of photos or a video becomes a `Capture` of posed photos and left-out ones."""

import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from ilrm_cli.capture.filter_photos import PhotoSet, find_photo_set
from ilrm_cli.capture.photos.folder import PoseSettings, ProjectFolder
from ilrm_cli.capture.photos.header import photo_size, stored_size
from ilrm_cli.capture.photos.listing import Listing
from ilrm_cli.capture.photos.other_tools import ToolPoses
from ilrm_cli.capture.photos.pixels import PICTURES
from ilrm_cli.capture.photos.renamed import renamed_photos
from ilrm_cli.capture.posed_photos import OfOthers, capture_of
from ilrm_cli.capture.poses.colmap import poses_of, read_model
from ilrm_cli.capture.poses.lenses import Given, lenses_for, parse_given
from ilrm_cli.capture.poses.pose_set import PoseSet
from ilrm_cli.capture.poses.tools.read import NoLens, read_tool_poses
from ilrm_cli.capture.poses.transforms_json import read_transforms
from ilrm_cli.capture.sfm import solve
from ilrm_cli.capture.sfm.copies import write_copies
from ilrm_cli.geometry.views import Capture, PosedPhoto
from ilrm_cli.runtime.cache import cache_dir
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.files import scratch_folder
from ilrm_cli.runtime.progress import Report, Step, ignore

SFM_BYTES_A_PHOTO = 3_000_000  # in the temporary folder: a copy, up to 8,192 features of 152 bytes, matches
LEAST_KNOWN = 0.5  # share of the photos to which poses from a folder of any name belong
SFM_SIDE = 1280  # px, longer side of images for structure from motion; larger photos cost time and add little


def gather(folder: ProjectFolder, wanted: PoseSettings = PoseSettings(), report: Report = ignore) -> Capture:
    """Return all photos of a folder, or frames of a video, with their poses.

    `wanted.poses` is their source; "auto" takes a COLMAP model if the folder has one, else a transforms.json, else the
    poses of another tool, else runs structure from motion, whose result is cached, as are the frames that are chosen of
    a video. A known lens is used by structure from motion. Unused photos are listed in `left_out`, each with its
    reason. Raises InputError if there is nothing to work with.
    """
    folder.require(wanted.poses, wanted.camera)
    PICTURES.forget()
    if folder.aside and wanted.poses == "auto":
        capture = _from_aside(folder, wanted, report)
    else:
        capture = _from_found(folder, wanted, report)
    if len(capture.photos) < 2:
        raise InputError(
            f"{folder.place} gives only one photo with a pose; at least two from different places are needed."
        )
    return capture


def _from_found(folder: ProjectFolder, wanted: PoseSettings, report: Report) -> Capture:
    """Return the photos with the poses that are there, or else with those that structure from motion finds."""
    model, transforms = folder.poses(wanted.poses)
    if model is not None:
        capture = _from_colmap(folder, model, report)
    elif transforms is not None:
        capture = _from_transforms(transforms, folder.listing, report)
    elif (tool := folder.tool_poses(wanted.poses)) is not None:
        capture = _from_tool(folder, tool, wanted, report)
    else:
        capture = _from_sfm(folder, wanted, report)
    return capture if folder.given is None else _of_given(capture, folder)


def _from_aside(folder: ProjectFolder, wanted: PoseSettings, report: Report) -> Capture:
    """Return the photos with poses from a folder of any name, unless these are of others, as those of an old project.

    Then structure from motion finds them, and it is said.
    """
    try:
        capture = _from_found(folder, wanted, report)
        if len(capture.photos) >= LEAST_KNOWN * len(folder.photos):
            return capture
        choice = "other" if folder.model is None else "colmap"
        named = f"it gives {len(capture.photos)} of {len(folder.photos)} photos a pose"
        said = f"({named}); if it is meant, add --poses {choice}."
    except OfOthers:
        said = f"(none of the {len(folder.photos)} photos is among those that it names)."
    source = folder.tool.source if folder.model is None and folder.tool else folder.model
    sentence = f"{source} is not used {said}"
    found = _from_sfm(folder, wanted, report, (sentence,))
    return found if folder.given is None else _of_given(found, folder)


def _of_given(capture: Capture, folder: ProjectFolder) -> Capture:
    """Return the capture without photos that were not given, which poses of others name or which lie beside."""
    if capture.origin == "sfm":  # which was given no others; of 360 degree photos it has views in their place
        return replace(capture, given=folder.given)
    given = {os.path.abspath(path) for path in folder.photos}

    def place_of(name: str) -> str:
        return os.path.abspath((capture.root or folder.root) / name)

    def is_given(name: str) -> bool:  # the views of a 360 degree photo are below its name
        return place_of(name) in given or os.path.dirname(place_of(name)) in given

    photos = tuple(photo for photo in capture.photos if is_given(photo.name))
    left_out = tuple(photo for photo in capture.left_out if is_given(photo.name))
    names = [*(photo.name for photo in photos), *(photo.name for photo in left_out)]
    views = [place_of(name) for name in names if place_of(name) not in given]
    found = len(folder.photos) + len(views) - len({os.path.dirname(view) for view in views})
    return replace(capture, photos=photos, left_out=left_out, found=found, given=folder.given)


def _from_colmap(folder: ProjectFolder, model: Path, report: Report) -> Capture:
    poses = read_model(model, panoramas=True)
    root = _photo_root(folder, model, [pose.name for pose in poses.poses])
    return capture_of("colmap", poses, root, f"the COLMAP model in {model}", folder.listing, report)


def _from_transforms(file: Path, listing: Listing, report: Report) -> Capture:
    stated = read_transforms(file, _no_size)  # those without a stated size have their photos measured
    stored = renamed_photos(file.parent, stated.unmeasured, listing)
    measured = read_transforms(file, partial(_size_or_none, file.parent, stored)) if stated.unmeasured else stated
    poses = _names_as_stored(measured, file.parent, listing)
    return capture_of("transforms", poses, file.parent, str(file), listing, report)


def _from_tool(folder: ProjectFolder, tool: ToolPoses, wanted: PoseSettings, report: Report) -> Capture:
    try:
        given = None if wanted.camera is None else parse_given(wanted.camera)
        poses, root = read_tool_poses(tool, folder.root, folder.listing, given)
    except NoLens as error:
        if wanted.poses != "auto":
            raise
        return _from_sfm(folder, wanted, report, (str(error),))
    return capture_of(tool.tool, poses, root, str(tool.source), folder.listing, report)


def _no_size(path: Path) -> None:
    return None


def _size_or_none(root: Path, stored: Mapping[str, str], path: Path) -> tuple[int, int] | None:
    """Return (width, height) of the photo as stored, under its name or the stored one; None if missing or broken."""
    name = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()
    return stored_size(root / stored.get(name, name))


def _names_as_stored(poses: PoseSet, root: Path, listing: Listing) -> PoseSet:
    """Rename `images/x` to `images_4/x` in the poses if only such reduced copies exist (DL3DV)."""
    if any(os.path.isfile(root / pose.name) for pose in poses.poses):
        return poses
    for reduced in listing.reduced(root):
        renamed = [replace(p, name=p.name.replace("images/", f"{reduced.name}/", 1)) for p in poses.poses]
        if any(os.path.isfile(root / pose.name) for pose in renamed):
            return replace(poses, poses=tuple(renamed))
    return poses


def _from_sfm(folder: ProjectFolder, wanted: PoseSettings, report: Report, not_read: tuple[str, ...] = ()) -> Capture:
    not_read = (*not_read, *folder.not_read)
    for sentence in not_read:  # before the long work, whose scale and frame will be others than theirs
        report(Step("poses", 0, 1, sentence))
    given = None if wanted.camera is None else parse_given(wanted.camera)
    offered = find_photo_set(folder, wanted.video, report)
    result, unkept = _solved(offered, given, wanted.seed, report)
    poses = poses_of(result.model, "the model found by structure from motion")
    posed = tuple(
        PosedPhoto(p.name, offered.paths[p.name], p.lens, p.world_from_cam, p.points, offered.masks.get(p.name))
        for p in poses.poses
    )
    return Capture(
        posed,
        offered.found,
        "sfm",
        poses.points[np.lexsort(poses.points.T)],  # in one order, whether just found or from the cache
        (*not_read, *offered.warnings, *unkept, *result.warnings),
        (*offered.left_out, *result.left_out),
        poses.error_px,
        result.advice,
        folder.root if folder.photos else None,
    )


def _solved(offered: PhotoSet, given: Given | None, seed: int, report: Report) -> tuple[solve.SfmResult, Iterable[str]]:
    """Return the model of these photos, from the cache if it is there, and a warning if it cannot be kept."""
    content = [*offered.paths.items(), *((f"mask of {name}", mask) for name, mask in offered.masks.items())]
    camera = repr(given) if given is not None else repr(sorted(offered.lenses.items())) if offered.lenses else None
    options = {"seed": seed, "max_side": SFM_SIDE, "camera": camera}
    kept = solve.kept(content, options)
    result = kept.read()
    if result is not None:
        return result, ()
    lenses = dict(offered.lenses)
    if given is not None:
        lenses = lenses_for(given, {name: photo_size(p) for name, p in offered.paths.items()})
    exact = given is not None or offered.known
    _require_room(len(offered.paths))
    with scratch_folder() as work:
        files, masks = write_copies(offered.paths, offered.masks, work, SFM_SIDE, report)
        known = {file: lenses[name] for file, name in files.items() if name in lenses}
        result = solve.solve(
            work / "photos", files, work, masks=masks, lenses=known, exact=exact, seed=seed, report=report
        )
    try:
        with kept.filling() as new:
            solve.write(result, new)
    except (OSError, RuntimeError, ValueError) as error:  # the last two: of pycolmap, which does not say why
        why = getattr(error, "strerror", None) or "it could not be written"
        return result, [f"The camera poses could not be kept in {cache_dir()} for the next run ({why})."]
    return result, ()


def _require_room(photos: int) -> None:
    """Raise InputError if the temporary folder cannot hold the work: COLMAP ends the process on a full disk."""
    place = Path(tempfile.gettempdir())
    needed, free = photos * SFM_BYTES_A_PHOTO, shutil.disk_usage(place).free
    if free < needed:
        raise InputError(
            f"{place} has {free / 1e6:.0f} MB free and structure from motion of {photos} photos may need "
            f"{needed / 1e6:.0f} MB; set TMPDIR to a folder with more room."
        )


def _photo_root(folder: ProjectFolder, model: Path, names: Sequence[str]) -> Path:
    """Return the folder under which most of the names are files."""
    place, listing = folder.place, folder.listing
    project = place.parent if model.is_relative_to(place.parent) and not model.is_relative_to(place) else place
    beside = model.parent.parent if model.name.isdecimal() else model.parent
    own = [beside / "images"] if beside.is_relative_to(project) else []
    last = [model.parent / "images", model.parent.parent / "images"]
    places = [*own, project / "images", project / "input", place, *last]
    there = [place for place in dict.fromkeys([*places, *listing.reduced(project)]) if listing.is_folder(place)]
    exactly = {place: sum(os.path.isfile(place / name) for name in names) for place in there}
    most = [place for place in there if exactly[place] == max(exactly.values())]
    return max(most, key=lambda place: len(renamed_photos(place, names, listing))) if len(most) > 1 else most[0]
