"""Checks of scenes that already exist, so that an interrupted batch can be resumed."""

import dataclasses
import json

from ilrm_cli import __version__
from ilrm_cli.batch.plan import Job
from ilrm_cli.reconstruct import Settings
from ilrm_cli.runtime.cache import sha256_of
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.scene.checks import is_record, record_path
from ilrm_cli.scene.record import SceneRecord, read_record

REMEDY = "remove it to have it made anew, or pass -w to make all anew."
FLAGS = {"long_side_px": "size"}  # settings whose option has another name


def finished(job: Job, settings: Settings, model_sha256: str, inputs_sha256: str) -> SceneRecord | None:
    """Return the record of the scene if it exists and this job would make the same one; None if it does not exist.

    Photos, poses, settings, weights and version must match, and the .ply must be unchanged since it was written. A
    record without its scene is left by a killed process and counts as no scene. Raises InputError if the output is
    taken by a different scene.
    """
    record_file = record_path(job.output)
    if not job.output.exists():
        if record_file.exists() and not is_record(record_file):
            raise InputError(f"{record_file} is not a scene's record and would be replaced; choose another --output.")
        return None
    if not record_file.is_file():
        raise InputError(f"{job.output} is there without its record, so it is not known what it shows; {REMEDY}")
    record = read_record(record_file)
    if differences := _differences(record, settings, model_sha256, inputs_sha256):
        raise InputError(f"{job.output} was made {' and '.join(differences)}; {REMEDY}")
    if record.ply_sha256 != sha256_of(job.output):
        raise InputError(f"{job.output} was changed after it was made; {REMEDY}")
    return record


def _differences(record: SceneRecord, settings: Settings, model_sha256: str, inputs_sha256: str) -> list[str]:
    asked, usual = (json.loads(json.dumps(dataclasses.asdict(one))) for one in (settings, Settings()))
    made = usual | record.settings if record.settings else {}  # older records lack newer settings, as in `replay`
    missing = object()
    other = [key for key in asked | made if asked.get(key, missing) != made.get(key, missing)]
    differences = []
    if record.inputs_sha256 != inputs_sha256:
        differences.append("from other photos or poses")
    if other:
        differences.append(f"with other settings ({', '.join(map(flag, other))})")
    if record.model.get("sha256") != model_sha256:
        differences.append("with other weights")
    if record.ilrm != __version__:
        differences.append(f"by ilrm {record.ilrm}")
    return differences


def flag(setting: str) -> str:
    """Return the command-line option that sets a field of `Settings`."""
    return f"--{FLAGS.get(setting, setting.replace('_', '-'))}"
