"""The document of the scaling study, with its tables and charts.

One section tells the measured losses of approximate attention on photos. The suite `quality` measures the same on the
sample scene; these scenes are not part of the repository, so their figures are constants here.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from ilrm_cli.bench.figures import Line, line_chart, table
from ilrm_cli.bench.scaling_study import (
    PARTS,
    Case,
    Measured,
    Predicted,
    Study,
    exponent,
    grouped_flops,
    summarised_flops,
    takeover_views,
)

MANY_VIEWS = 1000  # for which groups are compared
GROUPS = (8, 16, 32, 64)  # views that attend to each other
SUMMARY_GROUP, SUMMARISED = 16, 16  # views per group, and tokens per summary of the other views
DOCUMENT = "SCALING.md"
TIME_VIEWS, TIME_PIXELS = "scaling_time_views.png", "scaling_time_pixels.png"
FLOPS, MEMORY = "scaling_flops.png", "scaling_memory.png"


def scaling_files(study: Study) -> dict[str, bytes | Callable[[], bytes]]:
    """Return the document and its charts, which are drawn when they are called: name -> content."""
    return {
        DOCUMENT: _document(study).encode(),
        TIME_VIEWS: partial(_over_views, study),
        TIME_PIXELS: partial(_over_pixels, study),
        FLOPS: partial(_flops, study),
        MEMORY: partial(_memory, study),
    }


def _document(study: Study) -> str:
    sections = (_introduction, _measured, _exponents, _predicted, _takeover, _groups)
    return "\n\n".join([*(section(study) for section in sections), losses()]) + "\n"


def _introduction(study: Study) -> str:
    return f"""# How the cost of a pass grows

Written by `ilrm bench scaling` on {"a GPU" if study.device == "cuda" else "a CPU"} in {study.precision}. The model is
the published `dl3dv` with random weights; one of its {study.config.layers} layers was run and counted as often, as all
are alike. Charts are solid where a pass was run and dashed where it is predicted: from the operations of each part
(`models/cost/flops.py`) at the rate measured at the largest size, and from the memory planner
(`models/cost/footprint.py`)."""


def _measured(study: Study) -> str:
    limits = ("of matmul rate", "of bandwidth")
    columns = ("views", "size", "seconds", "TFLOP", *limits, "memory GB", "planned GB", *PARTS, "rest")
    return f"""## Measured

{table(columns, (_measured_row(m) for m in study.measured))}

Parts in percent of the time. The rate is that of the machine's own large matrix product in the same precision, the
bandwidth that of copying a large tensor, both measured around each pass; the bytes that have to be moved are those of
operands and results, each once. The shortest of some passes counts, and the shortest of the products and copies beside
them, each apart, as other work only makes them longer: it finds a long pass more surely than a short product, so that
shares measured beside other work are too low. Seconds are then scaled to the median rate of the run, since the clock
changes too. Memory is what a pass holds beside weights and photos.

![Time over views]({TIME_VIEWS})
![Time over pixels]({TIME_PIXELS})"""


def _exponents(study: Study) -> str:
    return f"""## Exponents

Time grows as views, or pixels of a view, to the powers below. Measured ones have differed by 0.2 for the whole pass and
by up to 0.3 for its parts between two runs beside other work; those predicted follow from operations alone.

{table(("part", "views", "pixels", "views, predicted from 128 to 256"), _exponent_rows(study))}

Cross attention reads each view by itself: linear in views, and quadratic in the pixels of a view as far as attention
outweighs its projections. Self attention is quadratic in both, as far as it outweighs its own projections."""


def _predicted(study: Study) -> str:
    columns = ("views", "size", "seconds", "TFLOP", "joint attention, TFLOP", "times ours", "memory GB")
    return f"""## Predicted

{table(columns, (_predicted_row(p) for p in study.predicted))}

Joint attention is the variant of the same size in which image and viewpoint tokens of all views attend to each other,
two blocks for each layer.

![Operations over views]({FLOPS})
![Memory over views]({MEMORY})"""


def _takeover(study: Study) -> str:
    rows = ([f"{w}x{h}", f"{takeover_views(study.config, w, h):.0f}"] for w, h in _sizes(study))
    return f"""## Where self attention takes over

Of all operations, self attention (without its projections) is more than half from:

{table(("size", "views"), rows)}"""


def _groups(study: Study) -> str:
    columns = ("size", "all views", *(f"groups of {g}" for g in GROUPS), f"groups of {SUMMARY_GROUP} and summaries")
    return f"""## What groups would buy at {MANY_VIEWS:,} views

Self attention only among groups of views, neighbours in one layer and every n-th view in the next, connects any two
views in two layers as long as groups are no smaller than their number. Operations of a whole pass in TFLOP, and how
many times fewer they are:

{table(columns, (_many_views(study, *size) for size in _sizes(study)))}

With summaries every view also attends to all others, to the mean of each {SUMMARISED} tokens."""


def _measured_row(m: Measured) -> list[str]:
    case = m.case
    memory = "" if m.work_bytes is None else f"{m.work_bytes / 1e9:.2f}"
    shares = [f"{m.part_seconds[part] / m.seconds:.0%}" for part in PARTS]
    figures = [f"{m.seconds:.1f}", f"{m.flops / 1e12:.2f}", f"{m.matmul_seconds / m.seconds:.0%}"]
    figures += [f"{m.copy_seconds / m.seconds:.0%}", memory]
    planned = f"{m.planned_bytes / 1e9:.2f}"
    return [
        str(case.views),
        f"{case.width}x{case.height}",
        *figures,
        planned,
        *shares,
        f"{m.rest_seconds / m.seconds:.0%}",
    ]


def _predicted_row(p: Predicted) -> list[str]:
    full, ours = p.full_attention_flops / 1e12, p.flops / 1e12
    figures = [f"{p.seconds:.3g}", f"{ours:.3g}", f"{full:.3g}", f"{full / ours:.1f}", f"{p.planned_bytes / 1e9:.1f}"]
    return [str(p.case.views), f"{p.case.width}x{p.case.height}", *figures]


def _exponent_rows(study: Study) -> Iterable[list[str]]:
    over_views, over_pixels = _series(study)
    last, end = _at(study, 128), _at(study, 256)
    for part in PARTS:
        views = exponent([(m.case.views, m.part_seconds[part]) for m in over_views])
        pixels = exponent([(m.case.pixels, m.part_seconds[part]) for m in over_pixels])
        far = exponent([(p.case.views, p.part_seconds[part]) for p in (last, end)])
        yield [part, f"{views:.2f}", f"{pixels:.2f}", f"{far:.2f}"]
    whole = [exponent([(m.case.views, m.seconds) for m in over_views])]
    whole.append(exponent([(m.case.pixels, m.seconds) for m in over_pixels]))
    whole.append(exponent([(p.case.views, p.seconds) for p in (last, end)]))
    yield ["whole pass", *(f"{power:.2f}" for power in whole)]


def _many_views(study: Study, width: int, height: int) -> list[str]:
    case = Case(MANY_VIEWS, width, height)
    everything = grouped_flops(study.config, case, None)
    row = [f"{width}x{height}", f"{everything / 1e12:,.0f}"]
    for group in GROUPS:
        flops = grouped_flops(study.config, case, group)
        row.append(f"{flops / 1e12:,.0f} ({everything / flops:.1f} times)")
    flops = summarised_flops(study.config, case, SUMMARY_GROUP, SUMMARISED)
    return [*row, f"{flops / 1e12:,.0f} ({everything / flops:.1f} times)"]


def _series(study: Study) -> tuple[list[Measured], list[Measured]]:
    """Return the measurements over views at the smallest size, and over sizes with the fewest views."""
    smallest = min(m.case.width * m.case.height for m in study.measured)
    fewest = min(m.case.views for m in study.measured)
    over_views = [m for m in study.measured if m.case.width * m.case.height == smallest]
    return over_views, [m for m in study.measured if m.case.views == fewest]


def _sizes(study: Study) -> list[tuple[int, int]]:
    return list(dict.fromkeys((p.case.width, p.case.height) for p in study.predicted))


def _at(study: Study, views: int) -> Predicted:
    """Return the prediction for this number of views at the smallest size."""
    return next(p for p in study.predicted if p.case.views == views)


def _over_views(study: Study) -> bytes:
    over_views, _ = _series(study)
    width, height = _sizes(study)[0]
    beyond = [p for p in study.predicted if (p.case.width, p.case.height) == (width, height)]
    shown: list[Measured | Predicted] = [*over_views]
    shown += [p for p in beyond if p.case.views > over_views[-1].case.views]
    lines = [
        Line(
            part,
            tuple((float(found.case.views), max(found.part_seconds[part], 1e-3)) for found in shown),
            measured=len(over_views),
        )
        for part in PARTS
    ]
    return line_chart(f"Time of a pass over views of {width}x{height}", "views", "seconds", lines)


def _over_pixels(study: Study) -> bytes:
    _, over_pixels = _series(study)
    views = over_pixels[0].case.views
    lines = [Line(part, tuple((_thousands(m), max(m.part_seconds[part], 1e-3)) for m in over_pixels)) for part in PARTS]
    return line_chart(f"Time of a pass over pixels, {views} views", "thousands of pixels in a view", "seconds", lines)


def _thousands(measured: Measured) -> float:
    return round(measured.case.width * measured.case.height / 1000)


def _flops(study: Study) -> bytes:
    width, height = _sizes(study)[-1]
    found = [p for p in study.predicted if (p.case.width, p.case.height) == (width, height)]
    ours = tuple((float(p.case.views), p.flops / 1e12) for p in found)
    joint = tuple((float(p.case.views), p.full_attention_flops / 1e12) for p in found)
    grouped = tuple((float(p.case.views), grouped_flops(study.config, p.case, GROUPS[-2]) / 1e12) for p in found)
    lines = [Line("joint attention", joint, 0), Line("iLRM", ours, 0), Line(f"groups of {GROUPS[-2]}", grouped, 0)]
    return line_chart(f"Operations of a pass over views of {width}x{height}", "views", "TFLOP", lines)


def _memory(study: Study) -> bytes:
    lines = [
        Line(
            f"{width}x{height}",
            tuple(
                (float(p.case.views), p.planned_bytes / 1e9)
                for p in study.predicted
                if (p.case.width, p.case.height) == (width, height)
            ),
            measured=0,
        )
        for width, height in _sizes(study)
    ]
    return line_chart("Memory of a pass, beside weights and photos, at most", "views", "GB", lines)


@dataclass(frozen=True)
class Loss:
    """The loss against exact attention, over the scenes."""

    name: str
    mean_db: float  # of PSNR on held-out photos; negative: worse
    worst_db: float  # the scene that loses most
    moved: str  # largest displacement of a Gaussian's mean, relative to the scene's distance


MEASURED_ON = "2026-11-21"
SCENES = ("fox", "fern", "room", "apple")  # photographed
VIEWS = 12
LOSSES = (
    Loss("fp8 (emulated)", +0.0015, 0.000, "0.02 to 0.05"),
    Loss("groups of 4", -0.017, -0.063, "0.17 to 1.41"),
    Loss("groups of 4, shifted in every other layer", -0.004, -0.031, "0.17 to 1.41"),
    Loss("groups of 4 with summaries", -0.006, -0.020, "0.17 to 1.41"),
)


def losses() -> str:
    """Return the section as Markdown."""
    columns = ("attention", "mean, dB", "worst scene, dB", "means moved by up to")
    rows = ([f.name, f"{f.mean_db:+g}", f"{f.worst_db:+.3f}", f.moved] for f in LOSSES)
    return f"""## What approximations lose

These figures are not of this run: they were found on {MEASURED_ON}, as `ilrm bench quality` finds them on the sample
scene, on {len(SCENES)} photographed scenes ({", ".join(SCENES)}) with {VIEWS} views of each, by the default model
of then, with heads of 32 channels and weights that were not trained for any of it. PSNR on held-out photos against
exact attention, and the largest move of a mean of a Gaussian in the scene's distance (the groups' range is over all
three kinds):

{table(columns, rows)}

FP8 is emulated: queries, keys and values of cross and self attention are rounded to 8 bits (float8_e4m3fn) and
multiplied as before. What it saves is not measured. Twelve views are few: what groups lose at hundreds is not known."""
