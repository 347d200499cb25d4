"""A batch from its plan to its outcomes."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from ilrm_cli.batch.cluster import RayCrew
from ilrm_cli.batch.crew import Crew
from ilrm_cli.batch.outcome import Outcome
from ilrm_cli.batch.plan import Job
from ilrm_cli.batch.processes import LocalCrew
from ilrm_cli.batch.schedule import carry_out
from ilrm_cli.batch.work import Order
from ilrm_cli.devices import resolve_device
from ilrm_cli.hashing import sha256_of
from ilrm_cli.io.atomic import remove_leftovers
from ilrm_cli.io.record_place import record_path
from ilrm_cli.model.store import weights_file
from ilrm_cli.photo_place import check_views
from ilrm_cli.progress import Report, ignore
from ilrm_cli.reconstruct import Settings

Engine = Literal["local", "ray"]


@dataclass(frozen=True)
class Batch:
    """What is to be done, by whom."""

    jobs: tuple[Job, ...]
    settings: Settings  # of every folder, as for one
    overwrite: bool = False  # make all scenes anew
    engine: Engine = "local"
    lanes: int | None = None  # workers; None: one for each GPU, or one, or one for each machine of the cluster


def run(batch: Batch, report: Report = ignore) -> Iterator[Outcome]:
    """The outcomes of all folders, as they end; one that fails does not stop the others.

    What is made does not depend on the engine or the number of lanes. A caller that closes the iterator ends all
    processes. Raises InputError for settings that suit no folder.
    """
    check_views(batch.settings.views)
    order = Order(batch.settings, sha256_of(weights_file(batch.settings.model)), batch.overwrite)
    _sweep(batch.jobs)
    crew = _crew(batch)
    try:
        yield from carry_out(batch.jobs, order, crew, report)
    finally:
        crew.close()
        _sweep(batch.jobs)


def _crew(batch: Batch) -> Crew:
    # All hands use as many threads as one alone would: sums over threads differ in the last bits with their number,
    # and so would the files.
    if batch.engine == "ray":
        return RayCrew(batch.lanes, torch.get_num_threads(), on_gpu=batch.settings.device != "cpu")
    gpus = _gpus() if resolve_device(batch.settings.device).type == "cuda" else []
    return LocalCrew(batch.lanes or len(gpus) or 1, gpus)


def _gpus() -> list[str]:
    """The GPUs this process may use, as CUDA_VISIBLE_DEVICES names them."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    return named.split(",") if named else [str(index) for index in range(torch.cuda.device_count())]


def _sweep(jobs: Sequence[Job]) -> None:
    """Remove what killed processes left in the output folders."""
    for path in [file for job in jobs for file in (job.output, record_path(job.output))]:
        if path.parent.is_dir():
            remove_leftovers(path)
