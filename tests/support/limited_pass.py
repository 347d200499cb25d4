"""Child process of tests: one layer of the published model within a limited address space.

Arguments: views, side in px, bytes that the pass may take (0: no limit). Prints the bytes planned and those taken.
"""

import dataclasses
import resource
import sys

import torch

from ilrm_cli.bench.model import noise_views
from ilrm_cli.models.ilrm.config import PRESETS
from ilrm_cli.models.ilrm.model import Ilrm
from ilrm_cli.models.memory_plan import fit_to_memory
from ilrm_cli.runtime.memory import PROC, PeakWatch, table_bytes

CPU = torch.device("cpu")


def main(views: int, side: int, allowed: int) -> None:
    model = Ilrm(dataclasses.replace(PRESETS["dl3dv"].config, layers=1)).eval()
    inputs = noise_views(views, side, side, CPU)
    with torch.inference_mode():
        model([noise_views(2, 32, 32, CPU)])  # libraries and threads are there
        if allowed:
            mapped = table_bytes(PROC / "self" / "status")["VmSize"]
            resource.setrlimit(resource.RLIMIT_AS, (mapped + allowed, resource.RLIM_INFINITY))
        plan = fit_to_memory(model, inputs)
        watch = PeakWatch(CPU)
        model([inputs], chunks=plan.chunks)
    taken = watch.peak_bytes()
    sys.stdout.write(f"{plan.needed_bytes} {-1 if taken is None else taken - watch.start_bytes} {plan.chunks.tokens}\n")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
