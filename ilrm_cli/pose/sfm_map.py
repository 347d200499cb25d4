"""Mapping of matched features to COLMAP models, by two methods."""

from collections.abc import Set
from pathlib import Path

from ilrm_cli.colmap_library import pycolmap
from ilrm_cli.pose.pose_files import MIN_PHOTOS
from ilrm_cli.pose.watching import watched
from ilrm_cli.runtime.progress import Report, Step

EXACT_UP_TO = 60  # photos; single-threaded sums are reproducible to the last bit, and as fast for few photos


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
