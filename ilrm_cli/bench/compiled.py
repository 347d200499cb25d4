"""The suite `compiled`: passes with compiled update layers relative to the same passes without; see `ilrm.compiled`.

The full-size model has random weights: speed does not depend on them.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from ilrm_cli.bench.figures import Findings
from ilrm_cli.bench.model import DEPTHS, largest_difference, noise_views
from ilrm_cli.bench.scaling_study import Case
from ilrm_cli.bench.timing import ROUNDS, BenchRow, Job, Unit, measure
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.views import Views
from ilrm_cli.models.checkpoint import load_model
from ilrm_cli.models.ilrm.config import PRESETS
from ilrm_cli.models.ilrm.model import Ilrm, require_ilrm
from ilrm_cli.models.layers.passes import Chunks
from ilrm_cli.models.memory_plan import fit_to_memory
from ilrm_cli.runtime.devices import resolve_device, resolve_precision
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.progress import Report, ignore

PLAIN = "the same pass, not compiled"
CASES = {"cpu": (Case(8, 256, 256),), "cuda": (Case(8, 256, 256), Case(24, 448, 256), Case(32, 960, 544))}


def compiled_suite(*, rounds: int = ROUNDS, report: Report = ignore) -> Findings:
    """Return one row per model and size. Raises `InputError` where PyTorch's compiler does not work."""
    device = resolve_device("auto")
    default = require_ilrm(load_model("default").model)
    models = {"default model": default, "full-size model": Ilrm(PRESETS["dl3dv"].config).eval()}
    rows: list[BenchRow] = []
    details: dict[str, Any] = {"compiling_s": {}, "largest_difference": {}, "refused": {}}
    for name, plain in models.items():
        plain.to(device).precision = resolve_precision("auto", device)
        begin = time.perf_counter()
        compiled = compiled_twin(plain, report)
        details["compiling_s"][name] = time.perf_counter() - begin
        for case in CASES[device.type]:
            views, words = noise_views(case.views, case.width, case.height, device), f"{name}, {case}"
            try:
                chunks = fit_to_memory(compiled, views).chunks
                fast, slow = (partial(_pass, model, views, chunks) for model in (compiled, plain))
                rows += _rows(words, fast, slow, device, rounds, report)
                details["largest_difference"][words] = largest_difference(fast(), slow())
            except (InputError, torch.OutOfMemoryError) as refusal:  # continue with the other sizes
                details["refused"][words] = str(refusal)
    return Findings(tuple(rows), details)


def compiled_twin(model: Ilrm, report: Report = ignore) -> Ilrm:
    """Return a model with compiled layers that shares the weights of `model`."""
    with torch.device("meta"):
        twin = Ilrm(model.config)
    twin.load_state_dict(model.state_dict(), assign=True)
    twin.eval().precision = model.precision
    twin.compile_layers(report)
    return twin


def _rows(
    words: str,
    compiled: Callable[[], Gaussians],
    plain: Callable[[], Gaussians],
    device: torch.device,
    rounds: int,
    report: Report,
) -> list[BenchRow]:
    jobs = {words: Job(compiled, unit=Unit(PLAIN, plain))}
    return measure(jobs, rounds=rounds, report=report, device=device)


@torch.no_grad()
def _pass(model: Ilrm, views: Views, chunks: Chunks) -> Gaussians:
    return model([views], [DEPTHS], chunks=chunks)[0]
