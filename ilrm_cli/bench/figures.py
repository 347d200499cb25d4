"""The results of suites as JSON, Markdown tables and charts.

Charts are lines over two logarithmic axes, and bars with limits, drawn with matplotlib and encoded as PNG.
"""

import io
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ilrm_cli.bench.timing import BenchRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

JSON_NAME = "bench.json"

DENSITY = 200  # pixels per inch
WIDTH, HEIGHT = 7.2, 4.2  # of a line chart, inches
BAR_WIDTH, BAR_HEIGHT, TITLE_HEIGHT = 7.2, 0.26, 0.5  # of a bar chart and its rows, inches; words stand beside it
COLORS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#888888")  # safe if colour-blind (Tol)
INK, FAINT = "#222222", "#dddddd"


@dataclass(frozen=True)
class Findings:
    """The result of one suite."""

    rows: tuple[BenchRow, ...]
    details: Mapping[str, Any] = field(default_factory=dict)  # more figures, as JSON values
    # Texts to be kept, and charts, which are drawn if they are kept: name -> content.
    files: Mapping[str, bytes | Callable[[], bytes]] = field(default_factory=dict)
    words: tuple[str, ...] = ()  # to be shown below the rows

    def as_json(self) -> dict[str, Any]:
        return {"rows": [row.as_json() for row in self.rows], **self.details}


def encoded(found: Mapping[str, Findings], machine: Mapping[str, Any]) -> dict[str, bytes]:
    """Return every file of a run: the figures of all suites as JSON, and each suite's charts and documents."""
    content = {"machine": dict(machine), "suites": {name: findings.as_json() for name, findings in found.items()}}
    files = {JSON_NAME: (json.dumps(content, indent=2, allow_nan=False) + "\n").encode()}
    for name, findings in found.items():
        files |= {f"{name}.png": bar_chart(f"Suite {name}: ratios, with strokes at their limits", findings.rows)}
        files |= {name: content() if callable(content) else content for name, content in findings.files.items()}
    return files


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Format a Markdown table, without a line break at the end."""
    lines = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


@dataclass(frozen=True)
class Line:
    """A line through points with both coordinates above 0; those after the first `measured` are predictions."""

    name: str
    points: tuple[tuple[float, float], ...]
    measured: int | None = None  # None: all


def line_chart(title: str, x_name: str, y_name: str, lines: Sequence[Line]) -> bytes:
    """Draw lines over logarithmic axes, solid where measured and dashed where predicted; return a PNG."""
    figure, axes = _canvas(WIDTH, HEIGHT, title)
    axes.set(xscale="log", yscale="log", xlabel=x_name, ylabel=y_name)
    for line, color in sorted(zip(lines, COLORS * len(lines), strict=False), key=lambda pair: -pair[0].points[-1][1]):
        measured = len(line.points) if line.measured is None else line.measured
        x, y = zip(*line.points, strict=True)
        axes.plot(x, y, "--", color=color, label=None if measured else line.name)
        if measured:
            axes.plot(x[:measured], y[:measured], "-o", color=color, label=line.name, markersize=4)
    places = [point for line in lines for point in line.points]
    columns = sorted({x for x, _ in places})
    axes.set_xticks(columns, [f"{x:g}" for x in columns])
    axes.set_xticks([], minor=True)
    axes.set_ylim(*_decades([y for _, y in places]))
    axes.yaxis.set_major_formatter(lambda y, _: f"{y:,.10g}")
    axes.grid(color=FAINT)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    return _png(figure)


def bar_chart(title: str, rows: Sequence[BenchRow]) -> bytes:
    """Draw ratios as bars, each with its limit as a stroke and its unit in words; return a PNG."""
    figure, axes = _canvas(BAR_WIDTH, TITLE_HEIGHT + BAR_HEIGHT * len(rows), title)
    axes.barh(range(len(rows)), [row.ratio for row in rows], color=[COLORS[0 if row.passed else 1] for row in rows])
    for number, row in enumerate(rows):
        if row.limit is not None:
            axes.vlines(row.limit, number - 0.5, number + 0.5, INK)
        end = max(row.ratio, row.limit or 0)
        words = f"{row.ratio:.2f} times {row.unit}"
        axes.annotate(words, (end, number), (4, 0), textcoords="offset points", verticalalignment="center")
    axes.set_yticks(range(len(rows)), [row.name for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xticks([])
    axes.spines[:].set_visible(False)
    return _png(figure)


def _canvas(width: float, height: float, title: str) -> "tuple[Figure, Axes]":
    from matplotlib.figure import Figure

    figure = Figure((width, height), dpi=DENSITY)
    axes = figure.subplots()
    axes.set_title(title, loc="left", fontsize="medium")
    return figure, axes


def _decades(values: Sequence[float]) -> tuple[float, float]:
    """Return the powers of ten that enclose the values."""
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return 10.0**low, 10.0 ** max(high, low + 1)


def _png(figure: "Figure") -> bytes:
    """Encode as PNG, as wide as what is written beside the axes needs."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", bbox_inches="tight", pil_kwargs={"optimize": True})
    return buffer.getvalue()
