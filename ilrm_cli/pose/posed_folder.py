"""The folder that `ilrm pose` writes: what it holds, and whether it can be written; nothing heavy is imported."""

import os
from pathlib import Path

from ilrm_cli.errors import InputError

IMAGES = "images"
MODEL = "sparse/0"
MASKS = "masks"
WRITTEN = frozenset({IMAGES, MASKS, "sparse", "transforms.json", "pose_card.json"})  # all that a folder of ours holds


def check_output_folder(output: Path, photos: Path, overwrite: bool) -> None:
    """Refuse, before the long work begins, a folder that cannot be written or whose content is not ours."""
    if not output.absolute().parent.is_dir():
        raise InputError(f"the folder {output.absolute().parent} of the output does not exist; create it first.")
    if not os.access(output.absolute().parent, os.W_OK | os.X_OK):
        raise InputError(f"the folder {output.absolute().parent} is not writable; choose another --output.")
    if not output.exists():
        return
    if not output.is_dir():
        raise InputError(f"the output {output} is a file; name a folder.")
    foreign = sorted({path.name for path in output.iterdir()} - WRITTEN)
    if foreign or photos.resolve().is_relative_to(output.resolve()):
        raise InputError(f"{output} holds more than poses written by ilrm; choose another --output.")
    if not overwrite and any(output.iterdir()):
        raise InputError(f"{output} exists; pass -w to overwrite it.")
