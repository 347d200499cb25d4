"""The document of the suite `gpu`: its table, with the paper's figures beside ours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ilrm_cli.bench.markdown import table
from ilrm_cli.bench.study import Case
from ilrm_cli.bench.timing import BenchRow

DOCUMENT = "GPU.md"


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
