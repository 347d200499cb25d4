"""Workers that are actors of a Ray cluster, whose machines see the same files under the same paths.

The cluster is the one that RAY_ADDRESS names or that runs on this machine; without one, an instance on this machine is
started for the duration of the batch.
"""

import logging
import os
import socket
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import chdir
from pathlib import Path
from typing import Any

import ilrm_cli
from ilrm_cli.pipeline.batch.workers import WorkerDied
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.memory import SHARERS
from ilrm_cli.runtime.progress import Step
from ilrm_cli.runtime.signals import sigterm_kept

ANSWER_S = 10.0  # how long to wait for the head of a cluster
PACKAGE_PLACE = Path(ilrm_cli.__file__).parents[1]
PASSED_ON = ("ILRM_CACHE", "OMP_WAIT_POLICY", "NO_COLOR")  # environment variables that workers inherit


class RayPool:
    """Workers on a Ray cluster, each model on a GPU of its own if the cluster has any."""

    def __init__(self, slots: int | None, threads: int, on_gpu: bool):
        """Connect to the cluster or start one; raise InputError if Ray is missing or has too few devices for `slots`.

        `slots`: None means one per GPU, or per machine without GPUs. `threads` is torch's thread count in every worker.
        """
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # send no usage statistics
        try:
            import ray
        except ImportError as error:
            raise InputError("--engine ray needs Ray, which is not installed: pip install 'ilrm[ray]'.") from error
        _check_address(os.environ.get("RAY_ADDRESS", ""))
        with sigterm_kept(), chdir(PACKAGE_PLACE):  # Ray lets workers import from the folder that is the current one
            ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
        self._ray, self._workers = ray, list[RayWorker]()
        resources = ray.cluster_resources()
        gpus, cpus = int(resources.get("GPU", 0)) if on_gpu else 0, int(resources.get("CPU", 0))
        machines = sum(node["Alive"] for node in ray.nodes())
        self.slots = slots or gpus or machines
        most, kind = (gpus, "GPUs") if gpus else (cpus, "CPU cores")
        if self.slots > most:
            ray.shutdown()
            raise InputError(f"--jobs {self.slots} is more than the {most} {kind} of the Ray cluster; ask for fewer.")
        variables = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        variables["OMP_NUM_THREADS"] = str(threads)  # otherwise Ray sets it to its own count of cores
        variables[SHARERS] = "1" if gpus else str(-(-self.slots // machines))
        self._options = {"runtime_env": {"env_vars": variables}, "scheduling_strategy": "SPREAD"}
        self._model_options = self._options | {"num_cpus": 0, "num_gpus": 1 if gpus else 0}

    def pose_worker(self, slot: int) -> "RayWorker":
        return self._worker(self._options | {"num_cpus": 1})

    def model_worker(self, slot: int) -> "RayWorker":
        return self._worker(self._model_options)

    def _worker(self, options: dict[str, Any]) -> "RayWorker":
        self._workers.append(RayWorker(self._ray, options))
        return self._workers[-1]

    def close(self) -> None:
        for worker in self._workers:
            worker.close()
        self._ray.shutdown()


def _check_address(address: str) -> None:
    """Raise InputError if nothing answers at the address, where Ray itself would retry for many minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host:
        return  # no address given, or "auto" or "local"
    try:
        socket.create_connection((host, int(port)), ANSWER_S).close()
    except (OSError, ValueError) as error:
        raise InputError(f"RAY_ADDRESS={address}: no Ray cluster answers there ({error}); correct it.") from error


class RayWorker:
    """An actor that calls functions for this process, one at a time, and tells no steps of theirs."""

    latest: Step | None = None

    def __init__(self, ray: Any, options: dict[str, Any]):
        self._ray = ray
        self._actor = ray.remote(_Actor).options(**options).remote(os.getcwd())

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        answer: Future[Any] = Future()
        remote = self._actor.call.remote(function, arguments)
        remote.future().add_done_callback(lambda done: self._pass_on(done, answer))
        return answer

    def _pass_on(self, done: Future[Any], answer: Future[Any]) -> None:
        error = done.exception()
        if isinstance(error, self._ray.exceptions.RayActorError):
            answer.set_exception(WorkerDied(f"its process was lost ({str(error).splitlines()[0]})"))
        elif error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(done.result())

    def close(self) -> None:
        self._ray.kill(self._actor)


class _Actor:
    """The actor's side of a RayWorker, run on the cluster."""

    def __init__(self, folder: str):
        os.chdir(folder)  # relative paths mean the same there as here

    def call(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        return function(*arguments)
