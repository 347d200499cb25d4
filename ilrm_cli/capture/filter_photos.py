"""Which photos of a folder, or frames of a video, go into structure from motion, and why the others do not.

Each photo is looked at once: whether it can be used, how sharp it is and what it looks like.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float32
from numpy import ndarray
from PIL import Image

from ilrm_cli.capture.photos.folder import MIN_PHOTOS, ProjectFolder, VideoChoice
from ilrm_cli.capture.photos.header import UnreadablePhoto, photo_header
from ilrm_cli.capture.photos.listing import RAW_SUFFIXES, Listing, masks_without_photo, natural_order
from ilrm_cli.capture.photos.masks import pixels_that_count, read_mask
from ilrm_cli.capture.photos.near_duplicates import duplicates, even_bins, sharpest_of_each, sharpness_of, signature_of
from ilrm_cli.capture.photos.pixels import on_white, read_upright
from ilrm_cli.capture.photos.round_lenses import (
    cut_panoramas,
    fisheye_lenses,
    lens_of_view,
    panoramas_among,
    told_of_cut,
)
from ilrm_cli.capture.photos.video import frames_of_video
from ilrm_cli.geometry.cameras import Lens
from ilrm_cli.geometry.views import LeftOut
from ilrm_cli.runtime.cache import input_sha256
from ilrm_cli.runtime.errors import InputError, listed
from ilrm_cli.runtime.progress import Report, ignore
from ilrm_cli.runtime.threads import in_threads

MAX_SFM_PHOTOS = 200  # matching and mapping more takes tens of minutes on a laptop, and the model sees a few dozen
ENOUGH_PHOTOS = 24  # near duplicates are left out only while more than this remain

LEAST_SIDE_PX = 8  # of a photo: smaller ones show nothing that a window of a metric or a feature fits into
LOOK_PX = (480, 320)  # (longer, shorter side) at which photos are examined: fast, and blur is still visible


@dataclass(frozen=True)
class PhotoSet:
    """The photos of one place as offered to structure from motion."""

    paths: Mapping[str, Path]  # name, unique and relative to the folder searched -> file; in shooting order if known
    masks: Mapping[str, Path]  # name -> mask, for those that have one
    found: int  # number of photos: `paths` and `left_out` together
    left_out: tuple[LeftOut, ...] = ()
    warnings: tuple[str, ...] = ()  # one sentence each
    lenses: Mapping[str, Lens] = field(default_factory=dict)  # of photos of round lenses
    known: bool = False  # whether these are exact, and not a first guess

    def without(self, reasons: Mapping[str, str], warning: str) -> "PhotoSet":
        """Return the set without the photos that have a reason, adding `warning` if there are any."""
        if not reasons:
            return self
        return replace(
            self,
            paths={name: path for name, path in self.paths.items() if name not in reasons},
            masks={name: path for name, path in self.masks.items() if name not in reasons},
            left_out=(*self.left_out, *(LeftOut(name, reason) for name, reason in reasons.items())),
            warnings=(*self.warnings, warning),
        )


def find_photo_set(folder: ProjectFolder, choice: VideoChoice, report: Report = ignore) -> PhotoSet:
    """Return the photos of a folder, or the frames of a video or of the videos in a folder without photos.

    Left out, in this order: camera RAW files with another file of the same shot; unreadable photos, or with unreadable
    masks; copies of the same file; near duplicates, of which the sharpest stays, as long as ENOUGH_PHOTOS remain (see
    `near_duplicates.duplicates`); and of more than MAX_SFM_PHOTOS all but the sharpest of as many even stretches.
    Raises InputError if fewer than MIN_PHOTOS are left.
    """
    offered = offered_photos(folder, choice, report)
    photos = _with_round_lenses(offered, report)
    beside = len((photos if photos.paths else offered).warnings)  # those about other things than photos left out
    photos = _without_twins_of_raw(photos)
    looks, unreadable = glance_at(photos.paths, photos.masks, report)
    photos = leave_out_unreadable(photos, unreadable)
    photos = _without_copies(photos)
    photos = _without_near_duplicates(photos, looks)
    photos = _without_surplus(photos, looks)
    if len(photos.paths) < MIN_PHOTOS:
        why = next(iter(photos.warnings[beside:]), _why_so_few_frames(folder, choice))
        raise folder.too_few(len(photos.paths), f": {why}" if why else ".")
    return photos


def _why_so_few_frames(folder: ProjectFolder, choice: VideoChoice) -> str | None:
    """Return why a video gives hardly any frames; None for photos."""
    if folder.photos:
        return None
    return "film for longer." if choice.fps is None else f"--fps {choice.fps:g} takes no more; ask for more."


def offered_photos(folder: ProjectFolder, choice: VideoChoice, report: Report = ignore) -> PhotoSet:
    """Return all photos of a folder, or all frames that `choice` takes from a video or a folder of videos."""
    root = folder.root
    if names := folder.names:
        also = []
        if videos := [video.name for video in folder.videos]:
            also_held = "a video, which is" if len(videos) == 1 else f"{len(videos)} videos, which are"
            also += [f"{root} also holds {also_held} not used ({listed(videos)})."]
        if below := [path.relative_to(root).as_posix() for path in folder.passed_over]:
            also += [
                f"{len(below)} photos in subfolders of {root} are not used, as it holds photos itself "
                f"({listed(below)}); move them together to use all."
            ]
        also += unused_masks(root, [*names, *below], folder.masks.values(), folder.listing)
        return PhotoSet(names, folder.masks, len(names), warnings=tuple(also))
    named = {video.relative_to(root).as_posix(): video for video in folder.videos}
    return _frames(named, choice, report)


def _frames(videos: Mapping[str, Path], choice: VideoChoice, report: Report) -> PhotoSet:
    """Return the frames of several videos, name -> file, which share the limit of `choice`."""
    if choice.max_frames < len(videos):
        raise InputError(
            f"--max-frames {choice.max_frames} is less than one for each of {len(videos)} videos; ask for more."
        )
    frames, warnings = {}, []
    each, spare = divmod(choice.max_frames, len(videos))
    for index, (name, video) in enumerate(videos.items()):
        share = replace(choice, max_frames=each + (index < spare))
        files, said = frames_of_video(video, share, report)
        frames.update({f"{name}/{file.name}": file for file in files})
        warnings += said
    return PhotoSet(frames, {}, len(frames), warnings=tuple(warnings))


def unused_masks(root: Path, names: Sequence[str], used: Collection[Path], listing: Listing) -> list[str]:
    """Return a warning about masks that match none of these photos; empty if there are none."""
    unused = [mask for mask in masks_without_photo(root, names, listing) if mask not in used]
    stray = [f"{mask.parent.name}/{mask.name}" for mask in unused]
    verb = "masks match no photo and are" if len(stray) > 1 else "mask matches no photo and is"
    return (
        [f"{len(stray)} {verb} not used ({listed(stray)}); IMG_1.jpg.png or IMG_1.png is the mask of IMG_1.jpg."]
        if stray
        else []
    )


def leave_out_unreadable(photos: PhotoSet, unreadable: Mapping[str, str]) -> PhotoSet:
    """Return the set without unreadable photos, with one warning per reason."""
    for reason in dict.fromkeys(unreadable.values()):
        these = {name: why for name, why in unreadable.items() if why == reason}
        count = "" if len(these) == 1 else f"{len(these)} photos, "
        photos = photos.without(these, f"{count}{listed(list(these))}: left out because {reason}.")
    return photos


def _with_round_lenses(photos: PhotoSet, report: Report) -> PhotoSet:
    """Cut 360 degree photos into perspective views, and guess the lens of fisheye photos, if most are such."""
    panoramas = panoramas_among(photos.paths)
    if 2 * len(panoramas) > len(photos.paths):
        return _cut_panoramas(photos, panoramas, report)
    if lenses := fisheye_lenses(photos.paths):
        said = "The photos are those of a fisheye lens; the search begins at one that sees 180 degrees."
        return replace(photos, lenses=lenses, warnings=(*photos.warnings, said))
    return photos


def _cut_panoramas(photos: PhotoSet, panoramas: Collection[str], report: Report) -> PhotoSet:
    """Return the perspective views of 360 degree photos, with those of their masks, in place of all photos."""
    unusable = find_unusable(photos.paths, photos.masks)
    paths: dict[str, Path] = {}
    masks: dict[str, Path] = {}
    whole = sorted(set(panoramas) - set(unusable), key=lambda one: natural_order(Path(one)))
    cut, uncut = cut_panoramas({name: photos.paths[name] for name in whole}, photos.masks, report)
    unusable |= uncut
    for name, views in cut.items():
        paths |= {f"{name}/{view}": path for view, (path, _) in views.items()}
        masks |= {f"{name}/{view}": mask for view, (_, mask) in views.items() if mask is not None}
    said = (*photos.warnings, *told_of_cut(len(cut)))
    photos = leave_out_unreadable(replace(photos, warnings=said), unusable)
    others = [name for name in photos.paths if name not in panoramas]
    aside = tuple(LeftOut(name, "it is no 360 degree photo, as the others are") for name in others)
    left_out = (*photos.left_out, *aside)
    lenses = {name: lens_of_view(path) for name, path in paths.items()}
    return PhotoSet(paths, masks, len(paths) + len(left_out), left_out, photos.warnings, lenses, known=True)


def _without_twins_of_raw(photos: PhotoSet) -> PhotoSet:
    """Drop RAW files with a JPEG beside them: cameras that save both show the same shot twice."""
    shots = {Path(name).with_suffix(""): name for name in photos.paths if Path(name).suffix.lower() not in RAW_SUFFIXES}
    reasons = {
        name: f"{Path(shots[shot]).name} is the same shot"
        for name in photos.paths
        if Path(name).suffix.lower() in RAW_SUFFIXES and (shot := Path(name).with_suffix("")) in shots
    }
    return photos.without(reasons, f"{len(reasons)} camera RAW files are left out: photos of the same shots are there.")


def _without_copies(photos: PhotoSet) -> PhotoSet:
    """Drop files with the same bytes as an earlier one."""
    sizes = {name: path.stat().st_size for name, path in photos.paths.items()}
    shared = {size for size, count in Counter(sizes.values()).items() if count > 1}
    first: dict[str, str] = {}
    reasons = {}
    for name, path in photos.paths.items():
        if sizes[name] in shared and (original := first.setdefault(input_sha256(path), name)) != name:
            reasons[name] = f"it is a copy of {original}"
    copies = "copies of other photos are" if len(reasons) > 1 else "copy of another photo is"
    return photos.without(reasons, f"{len(reasons)} {copies} left out: {listed(list(reasons))}.")


@dataclass(frozen=True)
class Look:
    """Appearance and sharpness of a photo at low resolution."""

    signature: Float32[ndarray, " cell"]
    sharpness: float


def _without_near_duplicates(photos: PhotoSet, looks: Mapping[str, Look]) -> PhotoSet:
    names = list(photos.paths)
    if not names:
        return photos
    signatures = np.stack([looks[name].signature for name in names])
    left_out = duplicates(signatures, _sharpness(names, looks), ENOUGH_PHOTOS)
    reasons = {names[i]: f"it is a near duplicate of {names[other]}" for i, other in left_out.items()}
    return photos.without(reasons, f"{len(reasons)} near duplicates are left out: {listed(list(reasons))}.")


def _without_surplus(photos: PhotoSet, looks: Mapping[str, Look]) -> PhotoSet:
    names = list(photos.paths)
    if len(names) <= MAX_SFM_PHOTOS:
        return photos
    bins = even_bins(len(names), MAX_SFM_PHOTOS)
    kept = sharpest_of_each(bins, _sharpness(names, looks))
    reasons = {
        name: f"{names[kept[bins[i]]]}, which is sharper, stands for it: {MAX_SFM_PHOTOS} of {len(names)} are used"
        for i, name in enumerate(names)
        if kept[bins[i]] != i
    }
    warning = f"Of {len(names)} photos {MAX_SFM_PHOTOS}, evenly spread and sharp, are used to find camera positions."
    return photos.without(reasons, warning)


def _sharpness(names: Sequence[str], looks: Mapping[str, Look]) -> Float32[ndarray, " photo"]:
    return np.array([looks[name].sharpness for name in names], dtype=np.float32)


def glance_at(
    paths: Mapping[str, Path], masks: Mapping[str, Path], report: Report = ignore
) -> tuple[dict[str, Look], dict[str, str]]:
    """Check every photo and its mask by decoding them completely; return name -> look, and name -> reason if unusable.

    Photos are decoded one per thread and then released.
    """

    def glance(name: str) -> Look | str:
        image = _usable(paths[name], masks.get(name))
        if isinstance(image, str):
            return image
        image = on_white(image).convert("L")
        image.thumbnail((max(LOOK_PX), max(LOOK_PX)), Image.Resampling.BOX)
        grey = np.asarray(image)
        return Look(signature_of(grey), sharpness_of(grey))

    seen = dict(zip(paths, in_threads(glance, list(paths), "checking photos", report), strict=True))
    looks = {name: look for name, look in seen.items() if isinstance(look, Look)}
    return looks, {name: reason for name, reason in seen.items() if isinstance(reason, str)}


def find_unusable(paths: Mapping[str, Path], masks: Mapping[str, Path], report: Report = ignore) -> dict[str, str]:
    """Return the reason why each unusable photo cannot be used."""

    def reason_of(name: str) -> str | None:
        image = _usable(paths[name], masks.get(name))
        return image if isinstance(image, str) else None

    reasons = zip(paths, in_threads(reason_of, list(paths), "checking photos", report), strict=True)
    return {name: reason for name, reason in reasons if reason is not None}


def _usable(path: Path, mask: Path | None) -> Image.Image | str:
    """Return the upright photo, reduced as far as decoders do it, or a clause saying why it or its mask is unusable."""
    try:
        image = read_upright(path, LOOK_PX)
    except UnreadablePhoto as error:
        return error.reason
    if min(photo_header(path).upright_size) < LEAST_SIDE_PX:
        return f"it has only {image.width}x{image.height} px"
    try:
        unmasked = None if mask is None else read_mask(mask, photo_header(path), image)
    except UnreadablePhoto as error:
        return f"its mask cannot be used: {error.reason}"
    counts = pixels_that_count(image, unmasked)
    return "all of it is transparent or masked" if counts is not None and not counts.any() else image
