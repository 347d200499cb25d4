"""A batch, from its jobs to their outcomes: the poses of the next folders are computed while the model is at work."""

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from typing import Any, Literal

import torch

from ilrm_cli.capture.photos.folder import check_views
from ilrm_cli.models.registry import weights_file
from ilrm_cli.pipeline.batch import work
from ilrm_cli.pipeline.batch.jobs import Job, Outcome, check_model
from ilrm_cli.pipeline.batch.ray_workers import RayPool
from ilrm_cli.pipeline.batch.work import Order, Ready
from ilrm_cli.pipeline.batch.workers import LocalPool, Worker, WorkerDied, WorkerPool
from ilrm_cli.pipeline.settings import Settings
from ilrm_cli.runtime.cache import sha256_of
from ilrm_cli.runtime.devices import resolve_device
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.files import sweep
from ilrm_cli.runtime.progress import Report, Step, ignore

LOOK_S = 0.5  # between two looks at what workers do

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
    check_model(batch.settings.model)
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


@dataclass(frozen=True)
class Task:
    """The task that a worker is doing."""

    slot: int
    worker: Worker
    job: Job | None  # None: loading the model


def run_jobs(jobs: Sequence[Job], order: Order, pool: WorkerPool, report: Report) -> Iterator[Outcome]:
    """Yield the outcome of every job as it ends. Raises InputError if the model cannot be loaded."""
    scheduler = _Scheduler(pool, order)
    todo, done, begun = deque(jobs), 0, set[str]()
    if any(not job.output.exists() for job in jobs):
        scheduler.start_model_workers()  # otherwise all scenes may exist already and no model is needed
    while todo or scheduler.busy:
        while todo and scheduler.wants_poses:
            scheduler.start_poses(todo.popleft())
        scheduler.start_scenes()
        report(Step("folders", done, len(jobs), scheduler.said()))
        for step in scheduler.steps():
            begun.add(step.stage)
            report(step)
        for outcome in scheduler.wait():
            done += 1
            if outcome.job.name in begun:
                report(Step(outcome.job.name, 1, 1, outcome.status))
            report(Step("folders", done, len(jobs), scheduler.said()))
            yield outcome


class _Scheduler:
    """The scheduler's state: the workers, their tasks, and the jobs that wait for the model."""

    def __init__(self, pool: WorkerPool, order: Order):
        self._pool, self._order = pool, order
        self._pose_workers: deque[tuple[int, Worker]] = deque()  # idle
        self._model_workers: deque[tuple[int, Worker]] = deque()  # idle, model loaded
        self._unstarted_pose_workers, self._unstarted_model_workers = deque(range(pool.slots)), deque(range(pool.slots))
        self._posing: dict[Future[Any], Task] = {}
        self._modelling: dict[Future[Any], Task] = {}
        self._ready: deque[tuple[Job, Ready]] = deque()

    @property
    def busy(self) -> bool:
        return bool(self._ready or any(task.job for task in (*self._posing.values(), *self._modelling.values())))

    @property
    def wants_poses(self) -> bool:
        """True while a worker is free and less than one job per slot is waiting for the model."""
        return len(self._posing) + len(self._ready) < 2 * self._pool.slots and len(self._posing) < self._pool.slots

    def start_poses(self, job: Job) -> None:
        if not self._pose_workers:
            slot = self._unstarted_pose_workers.popleft()
            self._pose_workers.append((slot, self._pool.pose_worker(slot)))
        slot, worker = self._pose_workers.popleft()
        self._posing[worker.submit(work.pose, job, self._order)] = Task(slot, worker, job)

    def start_model_workers(self) -> None:
        """Start loading the model in every slot that has not done so."""
        while self._unstarted_model_workers:
            slot = self._unstarted_model_workers.popleft()
            worker = self._pool.model_worker(slot)
            self._modelling[worker.submit(work.load_model_once, self._order.settings)] = Task(slot, worker, None)

    def start_scenes(self) -> None:
        if self._ready:
            self.start_model_workers()
        while self._ready and self._model_workers:
            (job, ready), (slot, worker) = self._ready.popleft(), self._model_workers.popleft()
            self._modelling[worker.submit(work.reconstruct, job, ready, self._order)] = Task(slot, worker, job)

    def wait(self) -> Iterator[Outcome]:
        """Wait until a task ends, but no longer than LOOK_S; yield the outcomes of the jobs that ended with it."""
        ended, _ = wait([*self._posing, *self._modelling], LOOK_S, return_when=FIRST_COMPLETED)
        for future in ended:
            if future in self._posing:
                yield from self._posed(self._posing.pop(future), future)
            else:
                yield from self._modelled(self._modelling.pop(future), future)

    def _posed(self, task: Task, future: Future[Any]) -> Iterator[Outcome]:
        assert task.job is not None, "pose workers load nothing"
        try:
            result = future.result()
        except WorkerDied as lost:
            task.worker.close()
            self._unstarted_pose_workers.append(task.slot)
            yield _lost(task.job, "camera poses", lost)
            return
        self._pose_workers.append((task.slot, task.worker))
        if isinstance(result, Ready):
            self._ready.append((task.job, result))
        else:
            yield result

    def _modelled(self, task: Task, future: Future[Any]) -> Iterator[Outcome]:
        try:
            result = future.result()
        except WorkerDied as lost:
            if task.job is None:
                raise InputError(f"the model could not be loaded: {lost}.") from lost
            result = _lost(task.job, "the model", lost)
        if task.job is None and result is not None:
            raise InputError(result)
        if isinstance(result, Outcome) and result.status == "crashed":
            task.worker.close()  # a process, or a GPU's context, cannot be trusted after a bug
            self._unstarted_model_workers.append(task.slot)
        else:
            self._model_workers.append((task.slot, task.worker))
        if isinstance(result, Outcome):
            yield result

    def steps(self) -> Iterator[Step]:
        """Yield how far each folder is that is worked on: its name as the stage, and beside it what is done there.

        No folder is at its end before its outcome is known.
        """
        for task in (*self._posing.values(), *self._modelling.values()):
            if task.job and (step := task.worker.latest):
                done = step.done if step.total is None else min(step.done, step.total - 1)
                yield Step(task.job.name, done, step.total, step.stage)

    def said(self) -> str:
        """Describe the tasks under way."""
        poses = ", ".join(task.job.name for task in self._posing.values() if task.job)
        scenes = ", ".join(task.job.name for task in self._modelling.values() if task.job)
        loading = any(task.job is None for task in self._modelling.values())
        parts = (f"poses of {poses}" if poses else "", f"scene of {scenes}" if scenes else "")
        return "; ".join(part for part in (*parts, "loading the model" if loading and not poses else "") if part)


def _lost(job: Job, doing: str, lost: WorkerDied) -> Outcome:
    return Outcome(job, "crashed", f"While it worked on {doing}, {lost}; run the same command again to try once more.")
