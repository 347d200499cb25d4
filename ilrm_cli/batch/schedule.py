"""Scheduling of a batch: the poses of the next folders are computed while the model reconstructs the current one."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from typing import Any

from ilrm_cli.batch import work
from ilrm_cli.batch.crew import Crew, Hand, HandLost
from ilrm_cli.batch.outcome import Outcome
from ilrm_cli.batch.plan import Job
from ilrm_cli.batch.work import Order, Ready
from ilrm_cli.errors import InputError
from ilrm_cli.progress import Report, Step


@dataclass(frozen=True)
class Task:
    """The task that a worker is doing."""

    lane: int
    hand: Hand
    job: Job | None  # None: loading the model


def carry_out(jobs: Sequence[Job], order: Order, crew: Crew, report: Report) -> Iterator[Outcome]:
    """Yield the outcome of every job as it ends. Raises InputError if the model cannot be loaded."""
    floor = _Floor(crew, order)
    todo, done = deque(jobs), 0
    if any(not job.output.exists() for job in jobs):
        floor.call_modellers()  # otherwise all scenes may exist already and no model is needed
    while todo or floor.busy:
        while todo and floor.wants_poses:
            floor.start_poses(todo.popleft())
        floor.start_models()
        report(Step("folders", done, len(jobs), floor.said()))
        for outcome in floor.wait():
            done += 1
            report(Step("folders", done, len(jobs), floor.said()))
            yield outcome


class _Floor:
    """The scheduler's state: the workers, their tasks, and the jobs that wait for the model."""

    def __init__(self, crew: Crew, order: Order):
        self._crew, self._order = crew, order
        self._posers: deque[tuple[int, Hand]] = deque()  # idle
        self._modellers: deque[tuple[int, Hand]] = deque()  # idle, model loaded
        self._uncalled_posers, self._uncalled_modellers = deque(range(crew.lanes)), deque(range(crew.lanes))
        self._posing: dict[Future[Any], Task] = {}
        self._modelling: dict[Future[Any], Task] = {}
        self._ready: deque[tuple[Job, Ready]] = deque()

    @property
    def busy(self) -> bool:
        return bool(self._ready or any(task.job for task in (*self._posing.values(), *self._modelling.values())))

    @property
    def wants_poses(self) -> bool:
        """True while a worker is free and less than one job per lane is waiting for the model."""
        return len(self._posing) + len(self._ready) < 2 * self._crew.lanes and len(self._posing) < self._crew.lanes

    def start_poses(self, job: Job) -> None:
        if not self._posers:
            lane = self._uncalled_posers.popleft()
            self._posers.append((lane, self._crew.poser(lane)))
        lane, hand = self._posers.popleft()
        self._posing[hand.submit(work.pose, job, self._order)] = Task(lane, hand, job)

    def call_modellers(self) -> None:
        """Start loading the model in every lane that has not done so."""
        while self._uncalled_modellers:
            lane = self._uncalled_modellers.popleft()
            hand = self._crew.modeller(lane)
            self._modelling[hand.submit(work.load_model_once, self._order.settings)] = Task(lane, hand, None)

    def start_models(self) -> None:
        if self._ready:
            self.call_modellers()
        while self._ready and self._modellers:
            (job, ready), (lane, hand) = self._ready.popleft(), self._modellers.popleft()
            self._modelling[hand.submit(work.reconstruct, job, ready, self._order)] = Task(lane, hand, job)

    def wait(self) -> Iterator[Outcome]:
        """Wait until a task ends, then yield the outcomes of the jobs that ended with it."""
        ended, _ = wait([*self._posing, *self._modelling], return_when=FIRST_COMPLETED)
        for future in ended:
            if future in self._posing:
                yield from self._posed(self._posing.pop(future), future)
            else:
                yield from self._modelled(self._modelling.pop(future), future)

    def _posed(self, task: Task, future: Future[Any]) -> Iterator[Outcome]:
        assert task.job is not None, "posers load nothing"
        try:
            result = future.result()
        except HandLost as lost:
            task.hand.close()
            self._uncalled_posers.append(task.lane)
            yield _lost(task.job, "camera poses", lost)
            return
        self._posers.append((task.lane, task.hand))
        if isinstance(result, Ready):
            self._ready.append((task.job, result))
        else:
            yield result

    def _modelled(self, task: Task, future: Future[Any]) -> Iterator[Outcome]:
        try:
            result = future.result()
        except HandLost as lost:
            if task.job is None:
                raise InputError(f"the model could not be loaded: {lost}.") from lost
            result = _lost(task.job, "the model", lost)
        if task.job is None and result is not None:
            raise InputError(result)
        if isinstance(result, Outcome) and result.status == "crashed":
            task.hand.close()  # a process, or a GPU's context, cannot be trusted after a bug
            self._uncalled_modellers.append(task.lane)
        else:
            self._modellers.append((task.lane, task.hand))
        if isinstance(result, Outcome):
            yield result

    def said(self) -> str:
        """Describe the tasks under way."""
        poses = ", ".join(task.job.name for task in self._posing.values() if task.job)
        scenes = ", ".join(task.job.name for task in self._modelling.values() if task.job)
        loading = any(task.job is None for task in self._modelling.values())
        parts = (f"poses of {poses}" if poses else "", f"scene of {scenes}" if scenes else "")
        return "; ".join(part for part in (*parts, "loading the model" if loading and not poses else "") if part)


def _lost(job: Job, doing: str, lost: HandLost) -> Outcome:
    return Outcome(job, "crashed", f"While it worked on {doing}, {lost}; run the same command again to try once more.")
