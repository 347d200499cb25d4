"""The suite `scaling`: the cost of a pass over 2 to 256 views of 256 to 960 px, measured where it is short.

One update layer of the full-size model with random weights is run and counted twelve times, as all layers are alike.
Beyond the sizes that are run, times follow from the operations of each part at its rate at the largest measured size,
and memory from the planner.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch

from ilrm_cli.bench.figures import Findings
from ilrm_cli.bench.model import noise_views
from ilrm_cli.bench.scaling_document import scaling_files
from ilrm_cli.bench.scaling_study import (
    IN_LAYERS,
    PARTS,
    Case,
    Measured,
    PartName,
    Predicted,
    Study,
    at_one_rate,
    fastest,
    part_flops,
    timed_parts,
)
from ilrm_cli.bench.timing import ROUNDS, BenchRow, Unit, copy_time_of, matmul_time_of, seconds
from ilrm_cli.models.base import Blueprint, Pass
from ilrm_cli.models.cost.flops import forward_stages, full_attention_stages, total_flops
from ilrm_cli.models.ilrm.config import PRESETS, IlrmConfig
from ilrm_cli.models.ilrm.model import ARCHITECTURE, Ilrm
from ilrm_cli.models.memory_plan import PLENTY, Plan, plan
from ilrm_cli.runtime.devices import resolve_device, resolve_precision
from ilrm_cli.runtime.memory import PeakWatch
from ilrm_cli.runtime.progress import Report, Step, ignore

FEW_VIEWS = 2  # at which image sizes are compared
VIEWS_RUN = (2, 4, 8, 16)  # at the smallest image size
SIZES_RUN = ((256, 256), (448, 256), (640, 352), (960, 544))  # (width, height) px, with few views
VIEWS_PREDICTED = (2, 4, 8, 16, 32, 64, 128, 256)
SIZES_PREDICTED = ((256, 256), (448, 256), (960, 544))
MOST_ROUNDS = 3  # passes of each case, of which the shortest counts: each takes seconds
UNIT_TRIES = 3  # runs of the matrix product and of the copy, before and after each pass: they are quick


def scaling_suite(*, rounds: int = ROUNDS, report: Report = ignore) -> Findings:
    """Measure and predict times, memory and operations; the files include the document and its charts."""
    smallest = SIZES_RUN[0]
    cases = [Case(views, *smallest) for views in VIEWS_RUN] + [Case(FEW_VIEWS, *size) for size in SIZES_RUN[1:]]
    study = run_study(PRESETS["dl3dv"].config, cases, min(rounds, MOST_ROUNDS), report)
    rows = tuple(row for measured in study.measured for row in _rows(measured, study))
    return Findings(rows, study.as_json(), scaling_files(study))


def run_study(config: IlrmConfig, cases: Sequence[Case], rounds: int, report: Report = ignore) -> Study:
    """Measure the cases, and predict larger ones from them."""
    device = resolve_device("auto")
    precision = resolve_precision("auto", device)
    model = Ilrm(replace(config, layers=1)).eval().to(device)
    model.precision = precision
    one_byte = copy_time_of(1.0, device)
    one_byte.run()
    found: dict[Case, list[Measured]] = {case: [] for case in cases}
    for done in range(rounds):  # alternate, so that a temporary slowdown does not hit all passes of one case
        for number, case in enumerate(cases):
            found[case].append(_measure(model, config, case, one_byte, device))
            report(Step("scaling", done * len(cases) + number + 1, rounds * len(cases)))
    measured = at_one_rate([fastest(found[case]) for case in cases])
    predicted = [
        _predict(config, Case(views, *size), measured, precision, device)
        for size in SIZES_PREDICTED
        for views in VIEWS_PREDICTED
    ]
    return Study(config, device.type, str(precision).removeprefix("torch."), tuple(measured), tuple(predicted))


def _measure(model: Ilrm, config: IlrmConfig, case: Case, one_byte: Unit, device: torch.device) -> Measured:
    """Time one layer's pass, in the chunks that the planner chooses for the whole model."""
    views = noise_views(case.views, case.width, case.height, device)
    planned = _planned(config, case, model.precision, device)
    stages = forward_stages(config, case.views, case.height, case.width)
    flops, moved = total_flops(stages), sum(stage.moved for stage in stages) * model.precision.itemsize
    unit = matmul_time_of(flops, model.precision, device)

    def shortest(run: Callable[[], object]) -> float:
        return min(seconds(run, device) for _ in range(UNIT_TRIES))

    before, copied = shortest(unit.run), shortest(one_byte.run)
    watch = PeakWatch(device)
    with timed_parts(model, device) as parts, torch.no_grad():
        spent = seconds(lambda: model([views], chunks=planned.chunks), device)
    peak = watch.peak_bytes()
    product_s = unit.amount * min(before, shortest(unit.run))
    copy_s = moved * one_byte.amount * min(copied, shortest(one_byte.run))
    work = None if peak is None else peak - watch.start_bytes
    layers = {part: config.layers if part in IN_LAYERS else 1 for part in PARTS}
    whole = {part: layers[part] * taken for part, taken in parts.seconds.items()}
    rest = spent - sum(parts.seconds.values())
    return Measured(case, sum(whole.values()) + rest, rest, whole, flops, product_s, copy_s, work, planned.needed_bytes)


def _predict(
    config: IlrmConfig, case: Case, measured: Sequence[Measured], precision: torch.dtype, device: torch.device
) -> Predicted:
    """Predict a pass from the operations of each part and that part's rate where most operations were measured."""
    stages = forward_stages(config, case.views, case.height, case.width)
    parts = {part: flops / part_rate(config, measured, part) for part, flops in part_flops(stages).items()}
    largest = max(measured, key=lambda m: m.case.pixels)
    rest = largest.rest_seconds * case.pixels / largest.case.pixels
    full = total_flops(full_attention_stages(config, case.views, case.height, case.width))
    needed = _planned(config, case, precision, device).needed_bytes
    return Predicted(case, sum(parts.values()) + rest, parts, total_flops(stages), full, needed)


def part_rate(config: IlrmConfig, measured: Sequence[Measured], part: PartName) -> float:
    """Return the operations per second of a part, from the case in which it has most of them."""
    counted = [
        (part_flops(forward_stages(config, m.case.views, m.case.height, m.case.width))[part], m) for m in measured
    ]
    flops, case = max(counted, key=lambda pair: pair[0])
    return flops / max(case.part_seconds[part], math.ulp(1.0))


def _planned(config: IlrmConfig, case: Case, precision: torch.dtype, device: torch.device) -> Plan:
    """Return the plan of a pass where memory is no limit."""
    asked = Pass(case.views, case.height, case.width, precision, device.type)
    return plan(Blueprint(ARCHITECTURE, config), asked, PLENTY)


def _rows(measured: Measured, study: Study) -> tuple[BenchRow, BenchRow]:
    """Return rows that compare the pass with both limits of the machine."""
    peak = None if measured.work_bytes is None else measured.work_bytes / 1e9
    name = f"{measured.case}, {study.config.layers} layers from one"
    limits = {
        f"its operations at the {study.precision} matmul rate": measured.matmul_seconds,
        "its numbers at the rate of copying memory": measured.copy_seconds,
    }
    products, copies = (
        BenchRow(name, measured.seconds, unit, measured.seconds / limit, peak_gb=peak) for unit, limit in limits.items()
    )
    return products, copies
