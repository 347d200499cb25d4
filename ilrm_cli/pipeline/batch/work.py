"""The two halves of reconstructing one folder, which may run in different processes or on different machines.

Every error is returned as an `Outcome`, so that the other folders go on. Scenes that an interrupted batch has finished
are recognised.
"""

import dataclasses
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

from ilrm_cli import __version__
from ilrm_cli.capture.checks import refuse_inputs
from ilrm_cli.capture.input_hash import inputs_sha256
from ilrm_cli.capture.photos.folder import open_folder
from ilrm_cli.geometry.views import Capture
from ilrm_cli.models.checkpoint import LoadedModel
from ilrm_cli.pipeline.batch.jobs import Job, Outcome
from ilrm_cli.pipeline.batch.workers import told
from ilrm_cli.pipeline.export import export
from ilrm_cli.pipeline.optimize.course import Leaving, Running
from ilrm_cli.pipeline.reconstruct import load, posed_photos, reconstruct_capture, with_seconds
from ilrm_cli.pipeline.settings import Settings, option_of, with_old_usual
from ilrm_cli.pipeline.verdict import verdict
from ilrm_cli.runtime.cache import sha256_of
from ilrm_cli.runtime.errors import InputError, told_of_machine
from ilrm_cli.runtime.progress import Stage
from ilrm_cli.scene.checks import check_scene_output, record_path
from ilrm_cli.scene.record import SceneRecord, read_record

Result = TypeVar("Result")

REMEDY = "remove it to have it made anew, or pass -w to make all anew."


@dataclass(frozen=True)
class Order:
    """The settings shared by all folders of a batch."""

    settings: Settings
    model_sha256: str  # of the weights that the settings name
    overwrite: bool  # make all scenes anew


@dataclass(frozen=True)
class Ready:
    """A folder with known poses."""

    capture: Capture
    inputs_sha256: str
    seconds: float  # spent so far


def pose(job: Job, order: Order) -> Ready | Outcome:
    """Run the first half, on the CPU: compute the poses, or skip the folder if its scene exists already."""
    start = time.perf_counter()

    def work() -> Ready | Outcome:
        # Before anything is read, so that photos that change meanwhile are noticed next time.
        folder = open_folder(job.photos)
        inputs = inputs_sha256(folder, order.settings.camera)
        if not order.overwrite:
            record = finished(job, order.settings, order.model_sha256, inputs)
            if record is not None:
                return _skipped(job, record)
        check_scene_output(job.output, overwrite=True)
        refuse_inputs(folder, [job.output, record_path(job.output)])
        capture = posed_photos(folder, order.settings, told.get())
        return Ready(capture, inputs, time.perf_counter() - start)

    return _caught(job, work, start)


def reconstruct(job: Job, ready: Ready, order: Order) -> Outcome:
    """Run the second half, with the model: from poses to the scene's files."""
    start = time.perf_counter() - ready.seconds

    def work() -> Outcome:
        model, running = _model(order.settings), Running(keeps=Leaving())
        result = reconstruct_capture(ready.capture, model, order.settings, told.get(), running=running)
        result = with_seconds(result, {Stage.POSES: ready.seconds})
        written = export(result, job.output, photos=job.photos, inputs_sha256=ready.inputs_sha256)
        return Outcome(
            job=job,
            status="ok",
            sentence=verdict(result),
            seconds=time.perf_counter() - start,
            used=result.in_scene,
            found=result.capture.found,
            psnr=result.score.psnr if result.score else None,
            ssim=result.score.ssim if result.score else None,
            gaussians=written.gaussians,
            warnings=(*result.warnings, *written.warnings),
        )

    return _caught(job, work, start)


def load_model_once(settings: Settings) -> str | None:
    """Load the model for `reconstruct`; return the message for the user if that fails, else None."""
    try:
        _model(settings)
    except Exception as error:
        if (known := told_of_machine(error)) is None:
            raise
        return str(known)
    return None


@cache
def _model(settings: Settings) -> LoadedModel:
    """Load the model once per process, so that it stays loaded from one folder to the next."""
    return load(settings)


def _skipped(job: Job, record: SceneRecord) -> Outcome:
    names = {*(view.name for view in record.views), *(photo.name for photo in record.left_out)}
    fitted_last = (record.optimize or {}).get("last_steps", 0) > 0  # those held out too, see `Reconstruction.in_scene`
    return Outcome(
        job=job,
        status="skipped",
        sentence="The scene is there already, from the same photos and settings.",
        used=sum(fitted_last or view.role != "held_out" for view in record.views),
        found=len(names),
        psnr=record.scores.get("psnr"),
        ssim=record.scores.get("ssim"),
    )


def _caught(job: Job, work: Callable[[], Result], start: float) -> Result | Outcome:
    """Return the result of `work`, or the outcome that tells why it failed: the error boundary of one folder."""
    try:
        return work()
    except Exception as error:
        if (known := told_of_machine(error)) is not None:
            return Outcome(job, "failed", str(known), time.perf_counter() - start)
        # A bug of ours must not stop the other folders; it is reported as a bug.
        sentence = f"A bug of ilrm ({type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''})."
        return Outcome(job, "crashed", sentence, time.perf_counter() - start, traceback=traceback.format_exc())


def finished(job: Job, settings: Settings, model_sha256: str, inputs_sha256: str) -> SceneRecord | None:
    """Return the record of the scene if it exists and this job would make the same one; None if it does not exist.

    Photos, poses, settings, weights and version must match, and the .ply must be unchanged since it was written. A
    record without its scene is left by a killed process and counts as no scene. Raises InputError if the output is
    taken by a different scene.
    """
    record_file = record_path(job.output)
    if not job.output.exists():
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
    asked = dataclasses.asdict(settings.settled())
    made = with_old_usual(record.settings) if record.settings else {}
    missing = object()
    other = [key for key in asked | made if asked.get(key, missing) != made.get(key, missing)]
    differences = []
    if record.inputs_sha256 != inputs_sha256:
        differences.append("from other photos or poses")
    if other:
        differences.append(f"with other settings ({', '.join(map(option_of, other))})")
    if record.model.get("sha256") != model_sha256:
        differences.append("with other weights")
    if record.ilrm != __version__:
        differences.append(f"by ilrm {record.ilrm}")
    return differences
