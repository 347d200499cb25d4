"""A head on disk: its photos with poses, what is known of each pixel, and the expressions that are wanted of it.

    {"photos": [{"photo": "images/000.png", "positions": "positions/000.npy", "confidence": "confidence/000.npy"}, ...]}

Paths are relative to that file. A photo has `positions` (a .npy of world positions, rows x columns x 3) or `depth` (of
z-depths, rows x columns), of any size in the shape of the photo, in the frame and the unit of the poses; perhaps
`confidence` (rows x columns, 0 to 1) and `features` (rows x columns x channels). Poses are those of the folder that
"poses" names, by default of the file's own: a COLMAP model or a transforms.json.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from ilrm_cli.capture.load import gather
from ilrm_cli.capture.load_views import common_size, load_views
from ilrm_cli.capture.photos.folder import open_folder
from ilrm_cli.capture.poses.lenses import PINHOLES
from ilrm_cli.geometry.cameras import Cameras, Lens
from ilrm_cli.geometry.frames import frame_of_model
from ilrm_cli.geometry.transforms import Similarity
from ilrm_cli.geometry.views import PosedPhoto, Priors, Views
from ilrm_cli.models.base import Capabilities
from ilrm_cli.models.priors import (
    FEATURE_PLUGINS,
    POSITION_PLUGINS,
    FrozenFeatures,
    PositionMaps,
    StoredFeatures,
    StoredMap,
    StoredPositions,
    features_of_plugin,
    of_plugin,
    plugin,
)
from ilrm_cli.pipeline.prepare import normalized_head
from ilrm_cli.runtime.errors import InputError, clause
from ilrm_cli.runtime.json_values import fitted, read_json

FROZEN = "frozen"  # as --features: our own small network, see `priors.FrozenFeatures`
MOST_NUMBERS = 1 << 28  # of a map: a gigabyte in float32
SAME_SHAPE = 0.02  # relative difference of aspect ratios up to which a map has the shape of its photo
DEFAULT_FPS = 24.0


@dataclass(frozen=True)
class HeadPhoto:
    """One photo of a head, by the paths of its files."""

    photo: str
    positions: str | None = None
    depth: str | None = None
    confidence: str | None = None
    features: str | None = None
    expression: tuple[float, ...] | None = None  # of the photo itself, for those who want to know; no model heeds it


@dataclass(frozen=True)
class HeadFile:
    """The content of a head's file."""

    photos: tuple[HeadPhoto, ...]
    poses: str = "."  # folder with a COLMAP model or a transforms.json


@dataclass(frozen=True)
class ExpressionFile:
    """The expressions of a film, one for each frame."""

    expressions: tuple[tuple[float, ...], ...]
    fps: float | None = None
    names: tuple[str, ...] = ()  # of the numbers, for people


@dataclass(frozen=True)
class Head:
    """A head as the model sees it, in an object's frame."""

    views: Views  # with priors, whose expression is all zeros
    names: tuple[str, ...]  # of the photos
    normal_from_world: Similarity
    read: frozenset[Path]  # all files that it was made from, resolved


def read_head_file(path: Path) -> HeadFile:
    """Read a head's file. Raises InputError with the place of what does not fit."""
    if path.is_dir():
        raise InputError(f"{path} is a folder; name the .json file in it that lists the photos of the head.")
    try:
        return fitted(read_json(path), HeadFile)
    except ValueError as error:
        raise InputError(f"{path}: not a head's file ({clause(error, 'it cannot be read')}).") from error


def read_expressions(path: Path, numbers: int) -> ExpressionFile:
    """Read expressions: an object, or a bare list of lists. Raises InputError if they are not of so many numbers."""
    try:
        content = read_json(path)
        found = fitted({"expressions": content} if isinstance(content, list) else content, ExpressionFile)
    except ValueError as error:
        raise InputError(f"{path}: no expressions ({clause(error, 'it cannot be read')}).") from error
    if not found.expressions:
        raise InputError(f"{path} holds no expression; give one for each frame.")
    for index, code in enumerate(found.expressions):
        if len(code) != numbers:
            raise InputError(f"{path}, expression {index} has {len(code)} numbers, and the model takes {numbers}.")
        if not all(map(math.isfinite, code)):
            raise InputError(f"{path}, expression {index} has a number that is not finite.")
    if found.fps is not None and not 0 < found.fps <= 1000:
        raise InputError(f"{path}: {found.fps} frames per second cannot be shown; use up to 1000.")
    return found


def load_head(path: Path, can: Capabilities, *, positions: str | None = None, features: str | None = None) -> Head:
    """Read a head for a model that animates heads; `positions` and `features` name plug-ins in place of files.

    Raises InputError for photos, poses and maps that are missing, or of another number, shape or kind.
    """
    needed, file = can.priors, read_head_file(path)
    assert needed is not None, "a model that animates heads"
    if not can.min_views <= len(file.photos) <= can.max_views:
        most = f"{can.min_views} to {can.max_views}" if can.min_views < can.max_views else can.max_views
        raise InputError(f"{path} lists {len(file.photos)} photos, and the model takes {most} of a head.")
    posed = _posed(path, file)
    width, height = common_size(posed, long_side=can.long_side_px, multiple=can.size_multiple)
    views = load_views(posed, width, height)
    maps = _maps(path, file, posed, views, positions)
    told = _features(path, file, views, needed.features, features)
    to_normal = frame_of_model(torch.from_numpy(np.stack([photo.world_from_cam for photo in posed])), can.normalisation)
    priors = Priors(maps.positions, maps.confidence.float(), torch.zeros(needed.code), told)
    normal = normalized_head(Views(views.images, views.cameras, priors=priors), to_normal)
    read = {path, *(photo.path for photo in posed), *_paths_of_maps(path, file)}
    return Head(normal, tuple(photo.photo for photo in file.photos), to_normal, frozenset(p.resolve() for p in read))


def _posed(path: Path, file: HeadFile) -> tuple[PosedPhoto, ...]:
    """Return the photos in their order. Raises InputError for one without a pose, or whose lens is not a pinhole."""
    folder = open_folder(path.parent / file.poses)
    if not any(folder.poses("auto")):
        raise InputError(f"{folder.place} has no COLMAP model and no transforms.json with the poses of the head.")
    known = {photo.path.resolve(): photo for photo in gather(folder).photos}
    found = []
    for entry in file.photos:
        place = (path.parent / entry.photo).resolve()
        if not place.is_file():
            raise InputError(f"{path} names the photo {entry.photo}, which is not there.")
        if place not in known:
            raise InputError(f"{entry.photo} of {path} has no pose in {folder.place}.")
        found.append(known[place])
        if known[place].lens.model not in PINHOLES:
            raise InputError(f"{entry.photo} of {path} is distorted, unlike its map; undistort both: ilrm pose.")
    if len({(photo.lens.width, photo.lens.height) for photo in found}) > 1:
        raise InputError(f"{path}: its photos have several sizes; give all of one size.")
    return tuple(found)


def _maps(path: Path, file: HeadFile, posed: Sequence[PosedPhoto], views: Views, name: str | None) -> PositionMaps:
    """Return the position maps of all photos, in the frame of the poses."""
    if name is not None:
        option = f"--positions {name}"
        return of_plugin(plugin(POSITION_PLUGINS, name, "--positions"), views, option)
    return StoredPositions([_stored(path, entry, photo) for entry, photo in zip(file.photos, posed, strict=True)])(
        views
    )


def _stored(path: Path, entry: HeadPhoto, photo: PosedPhoto) -> StoredMap:
    if (entry.positions is None) == (entry.depth is None):
        raise InputError(
            f"{entry.photo} of {path} needs either positions or depth; or name a plug-in that finds them: --positions."
        )
    name, numbers = (entry.positions, 3) if entry.positions is not None else (entry.depth, 1)
    assert name is not None
    ending, shape = ((3,), "rows x columns x 3") if numbers == 3 else ((), "rows x columns")
    values = _array(path.parent / name, lambda found: found[2:] == ending, shape)
    confidence = None
    if entry.confidence is not None:
        confidence = _array(
            path.parent / entry.confidence, lambda shape: shape == values.shape[:2], "the rows and columns of its map"
        )
        if not ((confidence >= 0) & (confidence <= 1)).all():
            raise InputError(f"{path.parent / entry.confidence}: confidence lies between 0 and 1.")
    height, width = values.shape[:2]
    lens = photo.lens
    if abs(width * lens.height / (height * lens.width) - 1) > SAME_SHAPE:
        raise InputError(f"{path.parent / name} is {width}x{height}, which has another shape than its photo.")
    return StoredMap(values.reshape(height, width, numbers), confidence, _camera(lens).resized(width, height))


def _camera(lens: Lens) -> Cameras:
    """Return a pinhole lens as a camera whose pose does not matter."""
    focal, *more = lens.params
    x, y = (focal, more[0]) if len(lens.params) == 4 else (focal, focal)
    params = torch.tensor([x, y, *lens.params[-2:]], dtype=torch.float64)
    return Cameras(torch.eye(4).double()[None], params[None, :2], params[None, 2:], lens.width, lens.height)


def _array(path: Path, fits: Callable[[tuple[int, ...]], bool], shape: str) -> Float[Tensor, "*shape"]:
    """Read a .npy file of numbers. Raises InputError if it is none, or of another shape."""
    try:
        found: ndarray = np.load(path, allow_pickle=False, mmap_mode="r")
    except FileNotFoundError:
        raise InputError(f"{path} is not there.") from None
    except Exception as error:  # numpy raises a different type for every kind of damage
        raise InputError(f"{path}: cannot be read as a .npy file; it is damaged or another file.") from error
    if not isinstance(found, ndarray) or found.dtype.kind not in "fiu" or found.size > MOST_NUMBERS:
        raise InputError(f"{path}: not a .npy file of plain numbers of usual size.")
    if found.ndim < 2 or not found.size or not fits(found.shape):
        raise InputError(f"{path} has the shape {'x'.join(map(str, found.shape))}, and {shape} is needed.")
    return torch.from_numpy(np.array(found, dtype=np.float32))


def _features(
    path: Path, file: HeadFile, views: Views, channels: int, name: str | None
) -> Float[Tensor, "view rows columns channel"] | None:
    """Return dense features for a model that takes so many channels; None if it takes none."""
    if not channels:
        return None
    if name == FROZEN:
        return FrozenFeatures(channels)(views)
    if name is not None:
        found = features_of_plugin(plugin(FEATURE_PLUGINS, name, "--features"), views, f"--features {name}")
    else:
        files = [photo.features for photo in file.photos if photo.features is not None]
        if len(files) < len(file.photos):
            raise InputError(f"the model needs features of every photo of {path}; list them, or use --features.")
        maps = [_array(path.parent / one, lambda shape: len(shape) == 3, "rows x columns x channels") for one in files]
        if len({one.shape for one in maps}) > 1 or not all(one.isfinite().all() for one in maps):
            raise InputError(f"{path}: the features of its photos differ in size, or are not finite.")
        found = StoredFeatures(torch.stack(maps))(views)
    if found.shape[-1] != channels:
        raise InputError(f"the features of {path} have {found.shape[-1]} channels, and the model takes {channels}.")
    return found


def _paths_of_maps(path: Path, file: HeadFile) -> list[Path]:
    names = [name for one in file.photos for name in (one.positions, one.depth, one.confidence, one.features)]
    return [path.parent / name for name in names if name is not None]
