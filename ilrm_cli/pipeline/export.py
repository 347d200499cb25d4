"""Export of a reconstruction: the scene file for viewers and the record `scene.json`."""

import dataclasses
import hashlib
import time
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from ilrm_cli import __version__
from ilrm_cli.capture.input_hash import poses_sha256
from ilrm_cli.capture.poses.colmap_library import pycolmap
from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.frames import AXES, origin_nearby, turn_to
from ilrm_cli.geometry.transforms import Similarity
from ilrm_cli.geometry.views import PosedPhoto
from ilrm_cli.models.checkpoint import ModelIdentity
from ilrm_cli.models.registry import licence_of
from ilrm_cli.pipeline.reconstruct import Reconstruction
from ilrm_cli.pipeline.settings import origin_of
from ilrm_cli.runtime.cache import input_sha256
from ilrm_cli.runtime.devices import machine, resolve_precision
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.files import replacing_pair
from ilrm_cli.scene.checks import FIELD, place_as_recorded, record_path, suffix_of
from ilrm_cli.scene.convert import RoundTrip, losing_their_record, read_back, warning_if_lying
from ilrm_cli.scene.files import encode_scene
from ilrm_cli.scene.formats.scene_file import KeptField, SceneFile, origin_comment, told_dropped
from ilrm_cli.scene.opened import sight_of
from ilrm_cli.scene.record import RecordedView, Role, SceneRecord, encode_record, recorded_views
from ilrm_cli.scene.start_view import start_view_of

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
        turned = warning_if_lying(self.record, self.record.scene_suffix)
        moved = () if self.record.origin is None else (moved_by(self.record.origin),)
        return (*told_dropped(self.dropped), *moved, *turned, *self.trip.warnings, *self.bereft)


def export(
    result: Reconstruction,
    output: Path,
    *,
    photos: Path | None = None,
    inputs_sha256: str | None = None,
    mesh: Path | None = None,
) -> Exported:
    """Write `output` in the requested frame, and its record beside it; see `encode` for the arguments.

    `mesh` is where its mesh will be written, if anywhere.

    If this is killed at any time, the scene is complete or absent, and a record beside it is its own.
    """
    start = time.perf_counter()
    encoded = encode(result, output, photos=photos, inputs_sha256=inputs_sha256)
    bereft = losing_their_record(output, mesh)
    trip = write_scene(encoded, output, result.device.type)
    seconds = time.perf_counter() - start
    return Exported(encoded.record, encoded.gaussians, encoded.dropped, trip, bereft, seconds)


def encode(
    result: Reconstruction,
    output: Path,
    *,
    photos: Path | None = None,
    inputs_sha256: str | None = None,
    start_view: bool = True,
) -> EncodedScene:
    """Encode the scene as a file named `output`, with its record.

    `photos` is the input folder or video; `inputs_sha256` is its `input_hash` from before it was read; `start_view` is
    as in the record.
    """
    axes, origin = result.settings.frame, origin_for(result)
    turn = turn_to(axes, result.poses, result.up if axes != "input" else None)
    frame = turn if origin is None else moved_to(origin, turn)
    world_from_normalized = frame.after(result.prepared.normalized_from_world.inverse())
    scene = result.gaussians.transformed(world_from_normalized).to("cpu")
    if origin_nearby(scene.means) is not None:  # asked for: what the file's float32 rounds must not be rounded before
        means = world_from_normalized.points(result.gaussians.means.double())
        scene = dataclasses.replace(scene, means=means.cpu())
    finite = scene.finite()
    if not finite.any():
        raise InputError(f"none of the {len(scene)} Gaussians has finite numbers: nothing can be written.")
    suffix, confidence = suffix_of(output), result.trusted.confidence
    kept = None if confidence is None else confidence.cpu()[finite]
    record = record_of(result, frame, origin)
    lines = comments(result, origin)
    if start_view and record.up is not None:
        lines += (start_view_of(sight_of(record).cameras, scene[finite], record.up).comment,)
    field = None
    if suffix == FIELD:
        sampled = result.prediction.sampled
        assert sampled is not None, "`require_field` has seen to it"
        field = KeptField(sampled.stored, sampled.surface, world_from_normalized, told_of(result.model))
        record = dataclasses.replace(record, background=tuple(sampled.field.background.tolist()))
    file = SceneFile(scene[finite], lines, confidence=kept, field=field)
    content = encode_scene(file, suffix)
    root = result.capture.root
    record = dataclasses.replace(
        record,
        inputs_sha256=inputs_sha256,
        ply_sha256=hashlib.sha256(content).hexdigest(),
        scene_suffix=suffix,
        start_view=start_view,
        photos=None if photos is None else place_as_recorded(photos, record_path(output)),
        photo_root=None if root is None or photos is None else place_as_recorded(root, record_path(output)),
        refined_from=origin_as_json(result, output),
        metres_per_unit=result.metres_per_unit,
    )
    return EncodedScene(file, content, record, int(finite.sum()), int((~finite).sum()))


def write_scene(encoded: EncodedScene, output: Path, device: str = "cpu") -> RoundTrip:
    """Write the scene and its record in the order that `export` promises; read the scene back and compare."""
    with replacing_pair(record_path(output), output) as (record, part):
        record.write_bytes(encode_record(encoded.record))
        part.write_bytes(encoded.content)
        return read_back(part, encoded.record.scene_suffix, encoded.file, sight_of(encoded.record), device)


def origin_for(result: Reconstruction) -> tuple[float, float, float] | None:
    """Return the point of the input's frame where the file's coordinates begin; None: that frame's own origin."""
    wanted = origin_of(result.settings.origin)
    if wanted == "input":
        return None
    if wanted != "auto":
        return wanted
    return origin_nearby(result.poses[:, :3, 3], 1 / result.prepared.normalized_from_world.scale)


def moved_to(origin: tuple[float, float, float], turn: Similarity) -> Similarity:
    """Return the rotation after the origin was moved."""
    return dataclasses.replace(turn, translation=-turn.points(torch.tensor(origin, dtype=torch.float64)))


def comments(result: Reconstruction, origin: tuple[float, float, float] | None) -> tuple[str, ...]:
    """Return the header lines of the .ply: its origin, should it be separated from its record."""
    return (
        f"made by ilrm {__version__}",
        f"model {result.model.name} sha256 {result.model.sha256}",
        AXES[result.settings.frame],
        *([] if origin is None else [origin_comment(origin)]),
    )


def moved_by(origin: tuple[float, ...]) -> str:
    """Return the sentence on a moved origin."""
    point = ", ".join(f"{value:.10g}" for value in origin)
    return f"coordinates of the scene begin at ({point}) of the input's frame, which is recorded; see --origin."


def told_of(model: ModelIdentity) -> dict[str, str]:
    """Return what records tell of a model: its name and hash, and the licence of its weights where it is known."""
    licence = licence_of(model.name)
    return {"name": model.name, "sha256": model.sha256, **({"licence": licence} if licence else {})}


def record_of(
    result: Reconstruction, frame_from_input: Similarity, origin: tuple[float, float, float] | None = None
) -> SceneRecord:
    """Return everything needed to understand the scene, or to make it again, but for what its file adds."""
    settings, prepared, chosen = result.settings, result.prepared, result.selection
    world_from_normalized = frame_from_input.after(prepared.normalized_from_world.inverse())
    to_world = partial(_recorded, world_from_normalized=world_from_normalized)
    views = to_world("input", chosen.used, prepared.inputs.cameras, prepared.inputs.quarter_turns)
    if result.fit:
        views += to_world("fitted", chosen.only_fitted, result.fit.cameras, result.fit.quarter_turns)
    if prepared.targets:
        views += to_world("held_out", chosen.scored, prepared.targets.cameras, prepared.targets.quarter_turns)
    scores = {"psnr": result.score.psnr, "ssim": result.score.ssim} if result.score else {}
    return SceneRecord(
        views=views,
        model_from_world=world_from_normalized.inverse(),
        model=told_of(result.model),
        seed=settings.seed,
        settings=dataclasses.asdict(settings.settled()),
        timings_s=result.timings_s,
        scores=scores,
        warnings=result.warnings,
        pose_card=dataclasses.asdict(result.pose_card),
        poses_sha256=poses_sha256(result.capture),
        left_out=chosen.left_out,
        given=result.capture.given,
        auto_scale=as_json(result.scale),
        pruning=as_json(result.trusted.pruning),
        refine=result.refinement.figures if result.refinement else None,
        optimize=result.fit.figures if result.fit else None,
        poses_refined=result.poses_refined,
        trace=result.traced,
        frame=settings.frame,
        origin=origin,
        up=tuple((frame_from_input.rotation @ result.up).tolist()),
        frame_from_input=tuple(tuple(row) for row in frame_from_input.rotation.tolist()),
        machine=machine(result.device, resolve_precision(settings.precision, result.device)),
        versions={name: version(name) for name in RECORDED_LIBRARIES} | {"pycolmap": pycolmap.__version__},
    )


def as_json(stage: Any) -> dict[str, Any] | None:
    """Return the figures of a stage that may not have run."""
    return None if stage is None else dataclasses.asdict(stage)


def origin_as_json(result: Reconstruction, output: Path) -> dict[str, str] | None:
    """Return which scene was fitted further, as seen from where `output` lies."""
    if result.earlier is None:
        return None
    return {"scene": place_as_recorded(result.earlier.scene, record_path(output)), "sha256": result.earlier.sha256}


def _recorded(
    role: Role,
    photos: tuple[PosedPhoto, ...],
    cameras: Cameras,
    quarter_turns: Int64[Tensor, " view"] | None,
    *,
    world_from_normalized: Similarity,
) -> tuple[RecordedView, ...]:
    moved = cameras.moved(world_from_normalized.poses(cameras.world_from_cam.double()))
    hashes = [input_sha256(photo.path) for photo in photos]
    turns = None if quarter_turns is None else quarter_turns.tolist()
    return recorded_views([photo.name for photo in photos], hashes, moved, role, turns)
