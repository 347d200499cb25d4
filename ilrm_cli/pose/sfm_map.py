"""Features and matches to COLMAP models, by two methods."""

from collections.abc import Set
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pycolmap

from ilrm_cli.pose.sfm_database import POLL_S
from ilrm_cli.pose.sfm_judge import MIN_PHOTOS
from ilrm_cli.progress import Report, Step

EXACT_UP_TO = 60  # photos; sums of one thread come out the same to the last bit, and for few photos are as fast


def incremental(
    database: Path, folder: Path, output: Path, count: int, fixed: Set[int], seed: int, report: Report
) -> list[pycolmap.Reconstruction]:
    """COLMAP's mapper: a pair, then photo by photo. Cameras whose ids are in `fixed` keep their parameters."""
    options = pycolmap.IncrementalPipelineOptions()
    options.random_seed = options.mapper.random_seed = options.triangulation.random_seed = seed
    options.min_model_size = MIN_PHOTOS
    options.constant_cameras = set(fixed)
    if count <= EXACT_UP_TO:
        options.num_threads = options.mapper.num_threads = 1
    placed = 0
    token = pycolmap.CancellationToken()

    def one_more() -> None:
        nonlocal placed
        placed += 1

    def run() -> dict[int, pycolmap.Reconstruction]:
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
    report(Step("mapping", 0, count))
    with ThreadPoolExecutor(1) as pool:
        try:
            running = pool.submit(run)
            while wait([running], POLL_S).not_done:
                report(Step("mapping", min(placed, count), count))
            models = running.result()
        finally:
            token.cancel()  # the user's Ctrl-C ends the thread as well
    report(Step("mapping", count, count))
    return list(models.values())


def global_(
    database: Path, folder: Path, output: Path, count: int, fixed: Set[int], seed: int, report: Report
) -> list[pycolmap.Reconstruction]:
    """GLOMAP: all rotations, then all positions. It fixes all cameras or none, and cannot be watched or stopped."""
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
