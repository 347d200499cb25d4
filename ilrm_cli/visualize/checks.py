"""What the user can choose about a film, what cannot be chosen together, and which kinds of reports there are.

Nothing heavy is imported.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ilrm_cli.pipeline.settings import Device
from ilrm_cli.render.checks import CHANNELS, FROM_ONE_PHOTO, PATHS
from ilrm_cli.runtime.errors import InputError, meant
from ilrm_cli.runtime.files import check_output
from ilrm_cli.scene.checks import record_path

MAX_SIDE_PX = 8192  # limit of h264 players

SUFFIXES = (".html", ".json")
PATH_SUFFIXES = (".json", ".txt", ".bin")  # of camera paths; the last two are COLMAP's


@dataclass(frozen=True)
class FilmSettings:
    """The options of a film; None means a default that depends on the scene or the path."""

    path: str = "auto"  # "auto", one of PATHS, or a file or folder of cameras, one for each frame
    seconds: float | None = None
    fps: float | None = None
    size: tuple[int, int] | int | None = None  # of one panel: (width, height) in px, or its long side
    full: bool = False  # an orbit goes all the way round
    loop: bool = False  # open paths return to their first frame
    photo: str | None = None  # name of the photo that wobble and dolly start from
    channels: tuple[str, ...] = ("rgb",)  # of CHANNELS, side by side
    side_by_side: bool = False  # with the nearest photo on the left
    photos: Path | None = None  # folder of the photos; None: as recorded
    save_path: Path | None = None  # the file to write the cameras of all frames to
    device: Device = "auto"

    @property
    def is_file(self) -> bool:
        """True if the path is a file of cameras."""
        return self.path not in ("auto", *PATHS) and (
            Path(self.path).suffix.lower() in PATH_SUFFIXES or Path(self.path).is_dir()
        )

    @property
    def panels(self) -> int:
        """Number of pictures side by side in a frame."""
        return len(self.channels) + self.side_by_side


def check_settings(settings: FilmSettings) -> None:
    """Raise `InputError` for settings that are impossible for any scene."""
    path, size = settings.path, settings.size
    if not settings.is_file and path not in ("auto", *PATHS):
        raise InputError(
            f"--path {path} is unknown{meant(path, PATHS)}; use auto, {', '.join(PATHS)} or a file of cameras: .json, "
            "or a COLMAP model."
        )
    if settings.full and path not in ("auto", "orbit"):
        raise InputError(f"--full turns an orbit all the way round and does not go with --path {path}.")
    if settings.photo is not None and path not in FROM_ONE_PHOTO:
        raise InputError(f"--at goes with --path {', '.join(FROM_ONE_PHOTO)}, not with {path}.")
    if settings.is_file and settings.seconds is not None:
        raise InputError(f"--seconds does not go with {path}, which sets its own frames; change --fps instead.")
    for flag, value in (("--seconds", settings.seconds), ("--fps", settings.fps)):
        if value is not None and not (math.isfinite(value) and value > 0):
            raise InputError(f"{flag} is {value}; give a number above 0.")
    if isinstance(size, tuple):
        check_size("--size", size, settings.panels)
    elif size is not None and not 2 <= size <= MAX_SIDE_PX:
        raise InputError(f"--size is {size}; give 2 to {MAX_SIDE_PX} px for the long side.")
    unknown = [channel for channel in settings.channels if channel not in CHANNELS]
    if unknown or not settings.channels:
        raise InputError(
            f"--channels has {unknown[0] if unknown else 'none'!r}; use one or more of {', '.join(CHANNELS)}."
        )
    if settings.photos is not None and not settings.side_by_side:
        raise InputError("--photos goes with --side-by-side.")


def check_path_output(output: Path, scene: Path, settings: FilmSettings, overwrite: bool) -> None:
    """Raise `InputError` if the cameras of a film cannot be written there, or would replace what is read."""
    if output.suffix.lower() != ".json":
        raise InputError(f"--save-path {output}: camera paths are .json files; name one.")
    read = [record_path(scene), scene, *([Path(settings.path)] if settings.is_file else [])]
    if any(_place(output) == _place(path) for path in read):
        raise InputError(f"--save-path {output} is read for the video; choose another name.")
    check_output(output, overwrite)


def check_size(what: str, size: tuple[int, int], panels: int) -> None:
    """Raise `InputError` if a panel's (width, height) in px, requested by `what`, is impossible for a film."""
    if not (min(size) >= 2 and max(size[0] * panels, size[1]) <= MAX_SIDE_PX):
        beside = f", {MAX_SIDE_PX} for all {panels} panels together" if panels > 1 else ""
        raise InputError(f"{what} is {size[0]}x{size[1]}; give 2 to {MAX_SIDE_PX} px on each side{beside}.")


def check_reports(reports: Sequence[Path], scene: Path, overwrite: bool) -> None:
    """Raise InputError, before the long work begins, for reports of an unknown kind or that cannot be written."""
    taken = {_place(scene): "the scene", _place(record_path(scene)): "the scene's record"}
    for report in reports:
        if report.suffix.lower() not in SUFFIXES:
            raise InputError(f"--report {report}: reports are {' or '.join(SUFFIXES)} files; name one of these.")
        if holder := taken.get(_place(report)):
            raise InputError(f"--report {report} is {holder} too; choose another name.")
        check_output(report, overwrite)
        taken[_place(report)] = "another --report"


def _place(path: Path) -> Path:
    return path.resolve()
