"""Captures as folders: any that `gather` reads, including those of DL3DV.

DL3DV (https://github.com/DL3DV-10K/Dataset) keeps a scene as `<hash>/transforms.json` (nerfstudio, lens of the 4K
original with distortion, paths `images/frame_00001.png`) beside `images_4` or `images_8`, reduced by that factor. Its
benchmark puts both into `<hash>/nerfstudio`. Subsets (`1K`, `2K`, ...) are folders of scenes.
"""

from collections.abc import Sequence
from pathlib import Path

from ilrm_cli.capture.load import gather
from ilrm_cli.capture.photos.folder import PoseSettings, PoseSource, ProjectFolder
from ilrm_cli.data.checks import INSIDE
from ilrm_cli.data.sequences import PhotoSequence
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.json_values import read_json
from ilrm_cli.runtime.progress import Report, ignore

TARGET_EVERY = 8  # frames; the published evaluation's targets are the 1st, 9th, 17th, ...


def read_folder(
    folder: ProjectFolder, poses: PoseSource = "auto", *, seed: int = 0, report: Report = ignore
) -> PhotoSequence:
    """Read a folder of photos with a COLMAP model, a transforms.json, or poses to be estimated.

    Raises InputError as `gather` does.
    """
    return PhotoSequence(scene_name(folder.place), gather(folder, PoseSettings(poses, seed=seed), report))


def scene_name(folder: Path) -> str:
    """Return the folder's name, or its parent's if the folder is named after a format only."""
    place = folder.resolve()
    return place.parent.name if place.name in INSIDE else place.name


def read_input_list(file: Path) -> dict[str, tuple[str | int, ...]]:
    """Read scene name -> input frames from a published k-means list: JSON, with frames as file names or indices.

    Raises InputError if the file is not such a list.
    """
    try:
        content = read_json(file)
    except ValueError as error:
        raise InputError(f"{file} is not a readable JSON file; give the list of input frames per scene.") from error
    good = isinstance(content, dict) and all(
        isinstance(frames, list) and all(isinstance(frame, str | int) for frame in frames)
        for frames in content.values()
    )
    if not good:
        raise InputError(f"{file} is not a JSON object of scene name -> list of input frames.")
    return {name: tuple(frames) for name, frames in content.items()}


def listed_frames(frame_names: Sequence[str], wanted: Sequence[str | int], scene: str) -> tuple[int, ...]:
    """Return the ascending indices of frames given by index, name or file name. Raises InputError if one is absent."""
    places = {Path(name).stem: index for index, name in enumerate(frame_names)}
    chosen = set()
    for frame in wanted:
        index = frame if isinstance(frame, int) else places.get(Path(frame).stem, -1)
        if not 0 <= index < len(frame_names):
            raise InputError(f"{scene}: the listed input frame {frame} is not among its {len(frame_names)} frames.")
        chosen.add(index)
    return tuple(sorted(chosen))
