"""Whether a scene can be read from a place or put there, as far as names of files tell; nothing heavy is imported."""

from pathlib import Path

from ilrm_cli.errors import InputError
from ilrm_cli.formats.suffixes import suffix_of, suffix_of_file
from ilrm_cli.io.atomic import check_output, refuse_existing
from ilrm_cli.io.record_place import is_record, record_path


def check_scene_output(output: Path, overwrite: bool) -> None:
    """Refuse, before the long work begins, an output that cannot be written."""
    suffix_of(output)
    check_output(output, overwrite)
    record = record_path(output)
    refuse_existing(record, overwrite)
    if record.is_file() and not is_record(record):
        raise InputError(f"{record} is not a scene's record and would be replaced; choose another --output.")


def existing_record(scene: Path) -> Path:
    """The record that is meant, or that lies beside the scene that is meant; InputError where there is none."""
    record = scene if scene.suffix.lower() == ".json" else record_path(scene)
    if not record.is_file():
        raise InputError(f"the record {record} does not exist; a scene without it cannot be made again.")
    return record


def check_conversion(scene: Path, output: Path, overwrite: bool) -> None:
    """Refuse a scene that is not there, and an output that cannot be written or is that scene."""
    suffix_of_file(scene)
    check_output(output, overwrite)
    if output.exists() and output.samefile(scene):
        raise InputError(f"{output} is the scene itself; name another file with --output.")
