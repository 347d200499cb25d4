"""Conversion of scenes between formats, verified: the file is read back and rendered beside the original."""

import json
import time
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from ilrm_cli.geometry.frames import origin_nearby
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.transforms import Similarity
from ilrm_cli.geometry.views import Views
from ilrm_cli.render.metrics import psnr, renders, score_views
from ilrm_cli.render.rasterize import prepare, renderer_for
from ilrm_cli.runtime.errors import InputError, listed
from ilrm_cli.runtime.files import refuse_existing, replacing, replacing_pair
from ilrm_cli.runtime.progress import Report, ignore
from ilrm_cli.scene.checks import INDEXES, check_conversion, is_record, record_path, scenes_of, suffix_of
from ilrm_cli.scene.files import Y_UP, decode_scene, encode_scene, losses
from ilrm_cli.scene.formats.scene_file import SceneFile
from ilrm_cli.scene.formats.sog_streamed import is_streamed_sog
from ilrm_cli.scene.opened import Sight, read_shown_scene, remarks_on
from ilrm_cli.scene.record import (
    SceneRecord,
    encode_record,
    read_record,
    rebased,
    record_beside,
)

MIDDLE_HALF, MOST_MEANS = torch.tensor([0.25, 0.75], dtype=torch.float64), 100_000  # that are looked at
MIN_PSNR_DB = 30.0  # below, the difference from the original is obvious


@dataclass(frozen=True)
class RoundTrip:
    """A written file, compared with the scene in memory."""

    bytes: int
    psnr_db: float  # of its pictures against the scene's, over all cameras; `metrics.PSNR_CAP` if identical
    views: int  # pictures compared
    warnings: tuple[str, ...]  # one sentence each


@dataclass(frozen=True)
class Converted:
    """The result of a conversion."""

    output: Path
    gaussians: int
    input_bytes: int
    output_bytes: int
    psnr_db: float  # as in RoundTrip
    views: int
    seconds: float
    warnings: tuple[str, ...]  # one sentence each


def convert(
    scene: Path,
    output: Path,
    *,
    spz_version: int | None = None,
    overwrite: bool = False,
    device: torch.device | str = "cpu",
    report: Report = ignore,
) -> Converted:
    """Write the scene in the format of the suffix of `output`, and compare the file with the scene.

    The pictures are from the input cameras if a record lies beside the scene, else from a ring around it. The record is
    copied to the output, unless it serves both already. `spz_version` as in `encode_scene`. Raises `InputError`.
    """
    start = time.perf_counter()
    suffix = suffix_of(output)
    check_conversion(scene, output, overwrite)
    shown = read_shown_scene(scene)
    file = shown.file
    record = record_beside(scene)
    copied = _record_to_copy(record, scene, output, overwrite)
    bereft = losing_their_record(output) if copied is not None else ()
    prepare(renderer_for(device), report=report)
    with ExitStack() as writing:
        if copied is None:
            part = writing.enter_context(replacing(output))
        else:
            beside, part = writing.enter_context(replacing_pair(record_path(output), output))
            beside.write_bytes(encode_record(copied))
        part.write_bytes(encode_scene(file, suffix, spz_version))
        trip = read_back(part, suffix, file, shown, device, report)
    return Converted(
        output=output,
        gaussians=len(file.gaussians),
        input_bytes=size_of(scene),
        output_bytes=trip.bytes,
        psnr_db=trip.psnr_db,
        views=trip.views,
        seconds=time.perf_counter() - start,
        warnings=(
            *remarks_on(file, scene),
            *(warning_if_lying(record, suffix) if record else ()),
            *trip.warnings,
            *bereft,
        ),
    )


def size_of(scene: Path) -> int:
    """Return the bytes of a scene; an unbundled one is all files of its folder, a streamed one those below it too."""
    folder = scene if scene.is_dir() else scene.parent
    files: Iterable[Path] = [scene]
    if scene.is_dir() or scene.name.lower() in INDEXES:
        files = folder.rglob("*") if is_streamed_sog(scene) else folder.iterdir()
    return sum(file.stat().st_size for file in files if file.is_file())


def read_back(
    path: Path,
    suffix: str,
    file: SceneFile,
    sight: Sight,
    device: torch.device | str = "cpu",
    report: Report = ignore,
) -> RoundTrip:
    """Read back the scene written to `path` in the format of `suffix`, and compare the pictures of both."""
    read = decode_scene(path, suffix)
    assert len(read.gaussians) == len(file.gaussians), f"{len(read.gaussians)} of {len(file.gaussians)} were read back"
    psnr_db = compared(file.gaussians.to(device), read.gaussians.to(device), sight, report)
    warnings = losses(file, suffix)
    if psnr_db < MIN_PSNR_DB:
        warnings += (
            f"read back from {suffix}, the scene looks different ({psnr_db:.1f} dB PSNR): its precision does not "
            f"suffice here; keep the .ply.",
        )
    return RoundTrip(path.stat().st_size, psnr_db, len(sight.cameras), warnings)


@torch.inference_mode()
def compared(ours: Gaussians, theirs: Gaussians, sight: Sight, report: Report = ignore) -> float:
    """Return the mean PSNR in dB over pictures of both scenes from all cameras."""
    cameras, background = sight.cameras.to(torch.float64), torch.tensor(sight.background)
    if (origin := origin_nearby(cameras.positions.cpu(), _size(ours))) is not None:
        # Drawn far away, both would be spoilt alike, and the rounding of the file would not show.
        shift = Similarity.shifting(-torch.tensor(origin, dtype=torch.float64))
        ours, theirs = (replace(scene, means=shift.points(scene.means.double())) for scene in (ours, theirs))
        cameras = cameras.moved(shift.poses(cameras.world_from_cam))
    cameras = cameras.to(torch.float32)
    one, other = (renders(scene, cameras, background=background, near=sight.near) for scene in (ours, theirs))
    targets = Views(torch.cat([*one]), cameras.to(ours.means.device))
    (values,) = score_views(other, targets, psnr, stage="compare", report=report)
    return float(values.mean())


def _size(gaussians: Gaussians) -> float:
    """Return the size of the middle half of a scene."""
    low, high = torch.quantile(gaussians.means[:: -(-len(gaussians) // MOST_MEANS)].double(), MIDDLE_HALF, dim=0)
    return float((high - low).max())


def warning_if_lying(record: SceneRecord, suffix: str) -> tuple[str, ...]:
    """Return a warning if viewers of this format would show the scene lying down or upside down."""
    if record.frame == "input" or suffix not in Y_UP:
        return ()
    return (
        f"{suffix} is turned from y down to y up by itself and does not stand upright with --frame {record.frame}; "
        "--frame input is meant for it.",
    )


def losing_their_record(output: Path, mesh: Path | None = None) -> tuple[str, ...]:
    """Return a warning about other scenes whose record a new one of `output` replaces; call it before writing.

    A file in whose place a `mesh` will be written is none.
    """
    record = record_path(output)
    left = [str(path) for path in scenes_of(record) if path.name != output.name and path != mesh and path.is_file()]
    if not (record.is_file() and left):
        return ()
    return (f"{record} is now this scene's and no longer that of {listed(left)}: remove or make anew what is older.",)


def _record_to_copy(record: SceneRecord | None, scene: Path, output: Path, overwrite: bool) -> SceneRecord | None:
    """Return the record to write beside the output; None if there is none or the right one is already there."""
    source, target = record_path(scene), record_path(output)
    if target.absolute() == source.absolute():
        return None
    if record is None:
        if target.is_file() and is_record(target):
            raise InputError(f"{target} is the record of another scene and would be taken for this one's; rename one.")
        return None
    if target.is_file() and is_record(target) and _same(read_record(target), record):
        return None
    if target.exists() and not (target.is_file() and is_record(target)):
        raise InputError(f"{target} is not a scene's record and would be replaced; choose another --output.")
    refuse_existing(target, overwrite)
    return rebased(record, source, target)


def _same(one: SceneRecord, other: SceneRecord) -> bool:
    """Return whether both records describe one scene, regardless of where what they name is."""
    contents = []
    for record in (one, other):
        origin = record.refined_from and {**record.refined_from, "scene": ""}
        nowhere = replace(record, photos=None, photo_root=None, refined_from=origin)
        contents.append(json.loads(encode_record(nowhere)))
    return bool(contents[0] == contents[1])
