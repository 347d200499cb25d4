"""Where a trace can be put, as far as names of files tell; nothing heavy is imported. `trace_film` knows the kinds."""

from pathlib import Path

from ilrm_cli.errors import InputError
from ilrm_cli.io.atomic import check_output
from ilrm_cli.io.video_output import ENCODED, check_video_output


def check_trace_output(path: Path, overwrite: bool) -> None:
    """Raise `InputError` where no trace can be put at `path`."""
    if path.name.startswith("-"):  # the option's own value was left out
        raise InputError(f"--trace {path} is no place for a trace; name a .mp4, .gif, .webp, .png or a folder.")
    if path.suffix and not is_strip(path) and path.suffix.lower() not in ENCODED:
        raise InputError(f"--trace {path}: use .mp4, .gif, .webp, .png (one strip) or no suffix (a folder).")
    if is_strip(path):
        check_output(path, overwrite)
    else:
        check_video_output(path, overwrite)


def is_strip(path: Path) -> bool:
    """Whether the trace becomes one picture."""
    return path.suffix.lower() == ".png"
