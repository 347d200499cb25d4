"""The first stage: a folder of photos becomes a `Capture`, and photos of a capture become `Views`."""

import os
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
import torch
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image

from ilrm_cli.caches import cache_dir
from ilrm_cli.cameras import Cameras, Lens
from ilrm_cli.errors import InputError
from ilrm_cli.io.photos import (
    VIDEO_SUFFIXES,
    check_photo,
    encode_upright_copy,
    find_photos,
    find_unreadable_kinds,
    photo_folder,
    photo_header,
    photo_size,
    read_photo,
)
from ilrm_cli.pose import sfm, sfm_cache
from ilrm_cli.pose.colmap import find_model, poses_of, read_model
from ilrm_cli.pose.fit import common_size_of, fit_image, quarter_turns_to_fit
from ilrm_cli.pose.lenses import PINHOLES, fits, turned_lens, turned_pose
from ilrm_cli.pose.posed import Pose, PoseSet
from ilrm_cli.pose.sparse_depth import sparse_depth_of
from ilrm_cli.pose.transforms import find_transforms, read_transforms
from ilrm_cli.pose.undistort import undistort
from ilrm_cli.progress import Report, Step, ignore
from ilrm_cli.views import Capture, PosedPhoto, Views

Origin = Literal["auto", "colmap", "transforms", "sfm"]
SFM_SIDE = 1280  # px, longer side of what structure from motion sees; larger photos cost time and add little
OVERSAMPLING = 2  # photos are reduced to this many times the wanted size before they are undistorted
NAMED_IN_WARNING = 3  # file names spelled out before "and N more"

In = TypeVar("In")
Out = TypeVar("Out")


def gather(
    folder: Path, poses: Origin = "auto", *, seed: int = 0, cache: Path | None = None, report: Report = ignore
) -> Capture:
    """All photos of a folder with their poses.

    `poses` says where poses come from; "auto" takes a COLMAP model if the folder holds one, else a transforms.json,
    else runs structure from motion, whose result is kept under `cache` (default: the user's cache folder).
    Photos that cannot be read, and poses without photo, are left out and named in `warnings`.
    Raises InputError if the folder holds nothing to work with.
    """
    if folder.suffix.lower() in VIDEO_SUFFIXES and folder.is_file():
        command = f"ffmpeg -i {folder.name} -r 2 photos/%04d.jpg"
        raise InputError(f"{folder} is a video; save photos from it first: {command}")
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder; give the folder that holds the photos.")
    others = find_unreadable_kinds(folder)
    if others and not find_photos(folder):
        raise InputError(f"{folder} holds {_other_kinds(others)}.")
    model = find_model(folder) if poses in ("auto", "colmap") else None
    transforms = find_transforms(folder) if poses in ("auto", "transforms") and model is None else None
    if model is not None:
        capture = _from_colmap(folder, model, report)
    elif transforms is not None:
        capture = _from_transforms(transforms, report)
    elif poses == "colmap":
        raise InputError(f"{folder} holds no COLMAP model (sparse/0 with cameras and images); use --poses sfm.")
    elif poses == "transforms":
        raise InputError(f"{folder} holds no transforms.json; use --poses sfm.")
    else:
        capture = _from_sfm(folder, seed, cache if cache is not None else cache_dir(), report)
    if len(capture.photos) < 2:
        raise InputError(f"{folder} gives only one photo with a pose; at least two from different places are needed.")
    if others and capture.origin == "sfm":
        return replace(capture, warnings=(*capture.warnings, f"{folder} also holds {_other_kinds(others)}."))
    return capture


def _other_kinds(paths: Sequence[Path]) -> str:
    names = _listed([path.name for path in paths])
    return f"{len(paths)} photos of a kind that is not read ({names}); save them as JPEG to use them"


def load_views(photos: Sequence[PosedPhoto], width: int, height: int) -> Views:
    """The photos as float32 images in [0, 1] of one size (px), with pinhole cameras in the capture's frame, float64.

    Each photo is read upright, undistorted, turned by 90 degrees together with its camera if it is portrait and the
    size landscape or the reverse, scaled evenly to cover the size, and cut about its centre.
    """
    world_from_cam = np.stack([photo.world_from_cam for photo in photos])
    turns = quarter_turns_to_fit([photo.lens for photo in photos], world_from_cam, width, height)

    def load(index: int) -> tuple[UInt8[ndarray, "height width 3"], Lens]:
        image, lens = undistort(_read_reduced(photos[index], width, height), photos[index].lens)
        image, lens = np.rot90(image, turns[index]), turned_lens(lens, turns[index])
        return fit_image(np.ascontiguousarray(image), lens, width, height)

    images, lenses = zip(*_in_threads(load, range(len(photos))), strict=True)
    turned = [turned_pose(pose, turn) for pose, turn in zip(world_from_cam, turns, strict=True)]
    params = torch.tensor([lens.params for lens in lenses], dtype=torch.float64)  # [V, 4] fx, fy, cx, cy
    cameras = Cameras(torch.from_numpy(np.stack(turned)), params[:, :2], params[:, 2:], width, height)
    sparse_depth = sparse_depth_of([photo.points for photo in photos], cameras)
    return Views(torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float().div(255), cameras, sparse_depth)


def common_size(photos: Sequence[PosedPhoto], *, long_side: int, multiple: int = 1) -> tuple[int, int]:
    """(width, height) in px for `load_views`: most frequent aspect ratio, longer side `long_side`, both rounded."""
    return common_size_of([(photo.lens.width, photo.lens.height) for photo in photos], long_side, multiple)


def _read_reduced(photo: PosedPhoto, width: int, height: int) -> UInt8[ndarray, "h w 3"]:
    """The photo, no larger than undistortion needs it."""
    image = read_photo(photo.path, at_least=(OVERSAMPLING * width, OVERSAMPLING * height))
    factor = OVERSAMPLING * max(width, height) / min(image.shape[:2])  # covers, turned or not
    if photo.lens.model in PINHOLES or factor >= 1:
        return image
    size = (round(image.shape[1] * factor), round(image.shape[0] * factor))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS, reducing_gap=3))


def _from_colmap(folder: Path, model: Path, report: Report) -> Capture:
    poses = read_model(model)
    root = _photo_root(folder, model, [pose.name for pose in poses.poses])
    return _capture("colmap", poses, root, f"the COLMAP model in {model}", report)


def _from_transforms(file: Path, report: Report) -> Capture:
    poses = _names_as_stored(read_transforms(file, photo_size), file.parent)
    return _capture("transforms", poses, file.parent, str(file), report)


def _names_as_stored(poses: PoseSet, root: Path) -> PoseSet:
    """The poses, naming `images_4/x` where the file says `images/x` and only such reduced copies are there (DL3DV)."""
    if any((root / pose.name).is_file() for pose in poses.poses):
        return poses
    for reduced in sorted(root.glob("images_*")):
        renamed = [replace(p, name=p.name.replace("images/", f"{reduced.name}/", 1)) for p in poses.poses]
        if any((root / pose.name).is_file() for pose in renamed):
            return replace(poses, poses=tuple(renamed))
    return poses


def _from_sfm(folder: Path, seed: int, cache: Path, report: Report) -> Capture:
    root = photo_folder(folder)
    found = find_photos(root)
    if not found:
        raise InputError(f"{folder} holds no photo (JPEG, PNG or WebP); give the folder that holds them.")
    unreadable = _unreadable(found, report)
    paths = {path.relative_to(root).as_posix(): path for path in found if path not in unreadable}
    warnings = [f"{error} It is left out." for error in unreadable.values()]
    if len(paths) < 2:
        raise InputError(f"{folder} holds only {len(paths)} readable photo; at least two of one place are needed.")

    key = sfm_cache.content_key(list(paths.items()), {"seed": seed, "max_side": SFM_SIDE})
    result = sfm_cache.load(cache, key)
    if result is None:
        with tempfile.TemporaryDirectory(prefix="ilrm-") as work:
            files = _write_copies(paths, Path(work), report)
            result = sfm.solve(Path(work, "photos"), files, Path(work), seed=seed, report=report)
        try:
            sfm_cache.store(cache, key, result)
        except OSError as error:
            warnings.append(f"The camera poses could not be kept in {cache} for the next run ({error.strerror}).")

    poses = poses_of(result.model, "the model found by structure from motion")
    photos = tuple(PosedPhoto(p.name, paths[p.name], p.lens, p.world_from_cam, p.points) for p in poses.poses)
    return Capture(photos, len(found), "sfm", poses.points, (*warnings, *result.warnings))


def _write_copies(paths: dict[str, Path], work: Path, report: Report) -> dict[str, str]:
    """Upright JPEG copies in work/photos, one subfolder per camera; returns file below it -> name of the photo."""
    cameras: dict[object, int] = {}
    files = {}
    for index, (name, path) in enumerate(paths.items()):
        header = photo_header(path)
        camera = cameras.setdefault((header.upright_size, header.focal_35mm, header.camera), len(cameras))
        files[f"{camera:04d}/{index:05d}.jpg"] = name
    for camera in cameras.values():
        Path(work, "photos", f"{camera:04d}").mkdir(parents=True)

    def write(file: str) -> None:
        Path(work, "photos", file).write_bytes(encode_upright_copy(paths[files[file]], SFM_SIDE))

    _in_threads(write, list(files), "copies", report)
    return files


def _photo_root(folder: Path, model: Path, names: Sequence[str]) -> Path:
    """The folder under which most of the names are files."""
    project = folder.parent if model.is_relative_to(folder.parent) and not model.is_relative_to(folder) else folder
    reduced = sorted(path for path in project.glob("images_*") if path.is_dir())
    places = [project / "images", project / "input", folder, model.parent / "images", model.parent.parent / "images"]
    return max([*places, *reduced], key=lambda place: sum((place / name).is_file() for name in names))


def _capture(origin: str, poses: PoseSet, root: Path, source: str, report: Report) -> Capture:
    """Poses joined with the files they belong to."""
    present = [pose for pose in poses.poses if (root / pose.name).is_file()]
    absent = [pose.name for pose in poses.poses if not (root / pose.name).is_file()]
    if not present:
        raise InputError(
            f"None of the {len(absent)} photos that {source} names ({_listed(absent)}) is in {root}; put them there."
        )
    warnings = list(poses.warnings)
    if absent:
        warnings.append(f"{len(absent)} photos that {source} names are not there and left out: {_listed(absent)}.")
    unreadable = _unreadable([root / pose.name for pose in present], report)
    warnings += [f"{error} It is left out." for error in unreadable.values()]
    good = [pose for pose in present if root / pose.name not in unreadable]
    photos = [upright for pose in good if (upright := _upright(pose, root / pose.name)) is not None]
    misfits = sorted({pose.name for pose in good} - {photo.name for photo in photos})
    if misfits:
        warnings.append(
            f"{len(misfits)} photos do not have the shape that {source} states and are left out: {_listed(misfits)}."
        )
    if not photos:
        raise InputError(f"No photo in {root} fits {source}: {warnings[-1]}")
    # Photos beside the named ones; their reduced copies, masks and depths lie in folders of their own.
    beside = {(root / pose.name).parent for pose in present}
    offered = {*(photo for place in beside for photo in find_photos(place)), *(root / pose.name for pose in present)}
    return Capture(tuple(photos), len(offered), origin, poses.points, tuple(warnings))


def _upright(pose: Pose, path: Path) -> PosedPhoto | None:
    """The posed photo as `read_photo` shows it, or None if its shape is not the lens's.

    Tools that make poses work on the pixels as stored, whatever the EXIF orientation says, unless the photos were
    turned before: the stored shape is tried first, then the upright one.
    """
    header = photo_header(path)
    if fits(pose.lens, header.width, header.height) and header.quarter_turns is not None:
        lens, world_from_cam = (
            turned_lens(pose.lens, header.quarter_turns),
            turned_pose(pose.world_from_cam, header.quarter_turns),
        )
        return PosedPhoto(pose.name, path, lens, world_from_cam, pose.points)
    if fits(pose.lens, *header.upright_size) and (header.upright_size != (header.width, header.height)):
        return PosedPhoto(pose.name, path, pose.lens, pose.world_from_cam, pose.points)
    return None


def _unreadable(paths: Sequence[Path], report: Report) -> dict[Path, InputError]:
    """The photos that do not decode to their end, each with its sentence."""

    def error_of(path: Path) -> InputError | None:
        try:
            check_photo(path)
        except InputError as error:
            return error
        return None

    errors = _in_threads(error_of, paths, "photos", report)
    return {path: error for path, error in zip(paths, errors, strict=True) if error is not None}


def _in_threads(
    function: Callable[[In], Out], items: Sequence[In], stage: str = "", report: Report = ignore
) -> list[Out]:
    """The function's results in order; image libraries release the GIL, so threads are enough."""
    results = []
    report(Step(stage, 0, len(items)))
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for result in pool.map(function, items):
            results.append(result)
            report(Step(stage, len(results), len(items)))
    return results


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:NAMED_IN_WARNING])
    return shown if len(names) <= NAMED_IN_WARNING else f"{shown} and {len(names) - NAMED_IN_WARNING} more"
