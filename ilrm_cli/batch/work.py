"""The two halves of reconstructing one folder, which may run in different processes or on different machines.

Every error is returned as an `Outcome`, so that the other folders go on.
"""

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

from ilrm_cli.batch.existing import finished
from ilrm_cli.batch.outcome import Outcome
from ilrm_cli.batch.plan import Job
from ilrm_cli.capture.checks import check_place, check_views, refuse_inputs
from ilrm_cli.capture.input_hash import inputs_sha256
from ilrm_cli.export import export
from ilrm_cli.geometry.views import Capture
from ilrm_cli.models.checkpoint import LoadedModel
from ilrm_cli.reconstruct import Settings, load, posed_photos, reconstruct_capture, with_seconds
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.scene.checks import check_scene_output, record_path
from ilrm_cli.scene.record import SceneRecord
from ilrm_cli.verdict import verdict

Result = TypeVar("Result")


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
        inputs = inputs_sha256(job.photos, order.settings.camera)
        if not order.overwrite:
            record = finished(job, order.settings, order.model_sha256, inputs)
            if record is not None:
                return _skipped(job, record)
        job.output.parent.mkdir(parents=True, exist_ok=True)
        check_scene_output(job.output, overwrite=True)
        check_place(job.photos, order.settings.poses, order.settings.camera)
        check_views(order.settings.views, job.photos)
        refuse_inputs(job.photos, [job.output, record_path(job.output)])
        capture = posed_photos(job.photos, order.settings)
        return Ready(capture, inputs, time.perf_counter() - start)

    return _caught(job, work, start)


def reconstruct(job: Job, ready: Ready, order: Order) -> Outcome:
    """Run the second half, with the model: from poses to the scene's files."""
    start = time.perf_counter() - ready.seconds

    def work() -> Outcome:
        result = reconstruct_capture(ready.capture, _model(order.settings), order.settings)
        result = with_seconds(result, {"poses": ready.seconds})
        written = export(result, order.settings, job.output, photos=job.photos, inputs_sha256=ready.inputs_sha256)
        return Outcome(
            job=job,
            status="ok",
            sentence=verdict(result),
            seconds=time.perf_counter() - start,
            used=len(result.used),
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
    except InputError as error:
        return str(error)
    return None


@cache
def _model(settings: Settings) -> LoadedModel:
    """Load the model once per process, so that it stays loaded from one folder to the next."""
    return load(settings)


def _skipped(job: Job, record: SceneRecord) -> Outcome:
    used = sum(view.role == "input" for view in record.views)
    return Outcome(
        job=job,
        status="skipped",
        sentence="The scene is there already, from the same photos and settings.",
        used=used,
        found=used + len(record.left_out),
        psnr=record.scores.get("psnr"),
        ssim=record.scores.get("ssim"),
    )


def _caught(job: Job, work: Callable[[], Result], start: float) -> Result | Outcome:
    """Return the result of `work`, or the outcome that tells why it failed: the error boundary of one folder."""
    try:
        return work()
    except InputError as error:
        return Outcome(job, "failed", str(error), time.perf_counter() - start)
    except Exception as error:  # a bug of ours must not stop the other folders; it is reported as a bug
        sentence = f"A bug of ilrm ({type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''})."
        return Outcome(job, "crashed", sentence, time.perf_counter() - start, traceback=traceback.format_exc())
