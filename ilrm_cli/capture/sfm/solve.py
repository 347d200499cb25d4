"""Structure from motion with pycolmap: photos without poses become a COLMAP model, by two methods.

It is not done twice: models are kept by the content of the photos.
"""

import json
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from ilrm_cli.capture.photos.folder import MIN_PHOTOS
from ilrm_cli.capture.poses.colmap import load_reconstruction
from ilrm_cli.capture.poses.colmap_library import pycolmap
from ilrm_cli.capture.sfm.database import EXHAUSTIVE_UP_TO, extract, match, read_graph, register, share_cameras, watched
from ilrm_cli.capture.sfm.judge import believable, failure, left_out, rank, shortcomings
from ilrm_cli.capture.sfm.match_graph import MatchGraph, advice_on_overlap
from ilrm_cli.geometry.cameras import Lens
from ilrm_cli.geometry.views import LeftOut
from ilrm_cli.runtime.cache import Entry, entry, input_sha256
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.json_values import read_json
from ilrm_cli.runtime.progress import Report, Step, ignore
from ilrm_cli.runtime.threads import in_threads

ENOUGH_OF_MANY = 0.8  # share of photos in a model at which no second method is tried, if that takes minutes
# Decimals kept of poses, points and lenses, in a model of some ten units and some thousand pixels. Threads add numbers
# in any order: the last bits differ from run to run, and so would choices based on them.
DECIMALS = 8
GOOD_ERROR_PX = 1.0  # mean reprojection error up to which no second method is tried

EXACT_UP_TO = 60  # photos; single-threaded sums are reproducible to the last bit, and as fast for few photos

VERSION = 8  # raise it if the same photos would give a different model than before
NOTES = "notes.json"  # beside the model's files


@dataclass(frozen=True)
class SfmResult:
    """A model whose images have the names given to `solve`."""

    model: pycolmap.Reconstruction
    warnings: tuple[str, ...]  # one sentence each: photos left out, other models, weak geometry
    left_out: tuple[LeftOut, ...] = ()  # every photo that the model lacks
    advice: tuple[str, ...] = ()  # which photos to take so that all are connected


def solve(
    folder: Path,
    files: dict[str, str],
    work: Path,
    *,
    masks: Path | None = None,
    lenses: Mapping[str, Lens] | None = None,
    exact: bool = True,
    seed: int = 0,
    report: Report = ignore,
) -> SfmResult:
    """Estimate poses of photos by SIFT, matching and mapping, everything seeded.

    `files` = file below `folder` -> name of the photo, in shooting order if known; photos in one subfolder share a
    camera. `work` is an empty folder for the database. `masks`, if given, holds a picture `<file>.png` of the same size
    for every file (COLMAP skips files without): no feature is extracted where it is black. `lenses` = file -> known
    lens, for the file's size or a scaled one; it is kept fixed if it is `exact`. Up to 60 photos every pair is matched;
    beyond, each with its next 10, those at distances 16, 32, ... and the 8 that look most similar, and 40 evenly spaced
    ones pairwise: a replacement for loop detection, whose vocabulary tree would be a download. Incremental mapping
    comes first; if that leaves photos out (of more than 60, a fifth of them) or fits badly, global mapping follows, and
    then incremental mapping with a camera for each photo, as lenses zoom and pictures are cropped. The model with most
    photos is kept. Raises InputError if none is plausible.
    """
    assert len(files) >= MIN_PHOTOS, f"{len(files)} photos"
    pycolmap.set_random_seed(seed)
    database, names = work / "database.db", list(files)
    register(database, folder, names, lenses or {})
    extract(database, folder, names, masks, report)
    match(database, folder, work / "pairs.txt", names, seed, report)
    graph = replace(read_graph(database, names), names=tuple(files.values()))
    mapped = work / "mapping.db"
    settled = lenses if lenses and exact else {}
    fixed = share_cameras(database, mapped, settled)
    known = {number for number, name in enumerate(names, 1) if name in settled}  # cameras are numbered as photos
    ways = (
        partial(incremental, mapped, folder, work / "incremental", len(names), fixed, seed, report),
        partial(global_, mapped, folder, work / "global", len(names), fixed, seed, report),
        partial(incremental, database, folder, work / "apart", len(names), known, seed, report),
    )
    models = _map(ways, graph)
    named = [_rounded(_renamed(model, files)) for model in models]
    advice = advice_on_overlap(graph.joined({image.name for image in named[0].images.values() if image.has_pose}))
    return SfmResult(named[0], tuple(shortcomings(named, graph.names)), left_out(named, graph), advice)


def _map(
    ways: Sequence[Callable[[], list[pycolmap.Reconstruction]]], graph: MatchGraph
) -> list[pycolmap.Reconstruction]:
    """Return the plausible models of the best of several ways, the one with most photos first.

    No further way is tried after one whose models hold enough photos. Those of several places end in several models
    without a common photo, and no way would join those.
    """
    count, found = len(graph.names), list[pycolmap.Reconstruction]()
    best: list[pycolmap.Reconstruction] = []
    for way in ways:
        models = way()
        found += models
        best = max(best, believable(models, count), key=lambda models: rank(models[0]) if models else (0, 0.0))
        if _enough(best, count):
            break
    if not best:
        raise InputError(failure(found, graph))
    return best


def _enough(models: Sequence[pycolmap.Reconstruction], count: int) -> bool:
    """Return whether models of so many photos leave nothing to be gained by another way."""
    placed = [image.image_id for model in models for image in model.images.values() if image.has_pose]
    enough = ENOUGH_OF_MANY if count > EXHAUSTIVE_UP_TO else 1.0
    complete = len(placed) == len(set(placed)) >= enough * count
    return complete and models[0].compute_mean_reprojection_error() <= GOOD_ERROR_PX


def _rounded(model: pycolmap.Reconstruction) -> pycolmap.Reconstruction:
    """Round away the bits that differ between runs."""
    for image in model.images.values():
        if image.has_pose:
            pose = image.cam_from_world()
            turn = pycolmap.Rotation3d(np.round(pose.rotation.quat, DECIMALS))
            image.frame.set_cam_from_world(
                image.camera_id, pycolmap.Rigid3d(turn, np.round(pose.translation, DECIMALS))
            )
    for camera in model.cameras.values():
        camera.params = np.round(camera.params, DECIMALS)
    for point in model.points3D.values():
        point.xyz = np.round(point.xyz, DECIMALS)
    return model


def _renamed(model: pycolmap.Reconstruction, files: dict[str, str]) -> pycolmap.Reconstruction:
    for image in model.images.values():
        image.name = files[image.name]
    return model


def incremental(
    database: Path, folder: Path, output: Path, count: int, fixed: Set[int], seed: int, report: Report
) -> list[pycolmap.Reconstruction]:
    """Run COLMAP's incremental mapper: a pair, then photo by photo. Cameras with ids in `fixed` stay constant."""
    options = pycolmap.IncrementalPipelineOptions()
    options.random_seed = options.mapper.random_seed = options.triangulation.random_seed = seed
    options.min_model_size = MIN_PHOTOS
    options.constant_cameras = set(fixed)
    if count <= EXACT_UP_TO:
        options.num_threads = options.mapper.num_threads = 1
    placed = 0

    def one_more() -> None:
        nonlocal placed
        placed += 1

    def run(token: pycolmap.CancellationToken) -> dict[int, pycolmap.Reconstruction]:
        return pycolmap.incremental_mapping(
            database,
            folder,
            output,
            options,
            initial_image_pair_callback=one_more,
            next_image_callback=one_more,
            cancellation_token=token,
        )

    output.mkdir()
    return list(watched(run, lambda: placed, Step("mapping", 0, count), report).values())


def global_(
    database: Path, folder: Path, output: Path, count: int, fixed: Set[int], seed: int, report: Report
) -> list[pycolmap.Reconstruction]:
    """Run GLOMAP: all rotations, then all positions. It fixes all cameras or none, and cannot be polled or stopped."""
    options = pycolmap.GlobalPipelineOptions()
    options.random_seed = options.mapper.random_seed = seed
    options.min_model_size = MIN_PHOTOS
    adjustment = options.mapper.bundle_adjustment
    adjustment.refine_focal_length = adjustment.refine_extra_params = not fixed
    output.mkdir()
    report(Step("global mapping", 0, count))
    models = pycolmap.global_mapping(database, folder, output, options)
    report(Step("global mapping", count, count))
    return list(models.values())


def kept(photos: Sequence[tuple[str, Path]], options: Mapping[str, object]) -> Entry[SfmResult]:
    """Return the place in the cache of the model of these photos, by names and contents, and these options."""
    hashes = in_threads(input_sha256, [path for _, path in photos])
    names = [name for name, _ in photos]
    return entry("sfm", [VERSION, pycolmap.__version__, options, names, hashes], _read)


def _read(folder: Path) -> SfmResult:
    notes = read_json(folder / NOTES)
    left_out = tuple(LeftOut(name, reason) for name, reason in notes["left_out"])
    return SfmResult(load_reconstruction(folder), tuple(notes["warnings"]), left_out, tuple(notes["advice"]))


def write(result: SfmResult, folder: Path) -> None:
    """Write a model and what is known of it into an empty folder of the cache."""
    result.model.write_binary(folder)
    notes = {
        "warnings": result.warnings,
        "left_out": [(photo.name, photo.reason) for photo in result.left_out],
        "advice": result.advice,
        "pycolmap": pycolmap.__version__,
    }
    (folder / NOTES).write_text(json.dumps(notes, ensure_ascii=False, indent=1), encoding="utf-8")
