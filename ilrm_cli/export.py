"""A reconstruction on disk: the .ply file that viewers read and the `scene.json` that tells how it was made."""

import dataclasses
import time
from importlib.metadata import version
from pathlib import Path

import pycolmap

from ilrm_cli import __version__
from ilrm_cli.errors import InputError
from ilrm_cli.hashing import sha256_of
from ilrm_cli.io.atomic import atomic_write, check_output, refuse_existing
from ilrm_cli.io.ply import encode_ply
from ilrm_cli.io.scene import RecordedView, SceneRecord, is_record, record_path, recorded_views, write_record
from ilrm_cli.reconstruct import Reconstruction, Settings
from ilrm_cli.views import PosedPhoto, Views

RECORDED_LIBRARIES = ("torch", "numpy", "numba", "gsplat")


@dataclasses.dataclass(frozen=True)
class Exported:
    """What was written."""

    gaussians: int
    dropped: int  # Gaussians with numbers that are not finite: left out of the file
    seconds: float


def check_scene_output(output: Path, overwrite: bool) -> None:
    """Refuse, before the long work begins, an output that cannot be written."""
    if output.suffix.lower() != ".ply":
        raise InputError(
            f"--output {output}: the suffix {output.suffix or '(none)'} is unknown; scenes are written as .ply."
        )
    check_output(output, overwrite)
    record = record_path(output)
    refuse_existing(record, overwrite)
    if record.is_file() and not is_record(record):
        raise InputError(f"{record} is not a scene's record and would be replaced; choose another --output.")


def export(result: Reconstruction, settings: Settings, output: Path) -> Exported:
    """Write `output` (.ply, in the frame of the input poses) and its record beside it."""
    start = time.perf_counter()
    scene = result.in_world().to("cpu")
    finite = scene.finite()
    ply = encode_ply(scene[finite], comments(result))
    write_record(record_path(output), record_of(result, settings))  # first, so that no scene stands without it
    atomic_write(output, ply)
    return Exported(int(finite.sum()), int((~finite).sum()), time.perf_counter() - start)


def comments(result: Reconstruction) -> list[str]:
    """The header lines of the .ply: enough to know where it comes from if it is separated from its record."""
    return [
        f"made by ilrm {__version__}",
        f"model {result.model_name} sha256 {result.model_sha256}",
        "frame of the input poses, OpenCV axes",
    ]


def record_of(result: Reconstruction, settings: Settings) -> SceneRecord:
    """Everything that is needed to understand the scene, or to make it again."""
    scores: dict[str, float | None] = {}
    if result.score:
        scores = {"psnr": result.score.psnr, "ssim": result.score.ssim}
    if result.refinement:
        scores |= {
            "psnr_before_refine": result.refinement.psnr_before,
            "psnr_after_refine": result.refinement.psnr_after,
        }
    held_out = _recorded(result, result.scored, result.targets, "held_out") if result.targets else ()
    return SceneRecord(
        views=_recorded(result, result.used, result.inputs, "input") + held_out,
        model_from_world=result.normalized_from_world,
        model={"name": result.model_name, "sha256": result.model_sha256},
        seed=settings.seed,
        settings=dataclasses.asdict(settings),
        timings_s=result.timings_s,
        scores=scores,
        warnings=result.warnings,
        versions={name: version(name) for name in RECORDED_LIBRARIES} | {"pycolmap": pycolmap.__version__},
    )


def _recorded(
    result: Reconstruction, photos: tuple[PosedPhoto, ...], views: Views, role: str
) -> tuple[RecordedView, ...]:
    world_from_normalized = result.normalized_from_world.inverse()
    cameras = views.cameras.moved(world_from_normalized.poses(views.cameras.world_from_cam.double()))
    hashes = [sha256_of(photo.path) for photo in photos]
    return recorded_views([photo.name for photo in photos], hashes, cameras, role)
