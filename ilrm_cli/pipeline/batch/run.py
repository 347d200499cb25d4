"""A batch, from its jobs to their outcomes."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from ilrm_cli.capture.photos.folder import check_views
from ilrm_cli.models.registry import weights_file
from ilrm_cli.pipeline.batch.outcome import Outcome
from ilrm_cli.pipeline.batch.plan import Job
from ilrm_cli.pipeline.batch.ray_workers import RayPool
from ilrm_cli.pipeline.batch.schedule import run_jobs
from ilrm_cli.pipeline.batch.work import Order
from ilrm_cli.pipeline.batch.workers import LocalPool, WorkerPool
from ilrm_cli.pipeline.settings import Settings
from ilrm_cli.runtime.cache import sha256_of
from ilrm_cli.runtime.devices import resolve_device
from ilrm_cli.runtime.files import sweep
from ilrm_cli.runtime.progress import Report, ignore

Engine = Literal["local", "ray"]


@dataclass(frozen=True)
class Batch:
    """The jobs of a batch and the engine that runs them."""

    jobs: tuple[Job, ...]
    settings: Settings  # for every folder, as for a single one
    overwrite: bool = False  # make all scenes anew
    engine: Engine = "local"
    slots: int | None = None  # None: one per GPU, or one; with Ray one per GPU, or per machine of the cluster


def run(batch: Batch, report: Report = ignore) -> Iterator[Outcome]:
    """Yield the outcome of each folder as it ends; a folder that fails does not stop the others.

    The scenes do not depend on the engine or the number of slots. Closing the iterator ends all processes. Raises
    InputError for settings that suit no folder.
    """
    check_views(batch.settings.views)
    order = Order(batch.settings, sha256_of(weights_file(batch.settings.model)), batch.overwrite)
    _sweep(batch.jobs)
    pool = _pool(batch)
    try:
        yield from run_jobs(batch.jobs, order, pool, report)
    finally:
        pool.close()
        _sweep(batch.jobs)


def _pool(batch: Batch) -> WorkerPool:
    # All workers use as many threads as a single one would: sums over threads differ in the last bits with the number
    # of threads, and so would the files.
    if batch.engine == "ray":
        return RayPool(batch.slots, torch.get_num_threads(), on_gpu=batch.settings.device != "cpu")
    gpus = _gpus() if resolve_device(batch.settings.device).type == "cuda" else []
    return LocalPool(batch.slots or len(gpus) or 1, gpus)


def _gpus() -> list[str]:
    """Return the GPUs this process may use, in the notation of CUDA_VISIBLE_DEVICES."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    return named.split(",") if named else [str(index) for index in range(torch.cuda.device_count())]


def _sweep(jobs: Sequence[Job]) -> None:
    """Remove what killed processes left in the output folders."""
    for folder in {job.output.parent for job in jobs}:
        if folder.is_dir():
            sweep(folder)
