"""Export of a reconstruction: the scene file for viewers and the record `scene.json`."""

import dataclasses
import hashlib
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from ilrm_cli import __version__
from ilrm_cli.capture.input_hash import poses_sha256
from ilrm_cli.capture.pose_card import pose_card
from ilrm_cli.capture.poses.colmap_library import pycolmap
from ilrm_cli.geometry.frames import AXES, frame_from_input, up_direction
from ilrm_cli.geometry.transforms import Similarity
from ilrm_cli.geometry.views import PosedPhoto, Views
from ilrm_cli.pipeline.reconstruct import Reconstruction
from ilrm_cli.pipeline.settings import Settings
from ilrm_cli.runtime.cache import input_sha256
from ilrm_cli.runtime.devices import machine, resolve_precision
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.files import replacing
from ilrm_cli.scene.checks import photos_as_recorded, record_path, suffix_of
from ilrm_cli.scene.convert import RoundTrip, losing_their_record, read_back, sight_of, standing
from ilrm_cli.scene.files import encode_scene
from ilrm_cli.scene.formats.scene_file import SceneFile
from ilrm_cli.scene.record import RecordedView, Role, SceneRecord, recorded_views, write_record

RECORDED_LIBRARIES = ("torch", "numpy", "numba", "gsplat")


@dataclasses.dataclass(frozen=True)
class EncodedScene:
    """An encoded scene and its record, ready to be written."""

    file: SceneFile
    content: bytes  # of the file, in the format of the output
    record: SceneRecord
    gaussians: int  # in the file
    dropped: int  # Gaussians with non-finite numbers, not in the file


@dataclasses.dataclass(frozen=True)
class Exported:
    """A written scene and its record."""

    record: SceneRecord
    gaussians: int
    dropped: int  # Gaussians with non-finite numbers, not in the file
    trip: RoundTrip  # comparison of the written file with the scene in memory
    bereft: tuple[str, ...]  # a warning about other scenes whose record was replaced
    seconds: float

    @property
    def warnings(self) -> tuple[str, ...]:
        """One sentence each."""
        dropped = (f"{self.dropped} Gaussians with numbers that are not finite were left out.",)
        turned = standing(self.record, self.record.scene_suffix)
        return (*(dropped if self.dropped else ()), *turned, *self.trip.warnings, *self.bereft)


def export(
    result: Reconstruction,
    settings: Settings,
    output: Path,
    *,
    photos: Path | None = None,
    inputs_sha256: str | None = None,
) -> Exported:
    """Write `output` in the requested frame, and its record beside it; see `encode` for the arguments.

    If this is killed at any time, the scene is complete or absent, and a record beside it is its own.
    """
    start = time.perf_counter()
    encoded = encode(result, settings, output, photos=photos, inputs_sha256=inputs_sha256)
    bereft = losing_their_record(output)
    trip = write_scene(encoded, output, result.device)
    seconds = time.perf_counter() - start
    return Exported(encoded.record, encoded.gaussians, encoded.dropped, trip, bereft, seconds)


def encode(
    result: Reconstruction,
    settings: Settings,
    output: Path,
    *,
    photos: Path | None = None,
    inputs_sha256: str | None = None,
) -> EncodedScene:
    """Encode the scene as a file named `output`, with its record.

    `photos` is the input folder or video; `inputs_sha256` is its `input_hash` from before it was read.
    """
    frame = frame_from_input(settings.frame, poses_of(result))
    scene = result.gaussians.transformed(frame.after(result.normalized_from_world.inverse())).to("cpu")
    finite = scene.finite()
    if not finite.any():
        raise InputError(f"none of the {len(scene)} Gaussians has finite numbers: nothing can be written.")
    suffix = suffix_of(output)
    confidence = None if result.confidence is None else result.confidence.cpu()[finite]
    file = SceneFile(scene[finite], comments(result, settings), confidence=confidence)
    content = encode_scene(file, suffix)
    record = dataclasses.replace(
        record_of(result, settings, frame),
        inputs_sha256=inputs_sha256,
        ply_sha256=hashlib.sha256(content).hexdigest(),
        scene_suffix=suffix,
        photos=None if photos is None else photos_as_recorded(photos, record_path(output)),
    )
    return EncodedScene(file, content, record, int(finite.sum()), int((~finite).sum()))


def write_scene(encoded: EncodedScene, output: Path, device: str = "cpu") -> RoundTrip:
    """Write the scene and its record in the order that `export` promises; read the scene back and compare."""
    with replacing(output) as part:
        part.write_bytes(encoded.content)
        trip = read_back(part, encoded.record.scene_suffix, encoded.file, sight_of(encoded.record), device)
        output.unlink(missing_ok=True)  # an older scene must not be left beside the new record
        write_record(record_path(output), encoded.record)  # before the scene, which never exists without it
    return trip


def comments(result: Reconstruction, settings: Settings) -> tuple[str, ...]:
    """Return the header lines of the .ply: its origin, should it be separated from its record."""
    return (
        f"made by ilrm {__version__}",
        f"model {result.model_name} sha256 {result.model_sha256}",
        AXES[settings.frame],
    )


def record_of(result: Reconstruction, settings: Settings, frame_from_input: Similarity) -> SceneRecord:
    """Return everything needed to understand the scene, or to make it again."""
    world_from_normalized = frame_from_input.after(result.normalized_from_world.inverse())
    device = torch.device(result.device)
    scores: dict[str, float | None] = {}
    if result.score:
        scores = {"psnr": result.score.psnr, "ssim": result.score.ssim}
    if result.refinement:
        scores |= {
            "psnr_before_refine": result.refinement.psnr_before,
            "psnr_after_refine": result.refinement.psnr_after,
        }
    views = _recorded(result.used, result.inputs, world_from_normalized, "input")
    if result.targets:
        views += _recorded(result.scored, result.targets, world_from_normalized, "held_out")
    return SceneRecord(
        views=views,
        model_from_world=world_from_normalized.inverse(),
        model={"name": result.model_name, "sha256": result.model_sha256},
        seed=settings.seed,
        settings=dataclasses.asdict(settings),
        timings_s=result.timings_s,
        scores=scores,
        warnings=result.warnings,
        pose_card=dataclasses.asdict(pose_card(result.capture, result.trained_on)),
        poses_sha256=poses_sha256(result.capture),
        left_out=result.left_out,
        auto_scale=dataclasses.asdict(result.scale) if result.scale else None,
        pruning=dataclasses.asdict(result.pruning) if result.pruning else None,
        trace=result.traced,
        frame=settings.frame,
        up=tuple(frame_from_input.points(up_direction(poses_of(result))).tolist()),
        frame_from_input=tuple(tuple(row) for row in frame_from_input.rotation.tolist()),
        machine=machine(device, resolve_precision(settings.precision, device)),
        versions={name: version(name) for name in RECORDED_LIBRARIES} | {"pycolmap": pycolmap.__version__},
    )


def poses_of(result: Reconstruction) -> Float64[Tensor, "photo 4 4"]:
    """Return world_from_cam of every posed photo: together they give the best estimate of up."""
    return torch.from_numpy(np.stack([photo.world_from_cam for photo in result.capture.photos]))


def _recorded(
    photos: tuple[PosedPhoto, ...], views: Views, world_from_normalized: Similarity, role: Role
) -> tuple[RecordedView, ...]:
    cameras = views.cameras.moved(world_from_normalized.poses(views.cameras.world_from_cam.double()))
    hashes = [input_sha256(photo.path) for photo in photos]
    turns = None if views.quarter_turns is None else views.quarter_turns.tolist()
    return recorded_views([photo.name for photo in photos], hashes, cameras, role, turns)
