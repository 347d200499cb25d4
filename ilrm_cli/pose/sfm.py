"""Structure from motion with pycolmap: photos without poses become a COLMAP model."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pycolmap

from ilrm_cli.errors import InputError
from ilrm_cli.pose.colmap import MESSAGES_FROM
from ilrm_cli.pose.sfm_judge import MIN_PHOTOS, believable, rank, shortcomings
from ilrm_cli.progress import Report, Step, ignore

EXHAUSTIVE_UP_TO = 60  # photos; beyond, every pair would take tens of minutes on a laptop
NEIGHBOURS = 10  # photos after each one that are matched in a sequence
LOOP_PHOTOS = 40  # evenly spaced photos of a long sequence that are matched each with each, to close loops
MAX_ERROR_PX = 1.0  # mean reprojection error; a sound model of sharp photos stays well below
ENOUGH = 0.8  # share of photos in a model at which no second method is tried
POLL_S = 0.2  # between looks at the growing database


@dataclass(frozen=True)
class SfmResult:
    """A model whose images bear the names that `solve` was given."""

    model: pycolmap.Reconstruction
    warnings: tuple[str, ...]  # one sentence each: photos left out, other models, weak geometry


def solve(
    folder: Path,
    files: dict[str, str],
    work: Path,
    *,
    masks: Path | None = None,
    seed: int = 0,
    report: Report = ignore,
) -> SfmResult:
    """Poses of photos by SIFT, matching and mapping, everything seeded.

    `files` = file below `folder` -> name of the photo, in the order in which they were taken as far as known; photos
    in one subfolder share a camera. `work` is an empty folder for the database. `masks`, if given, holds a picture
    `<file>.png` of the same size for every file (COLMAP skips those without): no feature is taken where it is black.
    Up to 60 photos every pair is matched; beyond, each with its next 10 and those at distances 16, 32, ..., and 40
    evenly spaced ones each with each in place of loop detection, whose vocabulary tree would be a download.
    Incremental mapping first; if that places less than 80 % of the photos or fits badly, global mapping too, and the
    model with more photos is kept. Raises InputError if neither finds a believable one.
    """
    pycolmap.logging.minloglevel = MESSAGES_FROM
    pycolmap.set_random_seed(seed)
    database = work / "database.db"
    _extract(database, folder, list(files), masks, report)
    _match(database, work / "pairs.txt", list(files), seed, report)
    models = _map(database, folder, work, len(files), seed, report)
    if not models and len(files) < MIN_PHOTOS:
        raise InputError(
            f"{len(files)} photos are too few to find camera positions from; take at least {MIN_PHOTOS} that overlap."
        )
    if not models:
        raise InputError(
            f"No camera positions were found for the {len(files)} photos: they do not overlap enough. "
            "Take more photos, moving sideways a step at a time so that each shows most of what the last one showed."
        )
    named = [_renamed(model, files) for model in models]
    return SfmResult(named[0], tuple(shortcomings(named, list(files.values()))))


def matched_pairs(count: int) -> list[tuple[int, int]]:
    """Which photos (by their place in the sequence) are compared; see `solve`."""
    if count <= EXHAUSTIVE_UP_TO:
        return list(combinations(range(count), 2))
    steps = [*range(1, NEIGHBOURS + 1), *(2**k for k in range(4, count.bit_length()))]
    near = {(i, i + step) for i in range(count) for step in steps if i + step < count}
    spaced = sorted({round(i) for i in np.linspace(0, count - 1, LOOP_PHOTOS)})
    return sorted(near | set(combinations(spaced, 2)))


def _extract(database: Path, folder: Path, names: list[str], masks: Path | None, report: Report) -> None:
    options = pycolmap.ImageReaderOptions()
    if masks is not None:
        options.mask_path = masks

    def run(token: pycolmap.CancellationToken) -> None:
        pycolmap.extract_features(
            database, folder, names, pycolmap.CameraMode.PER_FOLDER, reader_options=options, cancellation_token=token
        )

    def done(reader: pycolmap.Database) -> int:
        return sum(reader.exists_keypoints(image_id) for image_id in range(1, len(names) + 1))

    _watched(run, done, database, Step("features", 0, len(names)), report)


def _match(database: Path, pair_list: Path, names: list[str], seed: int, report: Report) -> None:
    pairs = matched_pairs(len(names))
    pair_list.write_text("".join(f"{names[i]} {names[j]}\n" for i, j in pairs))
    pairing, verification = pycolmap.ImportedPairingOptions(), pycolmap.TwoViewGeometryOptions()
    pairing.match_list_path = pair_list
    verification.ransac.random_seed = seed

    def run(token: pycolmap.CancellationToken) -> None:
        pycolmap.match_image_pairs(
            database, pairing_options=pairing, verification_options=verification, cancellation_token=token
        )

    def done(reader: pycolmap.Database) -> int:
        return reader.num_verified_image_pairs()  # counts pairs that failed, too

    _watched(run, done, database, Step("matching", 0, len(pairs)), report)


def _watched(
    run: Callable[[pycolmap.CancellationToken], None],
    done: Callable[[pycolmap.Database], int],
    database: Path,
    start: Step,
    report: Report,
) -> None:
    """Run pycolmap in a thread (it releases the GIL and has no callback here) and watch its database grow.

    The watching connection is pycolmap's own and opened first. A second SQLite library in the process, as Python's
    sqlite3 is, would drop the file locks of the first one when it closes the file, and crash it.
    """
    assert start.total is not None
    report(start)
    token = pycolmap.CancellationToken()
    with pycolmap.Database.open(database) as reader, ThreadPoolExecutor(1) as pool:
        try:
            running = pool.submit(run, token)
            while wait([running], POLL_S).not_done:
                report(replace(start, done=min(done(reader), start.total)))
            running.result()
        finally:
            token.cancel()  # the user's Ctrl-C ends the thread as well
    report(replace(start, done=start.total))


def _map(
    database: Path, folder: Path, work: Path, count: int, seed: int, report: Report
) -> list[pycolmap.Reconstruction]:
    """The believable models of the better method, the one with most photos first."""
    models = believable(_incremental(database, folder, work / "incremental", count, seed, report), count)
    complete = bool(models) and models[0].num_reg_images() >= ENOUGH * count
    if complete and models[0].compute_mean_reprojection_error() <= MAX_ERROR_PX:
        return models
    others = believable(_global(database, folder, work / "global", count, seed, report), count)
    return max(models, others, key=lambda found: rank(found[0]) if found else (0, 0.0))


def _incremental(
    database: Path, folder: Path, output: Path, count: int, seed: int, report: Report
) -> list[pycolmap.Reconstruction]:
    options = pycolmap.IncrementalPipelineOptions()
    options.random_seed = options.mapper.random_seed = options.triangulation.random_seed = seed
    options.min_model_size = MIN_PHOTOS
    placed = 0

    def one_more() -> None:
        nonlocal placed
        placed += 1
        report(Step("mapping", min(placed, count), count))

    output.mkdir()
    report(Step("mapping", 0, count))
    models = pycolmap.incremental_mapping(
        database, folder, output, options, initial_image_pair_callback=one_more, next_image_callback=one_more
    )
    report(Step("mapping", count, count))
    return list(models.values())


def _global(
    database: Path, folder: Path, output: Path, count: int, seed: int, report: Report
) -> list[pycolmap.Reconstruction]:
    options = pycolmap.GlobalPipelineOptions()
    options.random_seed = options.mapper.random_seed = seed
    output.mkdir()
    report(Step("global mapping", 0, count))
    models = pycolmap.global_mapping(database, folder, output, options)
    report(Step("global mapping", count, count))
    return list(models.values())


def _renamed(model: pycolmap.Reconstruction, files: dict[str, str]) -> pycolmap.Reconstruction:
    for image in model.images.values():
        image.name = files[image.name]
    return model
