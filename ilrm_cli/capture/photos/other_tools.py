"""Files beside photos in which other tools keep camera poses that can be read; `unread_poses` names those that cannot.

COLMAP models and transforms.json are found elsewhere. Names tell most; of some files the first bytes are looked at, and
nothing heavy is imported.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from ilrm_cli.capture.photos.listing import PHOTO_FOLDERS, Listing, is_open, is_photo, is_video
from ilrm_cli.capture.photos.unread_poses import PEEK_BYTES, head_of, lines_of, unread_in
from ilrm_cli.runtime.errors import listed

Tool = Literal[
    "polycam", "record3d", "arkit", "metashape", "realitycapture", "opensfm", "bundler", "inria", "transforms",
    "images.txt", "llff",
]  # fmt: skip
TOOLS: tuple[Tool, ...] = get_args(Tool)  # the first that is there is read
PREFIX_BYTES = 16  # within which a text begins, be it with a byte order mark
CSV_COLUMNS = ("name", "x", "y", "alt", "heading", "pitch", "roll")  # which RealityCapture's table has at least
CSV_FOCAL = "f"
RECORD3D_KEYS = (b'"K"', b'"poses"', b'"perFrameIntrinsicCoeffs"')  # some is near the beginning
OPENSFM_KEYS = (b'"cameras"', b'"shots"')  # likewise
LLFF_SHAPE = rb"'descr': '<f([48])', 'fortran_order': False, 'shape': \((\d{1,6}), 17\)"  # in the header of a .npy
LLFF_NUMBERS = 17  # of a row
LISTS = ("list.txt", "list.rd.txt")  # of Bundler; the last is that of undistorted photos
POLYCAM_FOLDERS = (("corrected_cameras", "corrected_images"), ("cameras", "images"))  # below `keyframes`


@dataclass(frozen=True)
class ToolPoses:
    """Camera poses that another tool wrote."""

    tool: Tool
    source: Path  # the file, or the folder with a file for each photo
    files: tuple[Path, ...]  # all that is read
    photos: Path | None = None  # folder of the photos, where the tool prescribes it
    lenses: bool = True  # whether it states the lenses; if not, photos or the user do


def find_tool_poses(place: Path, listing: Listing) -> tuple[ToolPoses | None, tuple[str, ...]]:
    """Return the poses of another tool in a project's folder, if any, and a sentence on each file that is not read."""
    inside = [place / name for name in PHOTO_FOLDERS if listing.is_folder(place / name)]
    roots = [place, place.parent] if place.name in PHOTO_FOLDERS else [place, *inside]
    found = _found(roots, listing)
    if not found and (only := only_folder(place, listing)) is not None and only not in roots:
        roots, found = [*roots, only], _found([only], listing)
    return (found[0] if found else None), tuple(sentence for root in roots for sentence in unread_in(root, listing))


def _found(roots: list[Path], listing: Listing) -> list[ToolPoses]:
    """Return all poses in these folders, those without lenses last, of which tables may be logs of flights."""
    found = [poses for root in roots for tool in TOOLS if (poses := _FINDERS[tool](root, listing)) is not None]
    return sorted(found, key=lambda poses: (not poses.lenses, not poses.lenses and poses.tool == "realitycapture"))


def poses_elsewhere(place: Path, listing: Listing) -> tuple[ToolPoses | None, tuple[str, ...]]:
    """Return the poses in a folder of a project that holds no photos, whatever it is called, and sentences.

    Those of a transforms.json name photos relative to their own folder, and are not read elsewhere. Of several folders
    with poses nothing tells which is meant.
    """
    folders = [folder for folder in listing.folders(place) if is_open(folder) and not listing.photos(folder)]
    found = [poses for folder in folders for poses in _found([folder], listing)]
    nerfs = [poses for poses in found if poses.tool == "transforms"]
    others = [poses for poses in found if poses.tool != "transforms"]
    if len({poses.source.parent for poses in others}) == 1:
        return others[0], ()
    unread = [*nerfs, *others]
    names = listed(poses.source.relative_to(place).as_posix() for poses in unread)
    said = f"poses in {names} of {place} are not read; move those that are meant to where the photos' folder is."
    return None, (said,) if unread else ()


def only_folder(place: Path, listing: Listing) -> Path | None:
    """Return the folder in a place that holds nothing else to read, as archives are unpacked; None if it does."""
    inside = [path for path in listing.folders(place) if is_open(path)]
    more = any(is_photo(file) or is_video(file) for file in listing.files(place))
    return inside[0] if len(inside) == 1 and not more else None


def _polycam(folder: Path, listing: Listing) -> ToolPoses | None:
    for root in (folder / "keyframes", folder):
        for cameras, photos in POLYCAM_FOLDERS:
            files = _of_kind(root / cameras, listing, ".json")
            if files and listing.photos(root / photos) and b'"t_00"' in head_of(files[0]):
                return ToolPoses("polycam", root / cameras, files, root / photos)
    return None


def _record3d(folder: Path, listing: Listing) -> ToolPoses | None:
    for name in ("metadata", "metadata.json"):
        file = folder / name
        photos = next((folder / part for part in ("rgb", "rgbd") if listing.photos(folder / part)), None)
        head = head_of(file) if photos is not None else b""
        whole = len(head) < PEEK_BYTES  # then it must have poses, which others with such a file lack (WildRGB-D)
        if any(key in head for key in (RECORD3D_KEYS[1:2] if whole else RECORD3D_KEYS)):
            return ToolPoses("record3d", file, (file,), photos)
    return None


def _arkit(folder: Path, listing: Listing) -> ToolPoses | None:
    photos = {photo.stem for photo in listing.photos(folder)}
    files = tuple(file for file in _of_kind(folder, listing, ".json") if file.stem in photos)
    named = any(b'"cameraPoseARFrame"' in head_of(file) for file in files)
    return ToolPoses("arkit", folder, files, folder) if named else None


def _metashape(folder: Path, listing: Listing) -> ToolPoses | None:
    return _single("metashape", folder, listing, ".xml", lambda head: b"<document" in head and b"<chunk" in head)


def _realitycapture(folder: Path, listing: Listing) -> ToolPoses | None:
    def states_lenses(head: bytes) -> bool:
        header = csv_header(head)
        return header is not None and CSV_FOCAL in header[1]

    found = _single("realitycapture", folder, listing, ".csv", states_lenses)
    bare = _single("realitycapture", folder, listing, ".csv", lambda head: csv_header(head) is not None)
    return found or (None if bare is None else replace(bare, lenses=False))


def csv_header(content: bytes) -> tuple[int, list[str]] | None:
    """Return line number and columns of the header of RealityCapture's table; None if this is none."""
    for number, line in enumerate(lines_of(content)[:3]):
        columns = [part.strip().strip('"').lstrip("#").lower() for part in line.replace(";", ",").split(",")]
        if set(CSV_COLUMNS) <= set(columns):
            return number, columns
    return None


def _opensfm(folder: Path, listing: Listing) -> ToolPoses | None:
    for file in (folder / "reconstruction.json", folder / "opensfm" / "reconstruction.json"):
        if file.is_file() and any(key in head_of(file) for key in OPENSFM_KEYS):
            return ToolPoses("opensfm", file, (file,))
    return None


def _bundler(folder: Path, listing: Listing) -> ToolPoses | None:
    for root in (folder, folder / "bundle"):
        found = _single(
            "bundler",
            root,
            listing,
            ".out",
            lambda head: b"# Bundle file" in head[:PREFIX_BYTES],
        )
        lists = [file for name in LISTS for file in (folder / name, root / name) if file.is_file()]
        if found is not None:
            own = found.source.with_name(f"{found.source.name}.list.txt")
            names = own if own.is_file() else next(iter(lists), None)
            return ToolPoses("bundler", found.source, (found.source, *([names] if names else [])))
    return None


def _inria(folder: Path, listing: Listing) -> ToolPoses | None:
    file = folder / "cameras.json"
    named = file.is_file() and b'"rotation"' in head_of(file) and b'"position"' in head_of(file)
    return ToolPoses("inria", file, (file,)) if named else None


def _transforms(folder: Path, listing: Listing) -> ToolPoses | None:
    """Find a transforms.json under another name."""
    return _single("transforms", folder, listing, ".json", lambda head: b'"transform_matrix"' in head)


def _images_txt(folder: Path, listing: Listing) -> ToolPoses | None:
    for file in (folder / "images.txt", folder / "sparse" / "images.txt", folder / "sparse" / "0" / "images.txt"):
        lenses = any(file.with_name(f"cameras{suffix}").is_file() for suffix in (".txt", ".bin"))
        if file.is_file() and not lenses and _lists_images(head_of(file)):
            return ToolPoses("images.txt", file, (file,), lenses=False)
    return None


def _llff(folder: Path, listing: Listing) -> ToolPoses | None:
    """Find a table with a row for each photo of a folder."""
    file = folder / "poses_bounds.npy"
    stated = re.search(LLFF_SHAPE, head_of(file)) if file.is_file() else None
    number_bytes, rows = (8, 0) if stated is None else (int(stated[1]), int(stated[2]))
    for root in (*(folder / name for name in PHOTO_FOLDERS), folder):
        if (photos := listing.photos(root)) and len({photo.parent for photo in photos}) == 1:
            whole = len(photos) == rows and number_bytes * LLFF_NUMBERS * rows <= file.stat().st_size
            return ToolPoses("llff", file, (file,), photos[0].parent) if whole else None
    return None


def _lists_images(content: bytes) -> bool:
    """Return whether this begins as COLMAP's images.txt: an id, seven numbers of a pose, the id of a lens, a name."""
    line = next((line for line in lines_of(content) if line.strip() and not line.startswith("#")), "")
    fields = line.split(maxsplit=9)
    return len(fields) == 10 and fields[0].isdecimal() and all(map(_is_number, fields[1:8]))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _single(
    tool: Tool, folder: Path, listing: Listing, suffix: str, is_one: Callable[[bytes], bool]
) -> ToolPoses | None:
    """Return the largest file of this kind: of several exports of one project, it has most of the photos."""
    files = [file for file in _of_kind(folder, listing, suffix) if is_one(head_of(file))]
    files.sort(key=lambda file: (file.stat().st_size, file.name))
    return ToolPoses(tool, files[-1], (files[-1],)) if files else None


def _of_kind(folder: Path, listing: Listing, suffix: str) -> tuple[Path, ...]:
    files = (file for file in listing.files(folder) if file.suffix.lower() == suffix)
    return tuple(sorted(file for file in files if not file.name.startswith(".")))


_FINDERS: dict[Tool, Callable[[Path, Listing], ToolPoses | None]] = {
    "polycam": _polycam,
    "record3d": _record3d,
    "arkit": _arkit,
    "metashape": _metashape,
    "realitycapture": _realitycapture,
    "opensfm": _opensfm,
    "bundler": _bundler,
    "inria": _inria,
    "transforms": _transforms,
    "images.txt": _images_txt,
    "llff": _llff,
}
