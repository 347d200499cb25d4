"""Poses written by another tool, joined with their photos and masks."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ilrm_cli.capture.filter_photos import PhotoSet, find_unusable, leave_out_unreadable, unused_masks
from ilrm_cli.capture.photos.header import photo_header
from ilrm_cli.capture.photos.listing import SUFFIXES, Listing, check_names, find_mask
from ilrm_cli.capture.photos.renamed import renamed_photos
from ilrm_cli.capture.photos.round_lenses import mask_of_circle, told_of_cut
from ilrm_cli.capture.posed_panoramas import cut_posed_panoramas
from ilrm_cli.capture.poses.lenses import PANORAMA, fits, turned_lens, turned_pose
from ilrm_cli.capture.poses.pose_set import Pose, PoseSet, sound
from ilrm_cli.geometry.views import Capture, LeftOut, PosedPhoto
from ilrm_cli.runtime.errors import InputError, listed
from ilrm_cli.runtime.progress import Report


@dataclass(frozen=True)
class PosedFiles:
    """The files on disk that belong to a source of poses."""

    poses: Mapping[str, Pose]  # by the stored name of the photo
    paths: Mapping[str, Path]  # name -> photo, of existing ones, with a pose or too broken for one
    unposed: Mapping[str, Path]  # name -> photo beside them without a pose
    absent: tuple[str, ...]  # missing photos
    renamed: Mapping[str, str]  # name in the source -> photo that is meant; see `renamed_photos`
    masks: Mapping[str, Path]  # name -> mask, for photos that have one
    absent_masks: tuple[str, ...]  # masks that the source names but that are missing


class OfOthers(InputError):
    """Poses of photos that are not there."""


def capture_of(origin: str, poses: PoseSet, root: Path, source: str, listing: Listing, report: Report) -> Capture:
    """Return the capture of all posed photos below `root`, upright; `source` names the poses' source in messages.

    Of 360 degree photos it has perspective views.
    Photos that are missing, broken or of another shape than stated are left out. Raises InputError if nothing remains.
    """
    poses = sound(poses, source)
    files = _find_files(poses, root, listing)
    if not files.paths:
        raise _none_there(files, root, source, listing)
    unusable = find_unusable(files.paths, files.masks, report)
    whole = {name: pose for name, pose in files.poses.items() if name in files.paths and name not in unusable}
    panoramas = {name: pose for name, pose in whole.items() if pose.lens.model == PANORAMA}
    told = cut_posed_panoramas(panoramas, files.paths, files.masks, report)
    unusable |= told.unusable
    upright = {
        name: _upright(name, pose, files.paths[name], files.masks.get(name))
        for name, pose in whole.items()
        if name not in panoramas
    } | told.views
    circles = {n: photo for n, photo in upright.items() if n in whole and whole[n].circle_px and photo is not None}
    masked = {name: photo.mask for name, photo in circles.items() if photo.mask is not None}
    unusable |= find_unusable({name: circles[name].path for name in masked}, masked)
    lensless = [name for name in files.paths if name not in files.poses and name not in unusable]
    odd = [*told.misfits, *(name for name, photo in upright.items() if photo is None)]
    misfits = dict.fromkeys(odd, f"it does not have the shape that {source} states")
    everything = {
        **{name: path for name, path in files.paths.items() if name not in told.cut},
        **{name: view.path for name, view in told.views.items()},
        **files.unposed,
    }
    warnings = (*poses.warnings, *_warnings(poses, files, root, source, listing), *told_of_cut(len(told.cut)))
    offered = PhotoSet(everything, files.masks, len(everything), warnings=warnings)
    offered = leave_out_unreadable(offered, unusable).without(
        misfits,
        f"{len(misfits)} photos do not have the shape that {source} states and are left out: {listed(list(misfits))}.",
    )
    offered = offered.without(
        dict.fromkeys(lensless, "nothing tells its lens"),
        f"{len(lensless)} photos state no lens, nor does {source}, and are left out: {listed(lensless)}.",
    )
    usable = {name: photo for name, photo in sorted(upright.items()) if name not in unusable}
    photos = tuple(photo for photo in usable.values() if photo is not None)
    if not photos:
        raise InputError(f"No photo in {root} fits {source}: {offered.warnings[-1]}")
    if len(told.cut) == 1 and all(photo.name in told.views for photo in photos):
        raise InputError(f"{source} gives only one 360 degree photo a pose; two from different places are needed.")
    left_out = (*offered.left_out, *_unposed(files, source))
    return Capture(
        photos,
        offered.found,
        origin,
        poses.points,
        offered.warnings,
        left_out,
        error_px=poses.error_px,
        root=root,
    )


def _none_there(files: PosedFiles, root: Path, source: str, listing: Listing) -> InputError:
    """Return the error that no photo which `source` names is there; `OfOthers` if none is in any other folder."""
    names = {Path(name).name for name in files.absent}
    held = sorted({photo.parent for photo in listing.pictures(root) if photo.name in names})
    if len(held) > 1:
        return InputError(
            f"{source} names photos that are in several folders ({listed(place.name for place in held)}), and "
            "nothing tells which are meant; name that folder images."
        )
    absent = f"{len(files.absent)} photos that {source} names ({listed(files.absent)})"
    return OfOthers(f"None of the {absent} is in {root}; put them there, or add --poses sfm.")


def _unposed(files: PosedFiles, source: str) -> Iterator[LeftOut]:
    """Tell why each photo beside the posed ones has no pose."""
    posed = {_shot(name): name for name in files.paths}
    for name in sorted(files.unposed):
        twin = posed.get(_shot(name))
        yield LeftOut(name, f"{source} gives it no pose" if twin is None else f"{twin} is the same shot")


def _find_files(poses: PoseSet, root: Path, listing: Listing) -> PosedFiles:
    named = {pose.name: pose for pose in poses.poses}
    renamed = renamed_photos(root, [*named, *poses.unmeasured], listing, poses.bare)
    posed = {renamed.get(name, name): pose for name, pose in named.items()}
    names = sorted({*posed, *(renamed.get(name, name) for name in poses.unmeasured)})
    paths = {name: root / name for name in names if os.path.isfile(root / name)}
    # Photos beside the named ones; their reduced copies, masks and depths are in other folders.
    beside = {path for place in {path.parent for path in paths.values()} for path in listing.photos(place)}
    check_names(beside)
    stated = {
        name: root / inside for name, pose in posed.items() if name in paths and (inside := pose.mask) is not None
    }
    absent_masks = tuple(path.name for path in stated.values() if not os.path.isfile(path))
    masks = {name: mask for name in paths if (mask := _mask_of(root, name, stated, listing)) is not None}
    return PosedFiles(
        posed,
        paths,
        {_name_in(root, path): path for path in beside - set(paths.values())},
        tuple(name for name in names if name not in paths),
        renamed,
        masks,
        absent_masks,
    )


def _mask_of(root: Path, name: str, stated: Mapping[str, Path], listing: Listing) -> Path | None:
    """Return the mask stated by the source of the poses, else the one beside the photo."""
    return stated[name] if name in stated and os.path.isfile(stated[name]) else find_mask(root, name, listing)


def _name_in(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name


def _warnings(poses: PoseSet, files: PosedFiles, root: Path, source: str, listing: Listing) -> Iterator[str]:
    converted = {n: file for n, file in files.renamed.items() if _suffix(n) not in ("", _suffix(file))}
    respelt = {name: file for name, file in files.renamed.items() if name not in converted}
    shots = {_shot(path.as_posix()) for path in listing.pictures(root)} if poses.bare else set()
    known = Counter(Path(shot).name for shot in shots)
    if poses.labels:  # a suffix is not missing
        respelt = {name: file for name, file in respelt.items() if _shot(file) != name}
    if poses.bare:  # nor is a folder, where there is one photo of the name
        respelt = {
            name: file
            for name, file in respelt.items()
            if Path(_shot(file)).name != Path(_shot(name)).name or known[Path(_shot(file)).name] > 1
        }
    for what, pairs in (("were converted since", converted), ("have other names here", respelt)):
        if pairs:
            used = listed(f"{file} for {name}" for name, file in sorted(pairs.items()))
            yield f"{len(pairs)} photos that {source} names {what}; used are {used}."
    unclear = [name for name in files.absent if known[Path(_shot(name)).name] > 1]
    absent = [name for name in files.absent if name not in unclear]
    if unclear:
        yield f"{len(unclear)} photos that {source} names are in several folders and left out: {listed(unclear)}."
    if absent:
        yield f"{len(absent)} photos that {source} names are not there and left out: {listed(absent)}."
    chosen = {_shot(name): name for name in files.paths if name in files.renamed.values()}
    twins = sorted(name for name in files.unposed if _shot(name) in chosen)
    if twins:
        used = listed(f"{chosen[_shot(name)]}, not {name}" for name in twins)
        yield f"{len(twins)} photos that {source} names are there in several formats; used are {used}."
    if files.absent_masks:
        yield f"{len(files.absent_masks)} masks that {source} names are not there: {listed(files.absent_masks)}."
    names = [*files.paths, *files.unposed, *files.absent]
    yield from unused_masks(root, names, files.masks.values(), listing)


def _shot(name: str) -> str:
    """Return what the names of several files of one shot have in common."""
    return name.removesuffix(Path(name).suffix) if _suffix(name) else name


def _suffix(name: str) -> str:
    suffix = Path(name).suffix.lower()
    return suffix if suffix in SUFFIXES else ""


def _upright(name: str, pose: Pose, path: Path, mask: Path | None) -> PosedPhoto | None:
    """Return the posed photo as `read_photo` shows it, or None if its shape does not match the lens.

    Tools that make poses work on the pixels as stored, regardless of the EXIF orientation, unless the photos were
    rotated before: the stored shape is tried first, then the upright one.
    """
    header = photo_header(path)
    if pose.circle_px is not None:
        mask = mask_of_circle(path, pose.circle_px / min(pose.lens.width, pose.lens.height), mask)
    if fits(pose.lens, header.width, header.height) and header.quarter_turns is not None:
        lens, world_from_cam = (
            turned_lens(pose.lens, header.quarter_turns),
            turned_pose(pose.world_from_cam, header.quarter_turns),
        )
        return PosedPhoto(name, path, lens, world_from_cam, pose.points, mask)
    if fits(pose.lens, *header.upright_size) and (header.upright_size != (header.width, header.height)):
        return PosedPhoto(name, path, pose.lens, pose.world_from_cam, pose.points, mask)
    return None
