"""Captures as folders: any that `gather` reads, including those of DL3DV.

DL3DV (https://github.com/DL3DV-10K/Dataset) keeps a scene as `<hash>/transforms.json` (nerfstudio, lens of the 4K
original with distortion, paths `images/frame_00001.png`) beside `images_4` or `images_8`, reduced by that factor. Its
benchmark puts both into `<hash>/nerfstudio`. Subsets (`1K`, `2K`, ...) are folders of scenes.
"""

from pathlib import Path

from ilrm_cli.capture.load import gather
from ilrm_cli.capture.photos.folder import PoseSettings, PoseSource, ProjectFolder
from ilrm_cli.data.checks import INSIDE
from ilrm_cli.data.sequences import PhotoSequence
from ilrm_cli.runtime.progress import Report, ignore


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
