"""The files of a COLMAP model, looked through before pycolmap reads them, and the names of its images.

pycolmap believes every count that it reads: of a file that is cut short it makes up the rest, or keeps reading for
ever, deaf to signals. Layouts are those of colmap/scene/reconstruction_io.
"""

import shutil
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ilrm_cli.capture.photos.project_models import model_suffix
from ilrm_cli.capture.poses.colmap_library import pycolmap
from ilrm_cli.runtime.files import decoded_text, read_text, scratch_folder

POSE_BYTES = 7 * 8  # quaternion and translation
SENSOR_BYTES = 8  # kind and id
TEXTS = ("cameras", "images", "points3D", "rigs", "frames")  # files of a model, as .txt or .bin
Record = Callable[[bytes, int], int]  # content and start of a record -> its end


def check_files(folder: Path) -> None:
    """Raise ValueError, IndexError or struct.error if the counts in a file do not fit its length."""
    suffix = _suffix_of(folder)
    for part, end in _RECORDS.items():
        if part.endswith(suffix) and (folder / part).is_file():
            _check_records((folder / part).read_bytes(), end, part)
    for part, most in (("rigs.txt", _sensors_in), ("frames.txt", _data_in)):
        if part.endswith(suffix) and (folder / part).is_file():
            for line in _lines(folder / part):
                most(line)


@contextmanager
def readable_model(folder: Path) -> Iterator[Path]:
    """Yield the folder, or for a while a copy of the model in it that pycolmap can read.

    It reads UTF-8 without a byte order mark, and wants points, be they none, in a file and after each photo in a text.
    """
    suffix = _suffix_of(folder)
    texts = [file for part in TEXTS if suffix == ".txt" and (file := folder / f"{part}.txt").is_file()]
    images = read_text(folder / "images.txt") if texts else ""
    complete = [line for line, _ in image_lines(images)] == _images_as_read(images)
    if complete and not any(_is_marked(file) for file in texts) and (folder / f"points3D{suffix}").is_file():
        yield folder
        return
    with scratch_folder() as copy:
        for part in TEXTS:
            file = folder / f"{part}{suffix}"
            if file in texts:
                (copy / file.name).write_text(read_text(file), encoding="utf-8", newline="\n")
            elif file.is_file():
                shutil.copyfile(file, copy / file.name)
        if not complete:
            lines = (f"{line}\n{points}\n" for line, points in image_lines(images))
            (copy / "images.txt").write_text("".join(lines), encoding="utf-8", newline="\n")
        if not (folder / f"points3D{suffix}").is_file():
            (copy / f"points3D{suffix}").write_bytes(struct.pack("<Q", 0) if suffix == ".bin" else b"")
        yield copy


def _suffix_of(folder: Path) -> str:
    """Return the suffix of the model's files; others may lie beside them."""
    suffix = model_suffix(folder)
    if suffix is None:
        raise ValueError("cameras or images are missing")
    return suffix


def _is_marked(text: Path) -> bool:
    """Return whether a text begins with a byte order mark."""
    with text.open("rb") as stream:
        return stream.read(1) in (b"\xef", b"\xff", b"\xfe")


def image_names(folder: Path) -> dict[int, str]:
    """Return the complete names of images by their ids; pycolmap cuts those of a text model at the first space."""
    if _suffix_of(folder) == ".bin":
        return _binary_names((folder / "images.bin").read_bytes())
    return _text_names(folder / "images.txt")


def _check_records(content: bytes, end: Record, part: str) -> None:
    (count,), position = struct.unpack_from("<Q", content), 8
    for _ in range(count):
        position = end(content, position)
        if position > len(content):
            raise ValueError(f"{part} is cut short")
    if position != len(content):
        raise ValueError(f"{part} is longer than its records")


def _after_camera(content: bytes, start: int) -> int:
    """Return the end of a camera: id, model, width, height, parameters."""
    _, model, _, _ = struct.unpack_from("<IiQQ", content, start)
    return start + 24 + 8 * _parameters(model)


def _parameters(model: int) -> int:
    """Return how many parameters a lens model has. Raises ValueError for an unknown one."""
    names = {kind.value: name for name, kind in pycolmap.CameraModelId.__members__.items() if name != "INVALID"}
    if model not in names:
        raise ValueError(f"{model} is no camera model")
    return len(pycolmap.Camera.create_from_model_name(0, names[model], 1.0, 1, 1).params)


def _after_rig(content: bytes, start: int) -> int:
    """Return the end of a rig: id, number of sensors; the first sensor, and the others with a flag and maybe a pose."""
    _, sensors = struct.unpack_from("<II", content, start)
    position = start + 8 + (SENSOR_BYTES if sensors else 0)
    for _ in range(sensors - 1):
        posed = content[position + SENSOR_BYTES]
        position += SENSOR_BYTES + 1 + (POSE_BYTES if posed else 0)
    return position


def _after_frame(content: bytes, start: int) -> int:
    """Return the end of a frame: id, rig, pose; number of images, sensor and id of each."""
    (images,) = struct.unpack_from("<I", content, start + 8 + POSE_BYTES)
    return start + 12 + POSE_BYTES + images * (SENSOR_BYTES + 8)


def _after_image(content: bytes, start: int) -> int:
    """Return the end of an image: id, pose, camera; name and zero; number of points, 24 bytes each."""
    name_end = _name_end(content, start)
    (points,) = struct.unpack_from("<Q", content, name_end + 1)
    return name_end + 9 + 24 * points


def _name_end(content: bytes, start: int) -> int:
    return content.index(0, start + 4 + POSE_BYTES + 4)


def _after_point(content: bytes, start: int) -> int:
    """Return the end of a point: id, position, colour, error; number of observations, 8 bytes each."""
    (observations,) = struct.unpack_from("<Q", content, start + 43)
    return start + 51 + 8 * observations


_RECORDS: dict[str, Record] = {
    "cameras.bin": _after_camera,
    "rigs.bin": _after_rig,
    "frames.bin": _after_frame,
    "images.bin": _after_image,
    "points3D.bin": _after_point,
}


def _lines(file: Path) -> list[list[str]]:
    """Return the fields of the lines of a text file that are no comments."""
    lines = (line.split() for line in read_text(file).split("\n"))
    return [fields for fields in lines if fields and not fields[0].startswith("#")]


def _sensors_in(fields: list[str]) -> None:
    if 2 * int(fields[1]) > len(fields) - 2:
        raise ValueError(f"rig {fields[0]} has fewer sensors than it says")


def _data_in(fields: list[str]) -> None:
    if 3 * int(fields[9]) > len(fields) - 10:
        raise ValueError(f"frame {fields[0]} has fewer images than it says")


def _binary_names(content: bytes) -> dict[int, str]:
    (count,), position = struct.unpack_from("<Q", content), 8
    names = {}
    for _ in range(count):
        (image,) = struct.unpack_from("<I", content, position)
        names[image] = decoded_text(content[position + 8 + POSE_BYTES : _name_end(content, position)])
        position = _after_image(content, position)
    return names


def _text_names(file: Path) -> dict[int, str]:
    rows = (line.split(maxsplit=9) for line, _ in image_lines(read_text(file)))
    return {int(fields[0]): fields[9] for fields in rows}


def image_lines(text: str) -> Iterator[tuple[str, str]]:
    """Yield the line of each photo in an images.txt and the line of its points, which may be missing."""
    lines = [line for line in map(str.strip, text.split("\n")) if not line.startswith("#")]
    at = 0
    while at < len(lines):
        if lines[at]:
            points = lines[at + 1] if at + 1 < len(lines) and _holds_points(lines[at + 1]) else ""
            yield lines[at], points
            at += bool(points)
        at += 1


def _holds_points(line: str) -> bool:
    """Return whether this is a line of points: x, y and a whole number of each; a line of a photo has ten fields."""
    fields = line.split(maxsplit=12)[:12]
    try:
        numbers = [float(field) for field in fields]
    except ValueError:
        return False
    return bool(fields) and len(fields) % 3 == 0 and all(number.is_integer() for number in numbers[2::3])


def _images_as_read(text: str) -> list[str]:
    """Return the lines that pycolmap takes for photos: every second one, if there is one after it."""
    lines, found = iter(text.removesuffix("\n").split("\n")), []
    for line in lines:
        if line.strip() and not line.lstrip().startswith("#") and next(lines, None) is not None:
            found.append(line.strip())
    return found
