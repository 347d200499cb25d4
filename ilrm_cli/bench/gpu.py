"""The suite `gpu`: one pass of the full-size model at the paper's sizes, and a comparison of both rasterisers.

The model has random weights: speed does not depend on them. Works on any CUDA device; our limit is for an H200. Its
document has the paper's figures beside ours.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from ilrm_cli.bench.figures import Findings, table
from ilrm_cli.bench.model import noise_views
from ilrm_cli.bench.raster import RASTER_CASES, RasterCase, raster_scene
from ilrm_cli.bench.scaling_study import Case
from ilrm_cli.bench.timing import ROUNDS, BenchRow, Job, matmul_time_of, measure, seconds
from ilrm_cli.models.ilrm.config import PRESETS, IlrmConfig
from ilrm_cli.models.ilrm.model import Ilrm
from ilrm_cli.models.memory_plan import fit_to_memory
from ilrm_cli.render.rasterize import render
from ilrm_cli.runtime.devices import resolve_precision
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.memory import PeakWatch
from ilrm_cli.runtime.progress import Report, ignore

LIMITED_DEVICE = "H200"  # part of the name of the device that the limit applies to
LIMIT_S = {Case(32, 960, 544): 0.40}
AGREEMENT = 1e-3  # mean difference of colours in [0, 1] up to which rasterisers count as equal

DOCUMENT = "GPU.md"


@dataclass(frozen=True)
class PaperCase:
    """A row of the table, with the figures that the paper states for it (None: not stated)."""

    case: Case
    seconds: float | None = None
    memory_gb: float | None = None
    device: str | None = None  # as stated in the paper


CASES = (
    PaperCase(Case(8, 256, 256), 0.028, None, "RTX 4090"),
    PaperCase(Case(6, 448, 256), 0.031, 1.40),
    PaperCase(Case(11, 448, 256), 0.051, 1.59),
    PaperCase(Case(24, 448, 256), 0.123, 2.01),
    PaperCase(Case(12, 960, 512)),
    PaperCase(Case(16, 960, 544), 0.19, None, "H100"),
    PaperCase(Case(32, 960, 544), 0.53, None, "H100"),
    PaperCase(Case(64, 960, 544), 1.66, None, "H100"),
    PaperCase(Case(128, 960, 544), 5.61, None, "H100"),
)


def gpu_suite(*, rounds: int = ROUNDS, report: Report = ignore) -> Findings:
    """Return the table as rows and as a document. Raises `InputError` where there is no CUDA device."""
    if not torch.cuda.is_available():
        raise InputError("the suite gpu needs a CUDA device, and none is available here; run it on a machine with one.")
    device = torch.device("cuda")
    name = torch.cuda.get_device_name(device)
    found = pass_table(PRESETS["dl3dv"].config, CASES, device, name, rounds, report)
    return _with_agreement(found, name, agreement(RASTER_CASES[0], device, rounds))


@dataclass(frozen=True)
class Line:
    """The result of one case."""

    case: Case
    row: BenchRow | None  # None if it was refused
    planned_gb: float | None  # including weights and photos
    paper_seconds: float | None
    paper_gb: float | None
    paper_device: str | None
    refusal: str = ""


def pass_table(
    config: IlrmConfig,
    cases: Sequence[PaperCase],
    device: torch.device,
    name: str,
    rounds: int,
    report: Report = ignore,
) -> list[Line]:
    """Measure each case and return its table line; a case that the planner refuses gets its refusal instead."""
    model = Ilrm(config).eval().to(device)
    model.precision = resolve_precision("auto", device)
    return [_line(model, paper, device, name, rounds, report) for paper in cases]


def _line(model: Ilrm, paper: PaperCase, device: torch.device, name: str, rounds: int, report: Report) -> Line:
    case = paper.case
    views = noise_views(case.views, case.width, case.height, device)
    try:
        plan = fit_to_memory(model, views)
    except InputError as refusal:
        return Line(case, None, None, paper.seconds, paper.memory_gb, paper.device, str(refusal))

    def one_pass() -> object:
        with torch.no_grad():
            return model([views], chunks=plan.chunks)

    watch = PeakWatch(device)  # before the matrices of the unit are allocated
    cold = seconds(one_pass, device)
    peak = watch.peak_bytes()
    limit_s = LIMIT_S.get(case) if LIMITED_DEVICE in name else None
    job = Job(one_pass, unit=matmul_time_of(plan.cost.flops, model.precision, device), limit_s=limit_s)
    (measured,) = measure({str(case): job}, rounds=rounds, report=report, device=device)
    row = replace(measured, peak_gb=None if peak is None else peak / 1e9, cold_seconds=cold)
    return Line(case, row, plan.total_bytes / 1e9, paper.seconds, paper.memory_gb, paper.device)


def agreement(case: RasterCase, device: torch.device, rounds: int) -> tuple[BenchRow, float]:
    """Return the mean difference of both rasterisers' images in multiples of AGREEMENT, and the largest difference."""
    gaussians, camera = raster_scene(case)
    ours = render(gaussians, camera).color
    there = gaussians.to(device)
    theirs = render(there, camera.to(device)).color.cpu()
    (drawn,) = measure({"": Job(lambda: render(there, camera.to(device)))}, rounds=rounds, device=device)
    apart = (ours - theirs).abs()
    name = f"gsplat and our rasteriser apart, {case.gaussians:,} Gaussians at {case.width}x{case.height}"
    unit = f"a mean difference of colours of {AGREEMENT:g}"
    return BenchRow(name, drawn.seconds, unit, float(apart.mean()) / AGREEMENT, 1.0), float(apart.max())


def _with_agreement(lines: Sequence[Line], device_name: str, agreed: tuple[BenchRow, float]) -> Findings:
    row, largest = agreed
    apart = {"mean": row.ratio * AGREEMENT, "largest": largest}
    details: dict[str, Any] = {
        "device": device_name,
        "refused": {str(line.case): line.refusal for line in lines if line.refusal},
        "paper": {str(line.case): line.paper_seconds for line in lines if line.paper_seconds},
        "rasterisers_apart": apart,
    }
    rows = (*(line.row for line in lines if line.row), row)
    return Findings(rows, details, {DOCUMENT: document(device_name, lines, row.name, apart).encode()})


def document(device_name: str, lines: Sequence[Line], compared: str, apart: Mapping[str, float]) -> str:
    """Format the document as Markdown.

    `apart` holds the mean and the largest difference of colours between rasterisers, `compared` says on what.
    """
    columns = ("views", "size", "seconds", "peak GB", "planned GB", "of matmul rate", "cold s", "paper s", "paper GB")
    return "\n".join(
        [
            f"# One pass: {device_name}",
            "",
            "Written by `make gpu-table`. The model is the published `dl3dv` with random weights. The rate is that of "
            "this device's own large matrix product in the same precision; memory includes weights and photos. The "
            "paper's seconds are those of the device that it states.",
            "",
            table(columns, (_cells(line) for line in lines)),
            "",
            *(f"{line.case}: {line.refusal}\n" for line in lines if line.refusal),
            *(_verdict(line.row) for line in lines if line.row and line.row.limit_s is not None),
            f"Difference of colours in [0, 1], {compared}: {apart['mean']:.1e} on average, {apart['largest']:.1e} at "
            "most.",
            "",
        ]
    )


def _cells(line: Line) -> list[str]:
    case = line.case
    if row := line.row:
        found = [f"{row.seconds:.3f}", _figure(row.peak_gb), _figure(line.planned_gb), f"{1 / row.ratio:.0%}"]
        found.append(_figure(row.cold_seconds))
    else:
        found = ["does not fit", "", "", "", ""]
    device = f" ({line.paper_device})" if line.paper_device else ""
    paper = "" if line.paper_seconds is None else f"{line.paper_seconds:g}{device}"
    return [str(case.views), f"{case.width}x{case.height}", *found, paper, _figure(line.paper_gb)]


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _verdict(row: BenchRow) -> str:
    kept = "kept" if row.passed else "exceeded"
    return f"Limit of {row.limit_s:g} s for {row.name}: {kept}, with {row.seconds:.3f} s.\n"
