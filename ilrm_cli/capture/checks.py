"""Whether outputs may be written beside the inputs, as far as names of files tell.

Nothing heavy is imported.
"""

from collections.abc import Iterable
from pathlib import Path

from ilrm_cli.capture.photos.folder import ProjectFolder
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.files import check_own_folder

IMAGES = "images"
MODEL = "sparse/0"
MASKS = "masks"
CARD = "pose_card.json"  # which no other tool writes
WRITTEN = frozenset({IMAGES, MASKS, "sparse", "transforms.json", CARD})  # all entries of such a folder


def refuse_inputs(folder: ProjectFolder, outputs: Iterable[Path]) -> None:
    """Raise InputError where an output would replace one of the inputs of a place, also with -w."""
    there = [path for path in outputs if path.is_file()]
    inputs = {path.resolve() for path in folder.inputs} if there else set()
    for output in there:
        if output.resolve() in inputs:
            raise InputError(f"{output} is read as an input from {folder.place}; choose another name for the output.")


def refuse_among_inputs(folder: ProjectFolder, pictures: Path | None) -> None:
    """Raise InputError where new pictures would lie among input photos and be taken for photos themselves."""
    if pictures is not None and pictures.resolve() in {path.resolve().parent for path in folder.inputs}:
        raise InputError(
            f"{pictures} holds input photos, and pictures there would be taken for photos; choose another."
        )


def check_output_folder(output: Path, photos: Path, overwrite: bool) -> None:
    """Raise InputError, before the long work begins, if poses cannot be written there or the photos lie there."""
    refuse_inputs_inside(output, [photos])
    check_own_folder(output, overwrite, marker=CARD, ours=WRITTEN.__contains__, what="poses written by ilrm")


def refuse_inputs_inside(output: Path, inputs: Iterable[Path]) -> None:
    """Raise InputError if an input lies in the folder that would be replaced."""
    for path in inputs:
        if path.resolve().is_relative_to(output.resolve()):
            raise InputError(f"{output} holds {path}, which is read; choose another --output.")
