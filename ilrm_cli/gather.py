"""The first stage: a folder of photos, or a video, becomes a `Capture`: posed photos, and what takes no part."""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from ilrm_cli.caches import cache_dir
from ilrm_cli.errors import InputError
from ilrm_cli.io.copies import write_copies
from ilrm_cli.io.masks import find_mask
from ilrm_cli.io.photo_files import find_photos, is_video
from ilrm_cli.io.photo_header import photo_header, photo_size
from ilrm_cli.io.video_frames import VideoChoice
from ilrm_cli.photo_set import PhotoSet, check_photos, find_photo_set, leave_out_unreadable, look_at, unused_masks
from ilrm_cli.pose import sfm, sfm_cache
from ilrm_cli.pose.colmap import find_model, poses_of, read_model
from ilrm_cli.pose.given_lens import lenses_for, parse_given
from ilrm_cli.pose.lenses import fits, turned_lens, turned_pose
from ilrm_cli.pose.posed import Pose, PoseSet
from ilrm_cli.pose.transforms import find_transforms, read_transforms
from ilrm_cli.progress import Report, ignore
from ilrm_cli.views import Capture, LeftOut, PosedPhoto
from ilrm_cli.wording import listed

Origin = Literal["auto", "colmap", "transforms", "sfm"]
SFM_SIDE = 1280  # px, longer side of what structure from motion sees; larger photos cost time and add little


def gather(
    place: Path,
    poses: Origin = "auto",
    *,
    video: VideoChoice = VideoChoice(),
    camera: str | None = None,
    seed: int = 0,
    cache: Path | None = None,
    report: Report = ignore,
) -> Capture:
    """All photos of a folder, or frames of a video, with their poses.

    `poses` says where poses come from; "auto" takes a COLMAP model if the folder holds one, else a transforms.json,
    else runs structure from motion, whose result is kept under `cache` (default: the user's cache folder), as are the
    frames that `video` chooses of a video. `camera` is what is known of the lens (see `pose.given_lens`) and is used
    by structure from motion. What takes no part is named in `left_out`, each with its reason.
    Raises InputError if there is nothing to work with.
    """
    check_place(place, poses)
    model, transforms = _find_poses(place, poses)
    if camera is not None and (model is not None or transforms is not None):
        raise InputError(f"{place} has poses with their own cameras, so --camera does not apply; add --poses sfm.")
    if model is not None:
        capture = _from_colmap(place, model, report)
    elif transforms is not None:
        capture = _from_transforms(transforms, report)
    else:
        capture = _from_sfm(place, video, camera, seed, cache if cache is not None else cache_dir(), report)
    if len(capture.photos) < 2:
        raise InputError(f"{place} gives only one photo with a pose; at least two from different places are needed.")
    return capture


def check_place(place: Path, poses: Origin = "auto") -> None:
    """Refuse, by the names of its files alone, a place that `gather` cannot use."""
    if not place.is_dir() and not is_video(place):
        raise InputError(f"{place} is not a folder; give the folder that holds the photos, or a video.")
    if any(_find_poses(place, poses)):
        return
    if poses == "colmap":
        raise InputError(f"{place} holds no COLMAP model (sparse/0 with cameras and images); use --poses sfm.")
    if poses == "transforms":
        raise InputError(f"{place} holds no transforms.json; use --poses sfm.")
    check_photos(place)


def _find_poses(place: Path, poses: Origin) -> tuple[Path | None, Path | None]:
    """The folder of a COLMAP model or else the transforms.json, of those that may be used."""
    if not place.is_dir():
        return None, None
    model = find_model(place) if poses in ("auto", "colmap") else None
    return model, find_transforms(place) if poses in ("auto", "transforms") and model is None else None


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


def _from_sfm(place: Path, video: VideoChoice, camera: str | None, seed: int, cache: Path, report: Report) -> Capture:
    given = parse_given(camera) if camera is not None else None
    offered = find_photo_set(place, video, cache, report)
    lenses = {} if given is None else lenses_for(given, {name: photo_size(p) for name, p in offered.paths.items()})
    warnings = list(offered.warnings)
    content = [*offered.paths.items(), *((f"mask of {name}", mask) for name, mask in offered.masks.items())]
    options = {"seed": seed, "max_side": SFM_SIDE, "camera": None if given is None else repr(given)}
    key = sfm_cache.content_key(content, options)
    result = sfm_cache.load(cache, key)
    if result is None:
        with tempfile.TemporaryDirectory(prefix="ilrm-") as work:
            files, masks = write_copies(offered.paths, offered.masks, Path(work), SFM_SIDE, report)
            known = {file: lenses[name] for file, name in files.items() if name in lenses}
            photos = Path(work, "photos")
            result = sfm.solve(photos, files, Path(work), masks=masks, lenses=known, seed=seed, report=report)
        try:
            sfm_cache.store(cache, key, result)
        except OSError as error:
            warnings.append(f"The camera poses could not be kept in {cache} for the next run ({error.strerror}).")

    poses = poses_of(result.model, "the model found by structure from motion")
    posed = tuple(
        PosedPhoto(p.name, offered.paths[p.name], p.lens, p.world_from_cam, p.points, offered.masks.get(p.name))
        for p in poses.poses
    )
    return Capture(
        posed,
        offered.found,
        "sfm",
        poses.points,
        (*warnings, *result.warnings),
        (*offered.left_out, *result.left_out),
        poses.error_px,
        result.advice,
    )


def _photo_root(folder: Path, model: Path, names: Sequence[str]) -> Path:
    """The folder under which most of the names are files."""
    project = folder.parent if model.is_relative_to(folder.parent) and not model.is_relative_to(folder) else folder
    reduced = sorted(path for path in project.glob("images_*") if path.is_dir())
    places = [project / "images", project / "input", folder, model.parent / "images", model.parent.parent / "images"]
    return max([*places, *reduced], key=lambda place: sum((place / name).is_file() for name in names))


def _capture(origin: str, poses: PoseSet, root: Path, source: str, report: Report) -> Capture:
    """Poses joined with the files they belong to."""
    posed = {pose.name: pose for pose in reversed(poses.poses)}  # the first of several for one photo
    absent = sorted(name for name in posed if not (root / name).is_file())
    paths = {name: root / name for name in sorted(posed) if name not in set(absent)}
    if not paths:
        raise InputError(
            f"None of the {len(absent)} photos that {source} names ({listed(absent)}) is in {root}; put them there."
        )
    # Photos beside the named ones; their reduced copies, masks and depths lie in folders of their own.
    beside = {path for place in {path.parent for path in paths.values()} for path in find_photos(place)}
    unposed = {_name_in(root, path): f"{source} gives it no pose" for path in beside - set(paths.values())}
    masks = {name: mask for name in paths if (mask := find_mask(root, name)) is not None}
    offered = PhotoSet({**paths, **{name: root / name for name in unposed}}, masks, len(paths) + len(unposed))

    _, unreadable = look_at(paths, masks, report)
    upright = {
        name: _upright(posed[name], path, masks.get(name)) for name, path in paths.items() if name not in unreadable
    }
    misfits = {name: f"it does not have the shape that {source} states" for name, photo in upright.items() if not photo}
    missing = f"{len(absent)} photos that {source} names are not there and left out: {listed(absent)}."
    strange = unused_masks(root, [*paths, *unposed, *absent])
    warnings = (*poses.warnings, *((missing,) if absent else ()), *strange)
    offered = leave_out_unreadable(replace(offered, warnings=warnings), unreadable)
    offered = offered.without(
        misfits,
        f"{len(misfits)} photos do not have the shape that {source} states and are left out: {listed(list(misfits))}.",
    )
    photos = tuple(photo for photo in upright.values() if photo is not None)
    if not photos:
        raise InputError(f"No photo in {root} fits {source}: {offered.warnings[-1]}")
    left_out = (*offered.left_out, *(LeftOut(name, reason) for name, reason in sorted(unposed.items())))
    return Capture(photos, offered.found, origin, poses.points, offered.warnings, left_out, error_px=poses.error_px)


def _name_in(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name


def _upright(pose: Pose, path: Path, mask: Path | None) -> PosedPhoto | None:
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
        return PosedPhoto(pose.name, path, lens, world_from_cam, pose.points, mask)
    if fits(pose.lens, *header.upright_size) and (header.upright_size != (header.width, header.height)):
        return PosedPhoto(pose.name, path, pose.lens, pose.world_from_cam, pose.points, mask)
    return None
