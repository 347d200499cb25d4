"""What a project folder, or a video, holds by the names of files: photos, videos, masks and poses.

It is looked through once; what is found is handed on. Nothing is opened but, for their first bytes, files that may hold
poses of other tools, and nothing heavy is imported.
"""

import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ilrm_cli.capture.photos.listing import (
    PHOTO_FOLDERS,
    SUFFIXES,
    VIDEO_SUFFIXES,
    Listing,
    check_names,
    find_mask,
    is_photo,
    is_video,
    mask_folders,
    natural_order,
    photo_folder,
    without_maps,
    without_masks,
)
from ilrm_cli.capture.photos.other_tools import ToolPoses, find_tool_poses, only_folder, poses_elsewhere
from ilrm_cli.capture.photos.project_models import (
    MODEL_SUFFIXES,
    find_model,
    find_transforms,
    models_elsewhere,
    own_model,
)
from ilrm_cli.capture.photos.unread_poses import unread_below
from ilrm_cli.runtime.errors import InputError, listed

PoseSource = Literal["auto", "colmap", "transforms", "other", "sfm"]  # of poses; "other": of another tool
MIN_PHOTOS = 3  # for structure from motion: two photos agree by chance too easily
MIN_VIEWS = 2  # one photo has no parallax


@dataclass(frozen=True)
class VideoChoice:
    """The options for choosing a video's frames."""

    fps: float | None = None  # frames per second of video; None: as many as the camera's motion requires
    max_frames: int = 100  # limit over all videos together


@dataclass(frozen=True)
class PoseSettings:
    """The user's settings for poses alone, each an option of the same default, in the order of the help."""

    poses: PoseSource = "auto"  # source of the poses
    camera: str | None = None  # the known lens; see `capture.poses.lenses`
    fps: float | None = VideoChoice.fps
    max_frames: int = VideoChoice.max_frames
    seed: int = 0

    @property
    def video(self) -> VideoChoice:
        return VideoChoice(self.fps, self.max_frames)


@dataclass(frozen=True)
class ProjectFolder:
    """A folder or video as it was found."""

    place: Path  # as given
    root: Path  # which names of photos are relative to: `images` or `input` if that has photos, else the place
    photos: tuple[Path, ...]  # in natural order
    passed_over: tuple[Path, ...]  # photos in subfolders of a root that holds photos itself
    videos: tuple[Path, ...]  # in natural order
    masks: Mapping[str, Path]  # name of a photo -> its mask, for those that have one
    model: Path | None  # folder of the COLMAP model
    transforms: Path | None  # transforms.json
    tool: ToolPoses | None  # poses of another tool
    not_read: tuple[str, ...]  # a sentence on each kind of file that is recognised but not used
    inputs: tuple[Path, ...]  # all files that a scene of this place can depend on, sorted
    listing: Listing = field(repr=False, compare=False)  # of everything read so far
    given: tuple[str, ...] | None = None  # names of the photos, if they were given one by one; None: all of the place
    aside: bool = False  # whether the poses lie in a folder that may have nothing to do with these photos

    @property
    def title(self) -> str:
        """What to call a scene of this place: its name, or that of the project whose folder of photos it is."""
        place = self.place.resolve()
        if self.place in self.videos:
            return place.stem
        if self.given is not None and len(self.photos) == 1:
            return self.photos[0].stem
        return (place.parent if place.name in PHOTO_FOLDERS else place).name or "scene"

    @property
    def arguments(self) -> tuple[Path, ...]:
        """What names it on a command line."""
        return (self.place,) if self.given is None else self.photos

    @property
    def names(self) -> dict[str, Path]:
        """Map the names of all photos, unique and relative to the root, to their files."""
        return {path.relative_to(self.root).as_posix(): path for path in self.photos}

    def poses(self, origin: PoseSource) -> tuple[Path | None, Path | None]:
        """Return the folder of the COLMAP model or else the transforms.json, if allowed by `origin`."""
        model = self.model if origin in ("auto", "colmap") else None
        return model, self.transforms if origin in ("auto", "transforms") and model is None else None

    def tool_poses(self, origin: PoseSource) -> ToolPoses | None:
        """Return the poses of another tool, if allowed by `origin` and not preceded by those of `poses`."""
        return self.tool if origin == "other" or (origin == "auto" and not any(self.poses(origin))) else None

    def require(self, poses: PoseSource = "auto", camera: str | None = None, views: int | None = None) -> None:
        """Raise InputError if these options cannot be used here, as far as names tell.

        They are the source of poses, the known lens, and the number of inputs.
        """
        self._require_photos(poses, camera)
        check_views(views)
        if views is not None and 0 < (found := len(self.photos)) < views:
            there = f"{found} photos there are" if found > 1 else "one photo there is"
            raise InputError(f"--views {views} is more than the {there}; ask for fewer.")

    def _require_photos(self, poses: PoseSource, camera: str | None) -> None:
        check_names((self.place,))
        tool = self.tool_poses(poses)
        if any(self.poses(poses)) or tool is not None:
            if camera is None or (tool is not None and not tool.lenses):
                return
            raise InputError(
                f"{self.place} has poses with their own cameras, so --camera does not apply; add --poses sfm."
            )
        if poses == "colmap":
            raise InputError(
                f"{self.place} holds no COLMAP model (sparse/0 with cameras and images); use --poses auto."
            )
        if poses == "transforms":
            raise InputError(f"{self.place} holds no transforms.json; use --poses auto.")
        if poses == "other":
            raise InputError(f"{self.place} holds no poses of another tool that can be read (`ilrm help inputs`).")
        check_names((*self.photos, *self.passed_over, *self.videos))
        if not self.photos and not self.videos:
            raise InputError(
                f"{self.place} holds no photo (JPEG, PNG, WebP, TIFF, AVIF, HEIC or camera RAW) and no video; "
                "give the folder that holds them."
            )
        if 0 < len(self.photos) < MIN_PHOTOS:
            broken = list(self._broken())
            raise self.too_few(len(self.photos) - len(broken), f": {broken[0]}" if broken else ".")

    def _broken(self) -> Iterator[str]:
        """Yield a sentence for each photo that cannot be opened."""
        from ilrm_cli.capture.photos.header import photo_header

        for path in self.photos:
            try:
                photo_header(path)
            except InputError as error:
                yield str(error).replace(str(path), path.name)

    def too_few(self, count: int, why: str) -> InputError:
        """Return the error for fewer photos, or frames of videos, than MIN_PHOTOS."""
        if not self.photos:
            frames = ("no frame", "only one frame", "only two frames")[count]
            return InputError(
                f"{self.place} gives {frames} that can be used, and three that overlap are the least{why}"
            )
        photos = ("no photo", "only one photo", "only two photos")[count]
        there = f"{self.place} holds {photos}" if self.given is None else f"you gave {photos} of {self.place}"
        return InputError(f"{there} that can be used; three that overlap are the least without poses{why}")


def open_photos(places: Sequence[Path]) -> ProjectFolder:
    """Look through a folder, take a video, or take photos given one by one, as a shell's pattern gives them.

    Raises InputError if it is none of these or cannot be read.
    """
    if len(places) == 1 and not is_photo(places[0]):
        return open_folder(places[0])
    if other := next((place for place in places if not is_photo(place)), None):
        what = "is not a photo" if os.path.exists(other) else "does not exist"
        raise InputError(f"{other} {what}; give photos, or else one folder or one video.")
    folder, names = _named_within(places)
    if any(".." in Path(name).parts for name in names):
        folder, names = _named_within([place.parent.resolve() / place.name for place in places])
    return open_folder(folder, names)


def _named_within(places: Sequence[Path]) -> tuple[Path, list[str]]:
    """Return the nearest folder above all places, and their names relative to it."""
    if len({place.is_absolute() for place in places}) > 1:
        places = [place.absolute() for place in places]
    folder = Path(os.path.commonpath([place.parent for place in places]))
    return folder, [place.relative_to(folder).as_posix() for place in places]


def open_folder(place: Path, given: Sequence[str] | None = None) -> ProjectFolder:
    """Look through a folder of photos, or take a video. Raises InputError if it is neither or cannot be read.

    Of a folder, only photos of the `given` names are taken, if there are any.
    """
    if is_video(place):
        return ProjectFolder(place, place.parent, (), (), (place,), {}, None, None, None, (), (place,), Listing())
    if not place.is_dir():
        what = "is not a folder" if place.exists() else "does not exist"
        raise InputError(f"{place} {what}; give the folder that holds the photos, or a video.")
    try:
        return _found(place, Listing(), given)
    except OSError as error:
        raise InputError(f"{error.filename or place} cannot be read: {error.strerror}.") from error


def _found(place: Path, listing: Listing, given: Sequence[str] | None) -> ProjectFolder:
    if given is None:
        root = photo_folder(place, listing)
        photos = listing.photos(root)
        pictures = listing.pictures(root)
        maps = {*pictures} - {*without_maps(root, pictures)} - {*photos}
        passed_over = sorted({*pictures} - maps - {*photos}, key=natural_order)
    else:
        root, maps, passed_over = place, set(), []
        photos = without_masks(sorted({place / name for name in given}, key=natural_order))
    masks = {
        name: mask
        for name in (path.relative_to(root).as_posix() for path in photos)
        if (mask := find_mask(root, name, listing)) is not None
    }
    model, transforms = find_model(place, listing), find_transforms(place)
    tool, not_read = find_tool_poses(place, listing)
    if model is not None or (transforms is None and tool is None):
        model = own_model(place, photos, listing) or model  # another one may be of photos that are not here
    aside = model is None and transforms is None and tool is None
    if aside:
        project, unclear = only_folder(place, listing) or place, tuple[str, ...]()
        if photos:  # those of a video's frames are nowhere
            model, tool, unclear = _poses_elsewhere(project, listing)
        not_read = (*not_read, *unclear, *unread_below(project, listing), *_told_of_maps(root, maps))
    inputs = [*(_inputs(place, photos, listing) if given is None else photos), *masks.values()]
    return ProjectFolder(
        place,
        root,
        tuple(photos),
        tuple(passed_over),
        tuple(listing.videos(root)),
        masks,
        model,
        transforms,
        tool,
        not_read,
        tuple(sorted({*inputs, *_pose_files(model, transforms, tool, listing)})),
        listing,
        None if given is None else tuple(path.relative_to(place).as_posix() for path in photos),
        aside and not (model is None and tool is None),
    )


def _told_of_maps(root: Path, maps: Collection[Path]) -> Iterator[str]:
    if maps:
        names = listed(path.relative_to(root).as_posix() for path in sorted(maps, key=natural_order))
        yield f"{len(maps)} pictures named as depth maps and the like are no photos here and are not used ({names})."


def _poses_elsewhere(place: Path, listing: Listing) -> tuple[Path | None, ToolPoses | None, tuple[str, ...]]:
    """Return the only COLMAP model of a project outside of the usual places, or else a tool's poses; or sentences."""
    models = models_elsewhere(place, listing)
    if len(models) == 1:
        return models[0], None, ()
    names = listed(model.relative_to(place).as_posix() for model in models)
    said = f"{place} holds COLMAP models in {names}, and none is read; move the one that is meant to sparse/0."
    tool, unread = poses_elsewhere(place, listing)
    return None, tool, (said, *unread) if models else unread


def _inputs(place: Path, photos: Iterable[Path], listing: Listing) -> Iterable[Path]:
    """Return all photos and masks at and below the folder, or its videos if there is no photo.

    The masks of a folder named `images` or `input` may lie beside it.
    """
    visible = list(listing.below(place))
    files = [*photos, *(path for path in visible if path.suffix.lower() in SUFFIXES)]
    files = files or [path for path in visible if path.suffix.lower() in VIDEO_SUFFIXES]
    beside = mask_folders(place.parent, listing) if place.name in PHOTO_FOLDERS else ()
    return [*files, *(path for folder in beside for path in listing.below(folder))]


def _pose_files(
    model: Path | None, transforms: Path | None, tool: ToolPoses | None, listing: Listing
) -> Iterable[Path]:
    files = [] if model is None else [path for path in listing.files(model) if path.suffix in MODEL_SUFFIXES]
    return [*files, *([] if transforms is None else [transforms]), *(() if tool is None else tool.files)]


def check_views(views: int | None) -> None:
    """Raise InputError if the number of inputs is too small for any scene."""
    if views is not None and views < MIN_VIEWS:
        raise InputError(f"--views {views}: a scene needs at least {MIN_VIEWS} photos.")
