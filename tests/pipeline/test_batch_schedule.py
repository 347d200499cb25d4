"""Tests of the order of work and of the handling of failures, with workers that only pretend."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest

from ilrm_cli.geometry.views import Capture
from ilrm_cli.pipeline.batch import run, work
from ilrm_cli.pipeline.batch.jobs import Job, Outcome
from ilrm_cli.pipeline.batch.run import run_jobs
from ilrm_cli.pipeline.batch.work import Order, Ready
from ilrm_cli.pipeline.batch.workers import WorkerDied
from ilrm_cli.pipeline.settings import Settings
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.progress import Step, ignore

ORDER = Order(Settings(), "weights", overwrite=False)
JOBS = tuple(Job(name, Path(name), Path("none") / f"{name}.ply") for name in "abcde")


class ThreadWorker:
    def __init__(self) -> None:
        self._thread, self.closed = ThreadPoolExecutor(1), False
        self.latest: Step | None = None

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        assert not self.closed
        return self._thread.submit(function, *arguments)

    def close(self) -> None:
        self.closed = True


class ThreadPool:
    def __init__(self, slots: int):
        self.slots, self.pose_workers, self.model_workers = slots, list[ThreadWorker](), list[ThreadWorker]()

    def pose_worker(self, slot: int) -> ThreadWorker:
        self.pose_workers.append(ThreadWorker())
        return self.pose_workers[-1]

    def model_worker(self, slot: int) -> ThreadWorker:
        self.model_workers.append(ThreadWorker())
        return self.model_workers[-1]

    def close(self) -> None:
        pass


@pytest.fixture
def pretend(monkeypatch):
    """Replace the two halves of the work; by default both succeed at once."""

    def replace(pose=posed, model=made, load=lambda settings: None) -> None:
        monkeypatch.setattr(work, "pose", pose)
        monkeypatch.setattr(work, "reconstruct", model)
        monkeypatch.setattr(work, "load_model_once", load)

    replace()
    return replace


def posed(job: Job, order: Order) -> Ready:
    return Ready(Capture((), 0, "colmap", np.zeros((0, 3))), job.name, 0.0)


def made(job: Job, ready: Ready, order: Order) -> Outcome:
    assert ready.inputs_sha256 == job.name  # each with its own poses
    return Outcome(job, "ok", "made")


def statuses(pool: ThreadPool) -> dict[str, str]:
    return {outcome.job.name: outcome.status for outcome in run_jobs(JOBS, ORDER, pool, ignore)}


@pytest.mark.parametrize("slots", [1, 2, 7])
def test_every_job_has_one_outcome(pretend, slots):
    pool = ThreadPool(slots)
    assert [o.job for o in sorted(run_jobs(JOBS, ORDER, pool, ignore), key=lambda o: o.job.name)] == list(JOBS)
    assert len(pool.pose_workers) <= slots
    assert len(pool.model_workers) == slots


def test_poses_of_the_next_are_found_while_the_model_works_on_this_one(pretend):
    next_posed = Event()

    def pose(job: Job, order: Order) -> Ready:
        if job.name == "b":
            next_posed.set()
        return posed(job, order)

    def model(job: Job, ready: Ready, order: Order) -> Outcome:
        assert next_posed.wait(10)
        return made(job, ready, order)

    pretend(pose=pose, model=model)
    assert set(statuses(ThreadPool(1)).values()) == {"ok"}


def test_poses_run_at_most_two_folders_ahead(pretend):
    found, begun = [], []

    def pose(job: Job, order: Order) -> Ready:
        found.append(job.name)
        return posed(job, order)

    def model(job: Job, ready: Ready, order: Order) -> Outcome:
        begun.append(job.name)
        assert len(found) <= len(begun) + 2
        return made(job, ready, order)

    pretend(pose=pose, model=model)
    assert set(statuses(ThreadPool(1)).values()) == {"ok"}


def test_failures_in_either_half_do_not_stop_the_rest(pretend):
    def pose(job: Job, order: Order) -> Ready | Outcome:
        return Outcome(job, "failed", "no photos") if job.name == "a" else posed(job, order)

    def model(job: Job, ready: Ready, order: Order) -> Outcome:
        return Outcome(job, "failed", "too few") if job.name == "c" else made(job, ready, order)

    pretend(pose=pose, model=model)
    assert statuses(ThreadPool(1)) == {"a": "failed", "b": "ok", "c": "failed", "d": "ok", "e": "ok"}


def test_a_lost_process_costs_its_folder_and_is_replaced(pretend):
    def pose(job: Job, order: Order) -> Ready:
        if job.name == "b":
            raise WorkerDied("its process was ended by SIGKILL")
        return posed(job, order)

    def model(job: Job, ready: Ready, order: Order) -> Outcome:
        if job.name == "d":
            raise WorkerDied("its process was ended by SIGSEGV")
        return made(job, ready, order)

    pretend(pose=pose, model=model)
    pool = ThreadPool(1)
    assert statuses(pool) == {"a": "ok", "b": "crashed", "c": "ok", "d": "crashed", "e": "ok"}
    assert [worker.closed for worker in pool.pose_workers] == [True, False]
    assert [worker.closed for worker in pool.model_workers] == [True, False]


def test_a_model_that_cannot_be_loaded_stops_all(pretend):
    pretend(load=lambda settings: "--device cuda: no CUDA device.")
    with pytest.raises(InputError, match="--device cuda: no CUDA device"):
        statuses(ThreadPool(1))


def test_no_model_is_loaded_where_all_is_there(pretend, tmp_path):
    pretend(pose=lambda job, order: Outcome(job, "skipped", "there"))
    there = tuple(Job(job.name, job.photos, tmp_path / f"{job.name}.ply") for job in JOBS)
    for job in there:
        job.output.touch()
    pool = ThreadPool(2)
    assert {o.status for o in run_jobs(there, ORDER, pool, ignore)} == {"skipped"}
    assert pool.model_workers == []


def test_each_folder_shows_what_is_done_in_it_and_ends_with_its_outcome(pretend, monkeypatch):
    monkeypatch.setattr(run, "LOOK_S", 0.01)
    seen, pool = Event(), ThreadPool(1)

    def pose(job: Job, order: Order) -> Ready | Outcome:
        pool.pose_workers[0].latest = Step("matching", 28, 28)
        assert job.name != "a" or seen.wait(10)
        return Outcome(job, "failed", "no photos")

    def report(step: Step) -> None:
        told.append(step)
        if step.stage == "a":
            seen.set()

    told: list[Step] = []
    pretend(pose=pose)
    list(run.run_jobs(JOBS[:1], ORDER, pool, report))
    assert {step for step in told if step.stage == "a"} == {Step("a", 27, 28, "matching"), Step("a", 1, 1, "failed")}


def test_progress_counts_folders(pretend):
    steps: list[Step] = []
    list(run_jobs(JOBS, ORDER, ThreadPool(1), steps.append))
    assert (steps[-1].stage, steps[-1].done, steps[-1].total) == ("folders", 5, 5)
    assert any("poses of a" in step.note for step in steps)
