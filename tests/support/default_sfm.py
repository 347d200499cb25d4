"""Pycolmap's default pipeline, as its documentation shows it; the reference for ours."""

import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pycolmap


@dataclass(frozen=True)
class Run:
    """Result of one pipeline on one folder."""

    placed: frozenset[str]  # names of the photos in the largest model, relative to the folder
    observations: float  # points seen per placed photo, mean
    error_px: float  # mean reprojection error
    wall_s: float
    cpu_s: float  # of all threads: what other programs on the machine do not change


def timed(work: Callable[[], tuple[frozenset[str], float, float]]) -> Run:
    before, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    placed, observations, error_px = work()
    after, wall_s = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter() - start
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Run(placed, observations, error_px, wall_s, cpu_s)


def run_default(folder: Path) -> Run:
    """Run features, exhaustive matching and incremental mapping with their defaults, on the photos as they are."""

    def work() -> tuple[frozenset[str], float, float]:
        with tempfile.TemporaryDirectory() as temporary:
            database = Path(temporary, "database.db")
            pycolmap.extract_features(database, folder)
            pycolmap.match_exhaustive(database)
            models = pycolmap.incremental_mapping(database, folder, temporary)
        if not models:
            return frozenset(), 0.0, 0.0
        largest = max(models.values(), key=lambda model: model.num_reg_images())
        placed = frozenset(image.name for image in largest.images.values() if image.has_pose)
        observations, error_px = (
            largest.compute_mean_observations_per_reg_image(),
            largest.compute_mean_reprojection_error(),
        )
        return placed, observations, error_px

    return timed(work)


def photo_folders(shared: Path) -> list[Path]:
    return sorted(path for path in (shared / "photos").iterdir() if path.is_dir())


if __name__ == "__main__":  # python -m tests.support.default_sfm FOLDER...: the table, for people
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    pycolmap.logging.minloglevel = 3
    for argument in sys.argv[1:]:
        result = run_default(Path(argument))
        print(  # noqa: T201
            f"{Path(argument).name:20} {len(result.placed):3} placed, {result.observations:6.0f} points per photo, "
            f"{result.error_px:.2f} px, {result.wall_s:.1f} s wall, {result.cpu_s:.1f} s CPU",
            flush=True,
        )
