"""Structure from motion with pycolmap: photos without poses become a COLMAP model."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ilrm_cli.colmap_library import pycolmap
from ilrm_cli.geometry.cameras import Lens
from ilrm_cli.geometry.views import LeftOut
from ilrm_cli.pose.colmap import MESSAGES_FROM
from ilrm_cli.pose.match_graph import MatchGraph, advice_on_overlap
from ilrm_cli.pose.pose_files import MIN_PHOTOS
from ilrm_cli.pose.sfm_database import EXHAUSTIVE_UP_TO, extract, match, read_graph, register, share_cameras
from ilrm_cli.pose.sfm_judge import believable, failure, left_out, rank, shortcomings
from ilrm_cli.pose.sfm_map import global_, incremental
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.progress import Report, ignore

ENOUGH_OF_MANY = 0.8  # share of photos in a model at which no second method is tried, if that takes minutes
# Decimals kept of poses, points and lenses, in a model of some ten units and some thousand pixels. Threads add numbers
# in any order: the last bits differ from run to run, and so would choices based on them.
DECIMALS = 8
GOOD_ERROR_PX = 1.0  # mean reprojection error up to which no second method is tried


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
    seed: int = 0,
    report: Report = ignore,
) -> SfmResult:
    """Estimate poses of photos by SIFT, matching and mapping, everything seeded.

    `files` = file below `folder` -> name of the photo, in shooting order if known; photos in one subfolder share a
    camera. `work` is an empty folder for the database. `masks`, if given, holds a picture `<file>.png` of the same size
    for every file (COLMAP skips files without): no feature is extracted where it is black. `lenses` = file -> known
    lens, for the file's size or a scaled one; it is kept fixed. Up to 60 photos every pair is matched; beyond, each
    with its next 10, those at distances 16, 32, ... and the 8 that look most similar, and 40 evenly spaced ones
    pairwise: a replacement for loop detection, whose vocabulary tree would be a download. Incremental mapping comes
    first; if that leaves photos out (of more than 60, a fifth of them) or fits badly, global mapping follows, and the
    model with more photos is kept. Raises InputError if neither finds a plausible one.
    """
    assert len(files) >= MIN_PHOTOS, f"{len(files)} photos"
    pycolmap.logging.minloglevel = MESSAGES_FROM
    pycolmap.set_random_seed(seed)
    database, names = work / "database.db", list(files)
    register(database, folder, names, lenses or {})
    extract(database, folder, names, masks, report)
    match(database, folder, work / "pairs.txt", names, seed, report)
    graph = replace(read_graph(database, names), names=tuple(files.values()))
    mapped = work / "mapping.db"
    fixed = share_cameras(database, mapped, lenses or {})
    models = _map(mapped, folder, work, graph, fixed, seed, report)
    named = [_rounded(_renamed(model, files)) for model in models]
    advice = advice_on_overlap(graph.joined({image.name for image in named[0].images.values() if image.has_pose}))
    return SfmResult(named[0], tuple(shortcomings(named, graph.names)), left_out(named, graph), advice)


def _map(
    database: Path, folder: Path, work: Path, graph: MatchGraph, fixed: set[int], seed: int, report: Report
) -> list[pycolmap.Reconstruction]:
    """Return the plausible models of the better method, the one with most photos first.

    Photos of several places end in several models without a common photo, and no method would join those.
    """
    count = len(graph.names)
    found = incremental(database, folder, work / "incremental", count, fixed, seed, report)
    models = believable(found)
    enough = ENOUGH_OF_MANY if count > EXHAUSTIVE_UP_TO else 1.0
    placed = [image.image_id for model in models for image in model.images.values() if image.has_pose]
    complete = len(placed) == len(set(placed)) >= enough * count
    if complete and models[0].compute_mean_reprojection_error() <= GOOD_ERROR_PX:
        return models
    others = global_(database, folder, work / "global", count, fixed, seed, report)
    best = max(models, believable(others), key=lambda models: rank(models[0]) if models else (0, 0.0))
    if not best:
        raise InputError(failure([*found, *others], graph))
    return best


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
