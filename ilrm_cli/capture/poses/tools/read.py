"""One entry to the readers of other tools' poses: what was found beside photos becomes a `PoseSet`."""

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ilrm_cli.capture.photos.header import PhotoHeader, photo_header
from ilrm_cli.capture.photos.listing import Listing
from ilrm_cli.capture.photos.other_tools import Tool, ToolPoses
from ilrm_cli.capture.photos.renamed import renamed_photos
from ilrm_cli.capture.poses.agreement import agreement, matches_of
from ilrm_cli.capture.poses.inria_json import is_inria, poses_of_cameras
from ilrm_cli.capture.poses.lenses import FRAME_MM, Given, colmap_camera, lenses_for, pinhole, turned_lens, turned_pose
from ilrm_cli.capture.poses.pose_set import PoseSet, without_namesakes
from ilrm_cli.capture.poses.tools.bundler import read_bundler
from ilrm_cli.capture.poses.tools.images_txt import names_in_images_txt, read_images_txt
from ilrm_cli.capture.poses.tools.llff import read_llff
from ilrm_cli.capture.poses.tools.metashape import read_metashape
from ilrm_cli.capture.poses.tools.opensfm import read_opensfm
from ilrm_cli.capture.poses.tools.phones import read_arkit, read_polycam, read_record3d
from ilrm_cli.capture.poses.tools.reading import damage_named
from ilrm_cli.capture.poses.tools.reality_capture import OTHER_ROTATIONS, Rotation, read_reality_capture
from ilrm_cli.capture.poses.transforms_json import read_transforms
from ilrm_cli.geometry.cameras import Lens
from ilrm_cli.runtime.errors import InputError, listed
from ilrm_cli.runtime.json_values import read_json

# Share of shared features near their epipolar lines: on 19 posed scenes at least 0.77, with axes of the cameras swapped
# at most 0.34.
FITTING = 0.5
BARE: tuple[Tool, ...] = ("metashape", "realitycapture", "inria")  # see `PoseSet.bare`


class NoLens(InputError):
    """Poses without lenses, of photos that do not state theirs, or that fit no lens."""


@dataclass(frozen=True)
class _Photos:
    """The photos that a tool names, found by what their names say."""

    root: Path
    listing: Listing
    bare: bool = False  # see `PoseSet`

    def paths(self, names: Sequence[str]) -> dict[str, Path]:
        found = renamed_photos(self.root, names, self.listing, self.bare)
        places = {name: self.root / found.get(name, name) for name in names}
        return {name: place for name, place in places.items() if os.path.isfile(place)}

    def headers(self, names: Sequence[str]) -> dict[str, PhotoHeader]:
        """Return the headers of the photos that can be read."""
        headers = {}
        for name, path in self.paths(names).items():
            with suppress(InputError):  # it is told of with the photos that are left out
                headers[name] = photo_header(path)
        return headers

    def sizes(self, names: Sequence[str]) -> dict[str, tuple[int, int]]:
        """Return (width, height) of the photos as stored, px, of those that can be read."""
        return {name: (header.width, header.height) for name, header in self.headers(names).items()}

    def lenses(self, names: Sequence[str], given: Given | None) -> Mapping[str, Lens]:
        """Return the given lens of each photo as stored, or else the one that its EXIF data state."""
        headers = self.headers(names)
        if given is not None:
            return _as_stored(given, headers)
        return {
            name: pinhole((focal, focal), (header.width / 2, header.height / 2), header.width, header.height)
            for name, header in headers.items()
            if header.focal_35mm is not None
            and (focal := header.focal_35mm / FRAME_MM * max(header.width, header.height))
        }


def _as_stored(given: Given, headers: Mapping[str, PhotoHeader]) -> dict[str, Lens]:
    """Return the given lenses of the photos as stored; they may be given for these or for the upright ones.

    Where the shape does not tell, the principal point does, which lies near the middle.
    """
    stored = {name: (header.width, header.height) for name, header in headers.items()}
    upright = {name: header.upright_size for name, header in headers.items()}
    if stored == upright:
        return lenses_for(given, stored)
    readings, refused = [], []
    for sizes in (stored, upright):
        try:
            readings.append(lenses_for(given, sizes))
        except InputError as error:
            refused.append(error)
    if not readings:
        raise refused[0]
    lenses = min(readings, key=lambda lenses: max(map(_off_middle, lenses.values())))
    return {
        name: lens
        if (lens.width, lens.height) == stored[name]
        else turned_lens(lens, -(headers[name].quarter_turns or 0))
        for name, lens in lenses.items()
    }


def _off_middle(lens: Lens) -> float:
    """Return how far the principal point is from the middle of the photo, as a share of its sides."""
    camera = colmap_camera(lens)
    return max(abs(camera.principal_point_x / lens.width - 0.5), abs(camera.principal_point_y / lens.height - 0.5))


def read_tool_poses(found: ToolPoses, root: Path, listing: Listing, given: Given | None = None) -> tuple[PoseSet, Path]:
    """Return the poses and the folder that their names are relative to; `root` is that of the project's photos.

    `given` is the lens for poses that have none; NoLens is raised without it and without EXIF data, and for a table
    without lenses that does not fit the photos. Raises InputError.
    """
    photos = _Photos(found.photos or root, listing, found.tool in BARE)
    source = found.source
    match found.tool:
        case "polycam":
            poses = read_polycam(found.files)
        case "record3d":
            poses = read_record3d(source, listing.photos(photos.root))
        case "arkit":
            poses = read_arkit(found.files, photos.sizes)
        case "metashape":
            poses = read_metashape(source)
        case "realitycapture":
            poses = _reality_capture(found, photos, given)
        case "opensfm":
            poses = read_opensfm(source)
        case "bundler":
            poses = read_bundler(source, found.files[1] if len(found.files) > 1 else None, photos.sizes)
        case "inria":
            poses = _inria(source)
        case "transforms":
            photos = _Photos(source.parent, listing)
            stated = read_transforms(source, lambda path: None)
            sizes = {source.parent / name: size for name, size in photos.sizes(stated.unmeasured).items()}
            poses = read_transforms(source, sizes.get)
        case "images.txt":
            names = names_in_images_txt(source)
            lenses = photos.lenses(names, given)
            if not lenses:
                raise _no_lens(source, "no cameras.txt", names, photos)
            poses = read_images_txt(source, lenses)
        case "llff":
            poses = read_llff(source, listing.photos(photos.root))
    if not poses.poses and not poses.unmeasured:
        raise InputError(f"{source} holds no photo with a pose; export it again, or add --poses sfm.")
    return replace(poses, bare=photos.bare), photos.root


def _no_lens(source: Path, why: str, names: Sequence[str], photos: _Photos) -> NoLens:
    if not photos.paths(names):
        return NoLens(
            f"{source} has poses but no lenses ({why}), and none of its photos ({listed(names)}) is in {photos.root}: "
            "it is not read; put them there."
        )
    return NoLens(
        f"{source} has poses but no lenses ({why}), and the photos do not state theirs: it is not read; --camera gives "
        "a lens."
    )


def _reality_capture(found: ToolPoses, photos: _Photos, given: Given | None) -> PoseSet:
    """Read the table with angles as documented, unless the photos contradict and agree with another reading.

    One without lenses may be a log of a flight, which only comes near to the poses: it must agree.
    """
    file = found.source

    def read(rotation: Rotation | None = None) -> PoseSet:
        poses = read_reality_capture(file, photos.sizes, lambda names: photos.lenses(names, given), rotation)
        return without_namesakes(poses, str(file))

    documented = read()
    if not found.lenses and not documented.poses:
        raise _no_lens(file, "no column f", documented.unmeasured, photos)
    names = [pose.name for pose in documented.poses]
    paths = photos.paths(names)
    turns = [header.quarter_turns or 0 for header in photos.headers(names).values()]
    upright = [turned_lens(pose.lens, turn) for pose, turn in zip(documented.poses, turns, strict=True)]
    matches = matches_of([(paths[name], lens) for name, lens in zip(names, upright, strict=True)])

    def fit(poses: PoseSet) -> float | None:
        upright = [turned_pose(pose.world_from_cam, turn) for pose, turn in zip(poses.poses, turns, strict=True)]
        return agreement(matches, upright)

    share = fit(documented)
    if share is None and not found.lenses:
        raise NoLens(
            f"{file} has poses without lenses, and nothing tells if they fit the photos: it is not read; --poses sfm "
            "finds others."
        )
    if share is None or share >= FITTING:
        return documented
    best = max((read(rotation) for rotation in OTHER_ROTATIONS), key=lambda poses: fit(poses) or 0)
    if (fit(best) or 0) < FITTING and not found.lenses:
        raise NoLens(
            f"{file} has poses without lenses, which do not fit the photos ({share:.0%} of shared features): it is not "
            "read; --poses sfm finds others."
        )
    if (fit(best) or 0) < FITTING:
        said = f"the poses in {file} do not fit the photos ({share:.0%} of shared features); --poses sfm finds others."
        return replace(documented, warnings=(*documented.warnings, said))
    said = f"{file} counts pitch from the horizon, other than RealityCapture does: the photos tell."
    return replace(best, warnings=(*best.warnings, said))


def _inria(file: Path) -> PoseSet:
    with damage_named(file):
        content = read_json(file)
        if not is_inria(content):
            raise InputError(f"{file} is no list of cameras with position, rotation, fx, fy, width and height.")
        poses = poses_of_cameras(content, file)
    return PoseSet(tuple(poses), np.zeros((0, 3)), labels=True)
