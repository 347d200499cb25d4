"""Training in one process or several (`torchrun --nproc-per-node N ...`): shares and communication."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from ilrm_cli.runtime.threads import usable_cores
from ilrm_cli.train.batches import ALL, Share


@dataclass(frozen=True)
class Group:
    """The processes of a run, as seen from one of them."""

    share: Share
    device: torch.device

    @property
    def leads(self) -> bool:
        """True if this process saves and shows progress."""
        return self.share.rank == 0

    def wrapped(self, model: nn.Module) -> nn.Module:
        """Return the model with gradients averaged over the processes in every backward pass."""
        return model if self.share.processes == 1 else DistributedDataParallel(model)

    def mean(self, values: tuple[float, ...]) -> tuple[float, ...]:
        """Average each number over the processes; all must call it."""
        if self.share.processes == 1:
            return values
        numbers = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.all_reduce(numbers)
        return tuple((numbers / self.share.processes).tolist())

    def any(self, flag: bool) -> bool:
        """Return whether the flag is set in any process; all must call it."""
        return self.mean((float(flag),))[0] > 0


def cores_of_process() -> int:
    """Return the CPU cores per process of the run on this machine; `torchrun` limits torch itself to one thread."""
    return max(1, usable_cores() // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))


@contextmanager
def join(device: torch.device) -> Iterator[Group]:
    """Join the group that `torchrun` started (it sets the environment), or run alone; yield this process's place."""
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    if processes == 1:
        yield Group(ALL, device)
        return
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Group(Share(dist.get_rank(), processes), device)
    finally:
        dist.destroy_process_group()
