"""`ilrm replay`: the work that a record tells of, done again, and how far the two scenes are apart.

The distance is told in numbers and in pictures.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from ilrm_cli.capture.checks import refuse_inputs
from ilrm_cli.capture.input_hash import inputs_sha256
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.pipeline.export import EncodedScene, encode, write_scene
from ilrm_cli.pipeline.optimize.course import Running
from ilrm_cli.pipeline.reconstruct import Reconstruction, reconstruct
from ilrm_cli.pipeline.recorded import RecordedScene, fit_further, recorded_scene
from ilrm_cli.pipeline.replay_causes import causes
from ilrm_cli.pipeline.settings import FurtherSettings
from ilrm_cli.runtime.cache import sha256_of
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.files import refuse_existing, scratch_folder
from ilrm_cli.runtime.progress import Report, ignore
from ilrm_cli.scene.checks import FIELD, check_scene_output, record_path, suffix_of
from ilrm_cli.scene.convert import compared
from ilrm_cli.scene.files import decode_scene
from ilrm_cli.scene.formats.scene_file import told_dropped
from ilrm_cli.scene.opened import sight_of
from ilrm_cli.scene.record import SceneRecord


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
    before = recorded_scene(scene, photos)
    record, file, place, wanted = before.record, before.file, before.photos, before.sha256
    if output is not None:
        _check_output(output, before, overwrite)
        refuse_inputs(before.folder, [output, record_path(output)])

    inputs = inputs_sha256(before.folder, before.settings.camera)
    result = _made_again(before, photos, report)
    made = encode(result, output or file, photos=place, inputs_sha256=inputs, start_view=record.start_view)
    identical = made.record.ply_sha256 == wanted
    comparable = not identical and file.is_file() and sha256_of(file) == wanted
    apart = _distance(file, made, record) if comparable else None
    trip = None if output is None else write_scene(made, output)
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
        warnings=(*result.warnings, *told_dropped(made.dropped), *(trip.warnings if trip else ()), *unknown),
    )


def _made_again(before: RecordedScene, photos: Path | None, report: Report) -> Reconstruction:
    """Do the recorded work again: from the photos alone, or from the scene that was fitted further."""
    origin, record_file, running = (
        before.record.refined_from,
        before.record_file,
        Running(taken=before.taken, begun_at=before.begun_at),
    )
    if origin is None:
        as_field = before.record.scene_suffix == FIELD
        return reconstruct(before.folder, before.settings, report, as_field=as_field, running=running)
    start = Path(os.path.normpath(record_file.parent / origin["scene"]))
    if not os.path.isfile(start) or sha256_of(start) != origin["sha256"]:
        raise InputError(f"{start}, from which {before.file} was refined, is not there as it was; make it again first.")
    wanted = before.settings.narrowed(FurtherSettings)
    return fit_further(recorded_scene(start, photos), wanted, report, running=running)


def _check_output(output: Path, before: RecordedScene, overwrite: bool) -> None:
    check_scene_output(output, overwrite, fields=True)
    if os.path.abspath(record_path(output)) == os.path.abspath(before.record_file):
        refuse_existing(before.record_file, overwrite)  # also where its scene is gone: it is what is followed
    suffix = before.record.scene_suffix
    if suffix_of(output) != suffix:
        raise InputError(f"--output {output}: the recorded scene is a {suffix} file; name one.")


def _distance(file: Path, made: EncodedScene, record: SceneRecord) -> Distance:
    """Compare the recorded file and the new bytes, both as decoded."""
    with scratch_folder() as folder:
        again = folder / f"scene{record.scene_suffix}"
        again.write_bytes(made.content)
        return distance(decode_scene(file).gaussians, decode_scene(again).gaussians, record)


def distance(recorded: Gaussians, again: Gaussians, record: SceneRecord) -> Distance:
    """Compare both on the CPU, in the frame of the record. `farthest_mean` is None if their counts differ."""
    seen = any(view.role == "input" for view in record.views)
    quality = compared(recorded, again, sight_of(record)) if seen else None
    same = len(recorded) == len(again)
    apart = float((recorded.means - again.means).norm(dim=1).max()) if same else None
    return Distance((len(recorded), len(again)), apart, quality)
