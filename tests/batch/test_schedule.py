"""The order of work and what becomes of failures, with hands that only pretend."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest

from ilrm_cli.batch import work
from ilrm_cli.batch.crew import HandLost
from ilrm_cli.batch.outcome import Outcome
from ilrm_cli.batch.plan import Job
from ilrm_cli.batch.schedule import carry_out
from ilrm_cli.batch.work import Order, Ready
from ilrm_cli.errors import InputError
from ilrm_cli.progress import Step, ignore
from ilrm_cli.reconstruct import Settings
from ilrm_cli.views import Capture

ORDER = Order(Settings(), "weights", overwrite=False)
JOBS = tuple(Job(name, Path(name), Path("none") / f"{name}.ply") for name in "abcde")


class ThreadHand:
    def __init__(self) -> None:
        self._thread, self.closed = ThreadPoolExecutor(1), False

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        assert not self.closed
        return self._thread.submit(function, *arguments)

    def close(self) -> None:
        self.closed = True


class ThreadCrew:
    def __init__(self, lanes: int):
        self.lanes, self.posers, self.modellers = lanes, list[ThreadHand](), list[ThreadHand]()

    def poser(self, lane: int) -> ThreadHand:
        self.posers.append(ThreadHand())
        return self.posers[-1]

    def modeller(self, lane: int) -> ThreadHand:
        self.modellers.append(ThreadHand())
        return self.modellers[-1]

    def close(self) -> None:
        pass


@pytest.fixture
def pretend(monkeypatch):
    """Replaces the two halves of the work; by default both succeed at once."""

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


def statuses(crew: ThreadCrew) -> dict[str, str]:
    return {outcome.job.name: outcome.status for outcome in carry_out(JOBS, ORDER, crew, ignore)}


@pytest.mark.parametrize("lanes", [1, 2, 7])
def test_every_job_has_one_outcome(pretend, lanes):
    crew = ThreadCrew(lanes)
    assert [o.job for o in sorted(carry_out(JOBS, ORDER, crew, ignore), key=lambda o: o.job.name)] == list(JOBS)
    assert len(crew.posers) <= lanes
    assert len(crew.modellers) == lanes


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
    assert set(statuses(ThreadCrew(1)).values()) == {"ok"}


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
    assert set(statuses(ThreadCrew(1)).values()) == {"ok"}


def test_failures_in_either_half_do_not_stop_the_rest(pretend):
    def pose(job: Job, order: Order) -> Ready | Outcome:
        return Outcome(job, "failed", "no photos") if job.name == "a" else posed(job, order)

    def model(job: Job, ready: Ready, order: Order) -> Outcome:
        return Outcome(job, "failed", "too few") if job.name == "c" else made(job, ready, order)

    pretend(pose=pose, model=model)
    assert statuses(ThreadCrew(1)) == {"a": "failed", "b": "ok", "c": "failed", "d": "ok", "e": "ok"}


def test_a_lost_process_costs_its_folder_and_is_replaced(pretend):
    def pose(job: Job, order: Order) -> Ready:
        if job.name == "b":
            raise HandLost("its process was ended by SIGKILL")
        return posed(job, order)

    def model(job: Job, ready: Ready, order: Order) -> Outcome:
        if job.name == "d":
            raise HandLost("its process was ended by SIGSEGV")
        return made(job, ready, order)

    pretend(pose=pose, model=model)
    crew = ThreadCrew(1)
    assert statuses(crew) == {"a": "ok", "b": "crashed", "c": "ok", "d": "crashed", "e": "ok"}
    assert [hand.closed for hand in crew.posers] == [True, False]
    assert [hand.closed for hand in crew.modellers] == [True, False]


def test_a_model_that_cannot_be_loaded_stops_all(pretend):
    pretend(load=lambda settings: "--device cuda: no CUDA device.")
    with pytest.raises(InputError, match="--device cuda: no CUDA device"):
        statuses(ThreadCrew(1))


def test_no_model_is_loaded_where_all_is_there(pretend, tmp_path):
    pretend(pose=lambda job, order: Outcome(job, "skipped", "there"))
    there = tuple(Job(job.name, job.photos, tmp_path / f"{job.name}.ply") for job in JOBS)
    for job in there:
        job.output.touch()
    crew = ThreadCrew(2)
    assert {o.status for o in carry_out(there, ORDER, crew, ignore)} == {"skipped"}
    assert crew.modellers == []


def test_progress_counts_folders(pretend):
    steps: list[Step] = []
    list(carry_out(JOBS, ORDER, ThreadCrew(1), steps.append))
    assert (steps[-1].stage, steps[-1].done, steps[-1].total) == ("folders", 5, 5)
    assert any("poses of a" in step.note for step in steps)
