"""Names that users can give to paths and channels, and where videos can be written; nothing heavy is imported."""

import re
from pathlib import Path

from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.files import check_output, refuse_existing

PATHS = ("orbit", "ellipse", "spiral", "interpolate", "wobble", "dolly", "dolly-zoom", "inputs")  # see `paths.by_name`
FROM_ONE_PHOTO = ("wobble", "dolly", "dolly-zoom")  # of PATHS
CHANNELS = ("rgb", "depth", "alpha", "confidence")  # of a film, see `channels`

ENCODED = (".mp4", ".gif", ".webp")  # by ffmpeg, into one file
SUFFIXES = (*ENCODED, ".png", "")  # "": a folder of frames

PREVIEW_SUFFIXES = (".jpg", ".jpeg", ".png")  # of previews
SIGNER = ("Software", "ilrm")  # text in the pictures that we write, by which they are known as ours
SIGNATURE = "\0".join(SIGNER).encode()
SIGNED_WITHIN = 256  # bytes from the beginning of such a file: before the pixels


def check_video_output(path: Path, overwrite: bool) -> None:
    """Raise `InputError` if no video can be written to `path`: unknown suffix, missing folder, or existing output."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(
            f"the output {path} has an unknown suffix; use .mp4, .gif, .webp, .png (numbered files) or none (a folder)."
        )
    if suffix in ENCODED:
        check_output(path, overwrite)
        return
    if suffix == "":
        if path.is_file():
            raise InputError(
                f"the output {path} is a file; name a folder, or a file ending in .mp4, .gif, .webp or .png."
            )
        if not path.is_dir():
            check_output(path, overwrite)
            return
    else:
        check_output(frame_path(path, 0), overwrite)
    for there in frames_at(path):
        refuse_existing(there, overwrite)
        _require_ours(there)


def _require_ours(picture: Path) -> None:
    """Raise `InputError` for a picture that we did not write: it may be somebody's photo, also with -w."""
    with picture.open("rb") as file:
        beginning = file.read(SIGNED_WITHIN)
        if beginning and SIGNATURE not in beginning:
            raise InputError(f"{picture} was not written by ilrm and would be replaced; choose another place.")


def check_trace_output(path: Path, overwrite: bool) -> None:
    """Raise `InputError` if no trace can be written to `path`."""
    if path.name.startswith("-"):  # the option's own value was left out
        raise InputError(f"--trace {path} is no place for a trace; name a .mp4, .gif, .webp, .png or a folder.")
    if path.suffix and not is_strip(path) and path.suffix.lower() not in ENCODED:
        raise InputError(f"--trace {path}: use .mp4, .gif, .webp, .png (one strip) or no suffix (a folder).")
    if is_strip(path):
        check_output(path, overwrite)
        if path.exists():
            _require_ours(path)
    else:
        check_video_output(path, overwrite)


def check_preview_output(path: Path, overwrite: bool) -> None:
    """Raise `InputError` if no preview can be written to `path`."""
    if path.suffix.lower() not in PREVIEW_SUFFIXES:
        raise InputError(f"--preview {path}: name a file that ends in {' or '.join(PREVIEW_SUFFIXES)}.")
    check_output(path, overwrite)
    if path.exists():
        _require_ours(path)


def is_strip(path: Path) -> bool:
    """Return whether the trace becomes a single picture."""
    return path.suffix.lower() == ".png"


def frame_path(path: Path, index: int) -> Path:
    """Return the path of one .png frame."""
    return path / f"{index:04d}.png" if path.suffix == "" else path.with_name(f"{path.stem}_{index:04d}.png")


def picture_folder(path: Path) -> Path | None:
    """Return the folder that a video or trace fills with pictures; None if it becomes one file of another kind."""
    if path.suffix.lower() in ENCODED:
        return None
    return path if path.suffix == "" else path.parent


def existing_outputs(path: Path) -> list[Path]:
    """Return the files that lie at the place of a video or a trace already and would be replaced."""
    if path.suffix.lower() in ENCODED or (is_strip(path) and path.is_file()):
        return [path] if path.is_file() else []
    return frames_at(path)


def frames_at(path: Path) -> list[Path]:
    """Return the existing .png frames at `path`, of any number; a picture of the very name `path` is none of them."""
    folder, stem = (path, "") if path.suffix == "" else (path.parent, re.escape(f"{path.stem}_"))
    there_are = folder.iterdir() if folder.is_dir() else ()
    return sorted(there for there in there_are if re.fullmatch(rf"{stem}\d{{4,}}\.png", there.name))
