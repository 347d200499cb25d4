"""Checks of scene inputs and outputs by file names alone; imports nothing heavy."""

from pathlib import Path

from ilrm_cli.formats.suffixes import suffix_of, suffix_of_file
from ilrm_cli.io.record_place import is_record, record_path
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.files import check_output, refuse_existing


def check_scene_output(output: Path, overwrite: bool) -> None:
    """Raise InputError, before the long work begins, for an output that cannot be written."""
    suffix_of(output)
    check_output(output, overwrite)
    record = record_path(output)
    refuse_existing(record, overwrite)
    if record.is_file() and not is_record(record):
        raise InputError(f"{record} is not a scene's record and would be replaced; choose another --output.")


def existing_record(scene: Path) -> Path:
    """Return the given record, or the one beside the given scene; raise InputError if there is none."""
    record = scene if scene.suffix.lower() == ".json" else record_path(scene)
    if not record.is_file():
        raise InputError(f"the record {record} does not exist; a scene without it cannot be made again.")
    return record


def check_conversion(scene: Path, output: Path, overwrite: bool) -> None:
    """Raise InputError if the scene is missing, or the output cannot be written or is the scene itself."""
    suffix_of_file(scene)
    check_output(output, overwrite)
    if output.exists() and output.samefile(scene):
        raise InputError(f"{output} is the scene itself; name another file with --output.")
