"""`ilrm replay`: the work that a record tells of, done again, and how far the two scenes are apart.

The distance is told in numbers and in pictures.
"""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from ilrm_cli.capture.checks import refuse_inputs
from ilrm_cli.capture.input_hash import inputs_sha256
from ilrm_cli.capture.photos.folder import open_folder
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.pipeline.export import EncodedScene, encode, write_scene
from ilrm_cli.pipeline.reconstruct import reconstruct
from ilrm_cli.pipeline.replay_causes import causes
from ilrm_cli.pipeline.settings import OLD_USUAL, Settings
from ilrm_cli.runtime.cache import sha256_of
from ilrm_cli.runtime.devices import precision_named
from ilrm_cli.runtime.errors import InputError, listed
from ilrm_cli.runtime.json_values import fitted
from ilrm_cli.runtime.progress import Report, ignore
from ilrm_cli.scene.checks import check_scene_output, existing_record, record_path, suffix_of
from ilrm_cli.scene.convert import compared
from ilrm_cli.scene.files import decode_scene
from ilrm_cli.scene.opened import sight_of
from ilrm_cli.scene.record import SceneRecord, photo_folder_of, read_record


@dataclass(frozen=True)
class Distance:
    """The distance from the recorded scene to the reproduced one."""

    gaussians: tuple[int, int]  # recorded, made again
    farthest_mean: float | None  # largest distance between two means of the same index, in the scene's units
    psnr: float | None  # dB between the two from the input cameras, mean; None: no camera is recorded


@dataclass(frozen=True)
class Replay:
    """The result of a replay."""

    identical: bool  # the scene files are bit-identical
    sha256: str  # of the reproduced scene file
    recorded_sha256: str
    causes: tuple[str, ...]  # possible reasons if not identical, one clause each; else empty
    distance: Distance | None  # None if identical, or if the recorded scene is missing or changed
    photos: Path  # the input used
    output: Path | None
    warnings: tuple[str, ...]  # one sentence each


def replay(
    scene: Path,
    *,
    photos: Path | None = None,
    output: Path | None = None,
    overwrite: bool = False,
    report: Report = ignore,
) -> Replay:
    """Repeat the reconstruction recorded in `scene` (or in the record beside that scene file), and compare.

    `photos` replaces the recorded folder or video. The new scene is written, with its own record, only if `output` is
    given. Raises InputError for a record that cannot be followed here.
    """
    record_file = existing_record(scene)
    record = read_record(record_file)
    file = record_file.with_name(record_file.stem + record.scene_suffix)
    wanted = _recorded_sha256(record, record_file)
    settings = as_computed(settings_of(record, record_file), record)
    place = photos or photo_folder_of(record, record_file)
    if place is None:
        where = "are not recorded" if record.photos is None else f"are no longer at {record.photos}"
        raise InputError(f"the photos of {record_file} {where}; say where they are with --photos.")
    folder = open_folder(place)
    if output is not None:
        _check_output(output, record, overwrite)
        refuse_inputs(folder, [output, record_path(output)])

    inputs = inputs_sha256(folder, settings.camera)
    result = reconstruct(folder, settings, report)
    made = encode(result, output or file, photos=place, inputs_sha256=inputs)
    identical = made.record.ply_sha256 == wanted
    comparable = not identical and file.is_file() and sha256_of(file) == wanted
    apart = _distance(file, made, record) if comparable else None
    trip = None if output is None else write_scene(made, output)
    dropped = (f"{made.dropped} Gaussians with numbers that are not finite were left out.",) if made.dropped else ()
    gone = (f"{file} is not as it was written, so it is not known how far the two are apart.",)
    unknown = () if identical or comparable else gone
    return Replay(
        identical=identical,
        sha256=made.record.ply_sha256 or "",
        recorded_sha256=wanted,
        causes=() if identical else causes(record, made.record),
        distance=apart,
        photos=place,
        output=output,
        warnings=(*result.warnings, *dropped, *(trip.warnings if trip else ()), *unknown),
    )


def settings_of(record: SceneRecord, record_file: Path) -> Settings:
    """Return the settings of the recorded scene; settings unknown to older versions have the default of then.

    Raises InputError for settings of another version that are unknown here, and for damaged ones.
    """
    if not record.settings:
        raise InputError(f"{record_file} does not say with which settings the scene was made; make it again.")
    if unknown := [name for name in record.settings if name not in Settings.__dataclass_fields__]:
        raise InputError(
            f"{record_file} has settings that this version of ilrm does not know ({listed(unknown)}); "
            f"use ilrm {record.ilrm}, which made the scene."
        )
    try:
        return fitted({**OLD_USUAL, **record.settings}, Settings)
    except ValueError as error:
        raise InputError(f"the scene record {record_file} is damaged (settings: {error}).") from error


def as_computed(settings: Settings, record: SceneRecord) -> Settings:
    """Replace the precision "auto" by the one chosen when the scene was made."""
    if settings.precision != "auto":
        return settings
    return replace(settings, precision=precision_named(record.machine.get("precision", "")))


def _recorded_sha256(record: SceneRecord, record_file: Path) -> str:
    if record.ply_sha256 is None:
        raise InputError(f"{record_file} does not say what its scene file was; make the scene again with this version.")
    return record.ply_sha256


def _check_output(output: Path, record: SceneRecord, overwrite: bool) -> None:
    check_scene_output(output, overwrite)
    if suffix_of(output) != record.scene_suffix:
        raise InputError(f"--output {output}: the recorded scene is a {record.scene_suffix} file; name one.")


def _distance(file: Path, made: EncodedScene, record: SceneRecord) -> Distance:
    """Compare the recorded file and the new bytes, both as decoded."""
    with tempfile.TemporaryDirectory(prefix="ilrm-") as folder:
        again = Path(folder, f"scene{record.scene_suffix}")
        again.write_bytes(made.content)
        return distance(decode_scene(file).gaussians, decode_scene(again).gaussians, record)


def distance(recorded: Gaussians, again: Gaussians, record: SceneRecord) -> Distance:
    """Compare both on the CPU, in the frame of the record. `farthest_mean` is None if their counts differ."""
    seen = any(view.role == "input" for view in record.views)
    quality = compared(recorded, again, sight_of(record)) if seen else None
    same = len(recorded) == len(again)
    apart = float((recorded.means - again.means).norm(dim=1).max()) if same else None
    return Distance((len(recorded), len(again)), apart, quality)
