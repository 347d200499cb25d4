"""The suite `family`: one whole pass of each model that is named, at the size it was trained for.

Beside these, the operations of the full-size backbones over the number of views, see `bench.operations`, and what small
models show of objects, see `bench.objects`.

From views to a clean scene, relative to the pass's own operations at the rate of a large matrix product. All that is
known of a model is its contract, see `models.base`; noise stands in for photos, since speed does not depend on them.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch

from ilrm_cli.bench.figures import Findings
from ilrm_cli.bench.model import DEPTHS, noise_views, whole_pass
from ilrm_cli.bench.objects import VIEWS, Shown, is_shown_objects, shown_objects, shown_table
from ilrm_cli.bench.operations import SIDE_PX, operations, operations_chart, operations_document, operations_table
from ilrm_cli.bench.timing import ROUNDS, Job, matmul_time_of, measure
from ilrm_cli.geometry.transforms import Similarity
from ilrm_cli.geometry.views import Views
from ilrm_cli.models.base import Network, Pass
from ilrm_cli.models.loading import ready_model
from ilrm_cli.models.memory_plan import fit_to_memory
from ilrm_cli.pipeline.prepare import Prepared
from ilrm_cli.pipeline.select_inputs import default_views
from ilrm_cli.runtime.devices import resolve_device
from ilrm_cli.runtime.progress import Report, ignore

OFFERED = 100  # photos among which a model would choose its usual number
SHAPE = (4, 3)  # width to height


def family_suite(*, models: Sequence[str] = ("default",), rounds: int = ROUNDS, report: Report = ignore) -> Findings:
    """Return one row per model. Raises InputError for a model that cannot be loaded, or whose pass does not fit."""
    device = resolve_device("auto")
    jobs, gflop, costs = {}, {}, []
    shown: dict[str, Shown] = {}
    for name in models:
        loaded = ready_model(name, "auto", "auto", compiled=False, gradients=False, report=report)
        job, flops, words = _job(loaded.model, device)
        named = f"{name}, {words}"
        jobs[named], gflop[named] = job, flops / 1e9
        if is_shown_objects(loaded.model.capabilities):
            shown[named] = shown_objects(loaded.model, report)
            costs.append(flops / 1e9)
    compared = operations(report)
    rows = tuple(measure(jobs, rounds=rounds, report=report, device=device))
    details = {
        "gflop": gflop,
        "objects": {name: one.as_json() for name, one in shown.items()},
        "operations": [one.as_json() for one in compared],
    }
    files: dict[str, bytes | Callable[[], bytes]] = {
        "FAMILY.md": operations_document(compared),
        "family_operations.png": lambda: operations_chart(compared),
    }
    below: tuple[str, ...] = (
        f"Operations of one pass at {SIDE_PX} px, in GMAC; in brackets: counted by us with the authors' modules.",
        operations_table(compared),
    )
    if shown:
        below += (f"Unseen objects from {VIEWS} photos each:", shown_table(shown, costs))
    return Findings(rows, details, files, below)


def _job(model: Network, device: torch.device) -> tuple[Job, float, str]:
    """Return the job of one model, the operations of its pass, and the size of the pass in words."""
    views = _usual_views(model, device)
    size = Pass(len(views), views.cameras.height, views.cameras.width, model.precision, device.type)
    flops, chunks = model.cost(size).flops, fit_to_memory(model, views).chunks
    scene = Prepared(views, None, DEPTHS, Similarity.identity())

    def work() -> object:
        with torch.no_grad():
            return whole_pass(model, scene, chunks)

    precision = str(model.precision).removeprefix("torch.")
    words = f"{size.views} views of {size.width}x{size.height}, {precision}"
    return Job(work, unit=matmul_time_of(flops, model.precision, device)), flops, words


def _usual_views(model: Network, device: torch.device) -> Views:
    """Return as many noise views as are usual for the model, in its size."""
    can = model.capabilities
    multiple = can.size_multiple
    width, height = (max(multiple, can.long_side_px * side // SHAPE[0] // multiple * multiple) for side in SHAPE)
    views = noise_views(default_views(can, OFFERED), width, height, device)
    return replace(views, sparse_depth=torch.zeros_like(views.images[:, 0]))
