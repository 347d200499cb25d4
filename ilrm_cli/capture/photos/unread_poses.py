"""Files beside photos that hold camera poses which are recognised and not read, each named in a sentence.

Structure from motion would find other poses, of another scale and frame, and nobody would know why. Names tell most; of
tables the first lines do, by what only poses fulfil.
"""

import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from ilrm_cli.capture.photos.listing import PHOTO_FOLDERS, SUFFIXES, Listing, is_open

PEEK_BYTES = 1 << 16

# By whole name or suffix: what it is, and how its poses can be had.
UNREAD = {
    ".psx": "a project of Metashape; export its cameras as XML",
    ".psz": "a project of Metashape; export its cameras as XML",
    ".rcproj": "a project of RealityCapture; export its camera parameters as CSV",
    ".rsproj": "a project of RealityScan; export its camera parameters as CSV",
    ".p4d": "a project of Pix4D; export its cameras for COLMAP or Bundler",
    ".opf": "a project of Pix4D; convert it for COLMAP",
    ".mg": "a project of Meshroom; export its cameras for COLMAP",
    ".sfm": "a model of Meshroom; export it for COLMAP",
    ".nvm": "a model of VisualSFM; export it for Bundler",
    ".abc": "an Alembic file of cameras; export it for COLMAP",
    "sfm_data.json": "a model of OpenMVG; convert it for COLMAP",
    "sfm_data.bin": "a model of OpenMVG; convert it for COLMAP",
    "poses_bounds.npy": "a table of LLFF, which names no photos; use the COLMAP model that it was made from",
}
UNREAD_XMP = "side files of RealityCapture; export its camera parameters as CSV"
# By the end of the name, and a text near the beginning of the file, if any: what it holds.
HOLDS = (
    ("odometry.csv", b"qw", "poses of Stray Scanner"),
    (".traj", b"", "poses of ARKitScenes"),
    ("frame_annotations.jgz", b"", "cameras of CO3D"),
    (".npz", b"world_mat_", "cameras of IDR or NeuS"),
    ("trajectories.txt", b"# kapture", "poses of kapture"),
    ("data.csv", b"p_RS_R_x", "poses of EuRoC"),
    ("_calibrated_external_camera_parameters.txt", b"Omega", "poses of Pix4D"),
    (".txt", b"PhotoID, X, Y, Z, Omega", "poses of Metashape"),
    (".xml", b"<BlocksExchange", "poses of iTwin Capture"),
    (".pose.txt", b"", "the pose of a photo, like others of its kind"),
    ("_cam.txt", b"extrinsic", "the camera of a photo, like others of its kind"),
)
TABLES = (".txt", ".log", ".csv")
MOST_TABLES = 20  # in a folder: more are texts on single photos
LOOKED_AT = 5  # lines of a table
POSE_FOLDERS = ("pose", "poses")  # with a matrix for each photo
UNIT = 0.01  # by which the length of a rounded quaternion or axis may be off
OTHERWISE = "which are not read; a COLMAP model or transforms.json of them would be."


def unread_in(folder: Path, listing: Listing) -> Iterator[str]:
    """Yield a sentence on each file, or kind of file, in a folder."""
    files = [file for file in sorted(listing.files(folder)) if not file.name.startswith(".")]
    for file in files:
        what = UNREAD.get(file.name.lower()) or UNREAD.get(file.suffix.lower())
        if what is not None:
            yield f"{file.name} is {what}, to keep its poses: this file is not read."
    photos = {file.stem for file in files if file.suffix.lower() in SUFFIXES}
    beside = [file for file in files if file.suffix.lower() == ".xmp" and file.stem in photos]
    if beside and b"xcr:Rotation" in head_of(min(beside)):
        yield f"{min(beside).name} and others are {UNREAD_XMP}, to keep its poses: these files are not read."
    named = {what: file for file in reversed(files) if (what := _held(file)) is not None}
    tables = [file for file in files if file.suffix.lower() in TABLES and file not in named.values()]
    rows = [file for file in tables if _is_table_of_poses(file)] if len(tables) <= MOST_TABLES else []
    yield from (f"{file.name} holds {what}, {OTHERWISE}" for what, file in named.items())
    yield from (f"{file.name} holds poses of photos that it does not name, {OTHERWISE}" for file in rows[:1])


def unread_below(place: Path, listing: Listing) -> Iterator[str]:
    """Yield the sentences on the folders in a project's folder, except those of its photos, with their names."""
    for folder in listing.folders(place):
        if is_open(folder) and folder.name not in PHOTO_FOLDERS:
            matrices = [file for file in sorted(listing.files(folder)) if file.suffix.lower() == ".txt"]
            if folder.name.lower() in POSE_FOLDERS and matrices and _is_matrix(_numbers(matrices[0])):
                yield f"{folder.name} holds the poses of {len(matrices)} photos, {OTHERWISE}"
                continue
            yield from (f"{folder.name}/{sentence}" for sentence in unread_in(folder, listing))


def head_of(file: Path) -> bytes:
    """Return the first bytes of a file; none if it cannot be read, which is nothing to us if it holds no poses."""
    try:
        with file.open("rb") as stream:
            return stream.read(PEEK_BYTES)
    except OSError:
        return b""


def lines_of(content: bytes) -> list[str]:
    """Return the lines of a text, in ASCII whatever its encoding."""
    return content.replace(b"\0", b"").decode("latin-1").lstrip("ÿþï»¿").splitlines()


def _held(file: Path) -> str | None:
    """Return what a file holds, by its name and beginning."""
    ends = [(text, what) for end, text, what in HOLDS if file.name.lower().endswith(end)]
    return next((what for text, what in ends if not text or text in head_of(file)), None)


def _numbers(file: Path) -> list[list[float]]:
    """Return the numbers in the first lines of a text, without comments; none if there is anything else."""
    rows: list[list[float]] = []
    for line in [line for line in lines_of(head_of(file)) if line.strip() and line.strip()[0] not in "#%"][:LOOKED_AT]:
        try:
            rows.append([float(field) for field in re.split(r"[,;\s]+", line.strip())])
        except ValueError:
            return []
    return rows


def _is_table_of_poses(file: Path) -> bool:
    rows = _numbers(file)
    if len(rows) == LOOKED_AT and [len(row) for row in rows] == [3, 4, 4, 4, 4]:  # of Tanks and Temples
        return _is_matrix(rows[1:])
    return len(rows) > 1 and all(_is_pose(row) for row in rows)


def _is_pose(row: Sequence[float]) -> bool:
    """Return whether a row is a matrix of 3x4 or 4x4, maybe behind a number, or a time, place and quaternion."""
    if len(row) == 8:
        return abs(math.hypot(*row[4:]) - 1) < UNIT
    if len(row) in (13, 17):
        row = row[1:]
    return len(row) in (12, 16) and _is_matrix([row[at : at + 4] for at in range(0, len(row), 4)])


def _is_matrix(rows: Sequence[Sequence[float]]) -> bool:
    """Return whether rows of four are a rotation, maybe scaled, and a place, above 0 0 0 1 if there are four."""
    if len(rows) not in (3, 4) or any(len(row) != 4 for row in rows) or list(rows[3:]) not in ([], [[0, 0, 0, 1]]):
        return False
    axes = [row[:3] for row in rows[:3]]
    lengths = [math.hypot(*axis) for axis in axes]
    products = [abs(sum(a * b for a, b in zip(axes[i], axes[j], strict=True))) for i, j in ((0, 1), (0, 2), (1, 2))]
    limit = UNIT * max(lengths)
    return limit > 0 and max(lengths) - min(lengths) < limit and max(products) < limit * max(lengths)
