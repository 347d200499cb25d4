"""Whether a scene is there already, whole and from the same work, so that a batch goes on where it was stopped."""

import dataclasses
import json

from ilrm_cli import __version__
from ilrm_cli.batch.plan import Job
from ilrm_cli.errors import InputError
from ilrm_cli.hashing import sha256_of
from ilrm_cli.io.record_place import is_record, record_path
from ilrm_cli.io.scene import SceneRecord, read_record
from ilrm_cli.reconstruct import Settings

REMEDY = "remove it to have it made anew, or pass -w to make all anew."
FLAGS = {"long_side_px": "size"}  # of the settings whose options are called otherwise


def finished(job: Job, settings: Settings, model_sha256: str, inputs_sha256: str) -> SceneRecord | None:
    """The record of the scene if it is the one that this work would make; None if there is none yet.

    Photos, poses, settings, weights and version must be the same, and the .ply be the one that was written.
    A record alone is what a killed process leaves, and is none. Raises InputError if another scene is in the place.
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
    made = usual | record.settings if record.settings else {}  # older versions did not know all: as `replay` has it
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
    """The option of the command line that sets a field of `Settings`."""
    return f"--{FLAGS.get(setting, setting.replace('_', '-'))}"
