"""The results of suites as JSON, Markdown tables and charts.

Charts are lines over two logarithmic axes, and bars with limits, drawn with Pillow and encoded as PNG.
"""

import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from ilrm_cli.bench.timing import BenchRow

JSON_NAME = "bench.json"

DENSITY = 2  # pixels of the picture per pixel of the drawing, for dense screens
WIDTH, HEIGHT = 720, 420  # of a line chart
LEFT, RIGHT, TOP, BOTTOM = 64, 150, 40, 44  # margins of the axes; line names are to the right
TEXT_PX, NAME_GAP_PX = 12, 14
COLORS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#888888")  # safe if colour-blind (Tol)
INK, FAINT, PAPER = "#222222", "#dddddd", "#ffffff"
BAR_PX, BAR_STEP_PX = 18, 26  # height of a bar, and distance between bars
BAR_LEFT, BAR_ROOM, UNIT_PX = 420, 240, 400  # left end of bars, length of the longest, room for text after it
DASH_PX = 5  # dash length of the predicted part of a line


@dataclass(frozen=True)
class Findings:
    """The result of one suite."""

    rows: tuple[BenchRow, ...]
    details: Mapping[str, Any] = field(default_factory=dict)  # more figures, as JSON values
    files: Mapping[str, bytes] = field(default_factory=dict)  # charts and texts to be kept: name -> content

    def as_json(self) -> dict[str, Any]:
        return {"rows": [row.as_json() for row in self.rows], **self.details}


def encoded(found: Mapping[str, Findings], machine: Mapping[str, Any]) -> dict[str, bytes]:
    """Return every file of a run: the figures of all suites as JSON, and each suite's charts and documents."""
    content = {"machine": dict(machine), "suites": {name: findings.as_json() for name, findings in found.items()}}
    files = {JSON_NAME: (json.dumps(content, indent=2, allow_nan=False) + "\n").encode()}
    for name, findings in found.items():
        files |= {f"{name}.png": bar_chart(f"Suite {name}: ratios, with strokes at their limits", findings.rows)}
        files |= findings.files
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


@dataclass(frozen=True)
class Span:
    """A logarithmic axis."""

    low: float
    high: float
    start: float  # position of `low` in px of the drawing
    end: float

    def place(self, value: float) -> float:
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return self.start + share * (self.end - self.start)


def line_chart(title: str, x_name: str, y_name: str, lines: Sequence[Line]) -> bytes:
    """Draw lines over logarithmic axes, solid where measured and dashed where predicted; return a PNG."""
    image, draw = _canvas(WIDTH, HEIGHT)
    places = [point for line in lines for point in line.points]
    x = Span(*_bounds([p[0] for p in places]), LEFT, WIDTH - RIGHT)
    y = Span(*_decades([p[1] for p in places]), HEIGHT - BOTTOM, TOP)
    draw.text((LEFT, TOP / 2), title, INK, "lm")
    draw.text(((x.start + x.end) / 2, HEIGHT - BOTTOM / 3), x_name, INK, "mm")
    draw.text((4, TOP / 2), y_name, INK, "lm")
    for value in sorted({p[0] for p in places}):
        draw.line([(x.place(value), y.start), (x.place(value), y.end)], FAINT)
        draw.text((x.place(value), y.start + 12), f"{value:g}", INK, "mm")
    for power in range(round(math.log10(y.low)), round(math.log10(y.high)) + 1):
        draw.line([(x.start, y.place(10.0**power)), (x.end, y.place(10.0**power))], FAINT)
        draw.text((LEFT - 6, y.place(10.0**power)), f"{10.0**power:,.10g}", INK, "rm")
    taken: list[float] = []
    for line, color in sorted(zip(lines, COLORS * len(lines), strict=False), key=lambda pair: -pair[0].points[-1][1]):
        drawn = [(x.place(a), y.place(b)) for a, b in line.points]
        _stroke(draw, drawn, len(drawn) if line.measured is None else line.measured, color)
        below = max(taken[-1] + NAME_GAP_PX, drawn[-1][1]) if taken else drawn[-1][1]
        taken.append(below)
        draw.text((x.end + 8, below), line.name, color, "lm")
    return _png(image)


def bar_chart(title: str, rows: Sequence[BenchRow]) -> bytes:
    """Draw ratios as bars, each with its limit as a stroke and its unit in words; return a PNG."""
    image, draw = _canvas(BAR_LEFT + BAR_ROOM + UNIT_PX, TOP + BAR_STEP_PX * len(rows) + 10)
    longest = max(max(row.ratio, row.limit or 0) for row in rows)
    draw.text((8, TOP / 2), title, INK, "lm")
    for number, row in enumerate(rows):
        top = TOP + BAR_STEP_PX * number
        draw.text((BAR_LEFT - 8, top + BAR_PX / 2), row.name, INK, "rm")
        end = BAR_LEFT + BAR_ROOM * row.ratio / longest
        draw.rectangle([BAR_LEFT, top, end, top + BAR_PX], COLORS[0] if row.passed else COLORS[1])
        stroke = end
        if row.limit is not None:
            stroke = BAR_LEFT + BAR_ROOM * row.limit / longest
            draw.line([(stroke, top - 3), (stroke, top + BAR_PX + 3)], INK, 2)
        draw.text((max(end, stroke) + 6, top + BAR_PX / 2), f"{row.ratio:.2f} times {row.unit}", INK, "lm")
    return _png(image)


class _Scaled:
    """Drawing in px of the drawing, on a picture DENSITY times as dense."""

    def __init__(self, draw: ImageDraw.ImageDraw):
        self._draw, self._font = draw, ImageFont.load_default(DENSITY * TEXT_PX)

    def line(self, points: Sequence[tuple[float, float]], fill: str, width: int = 1) -> None:
        self._draw.line([(DENSITY * x, DENSITY * y) for x, y in points], fill, DENSITY * width)

    def text(self, place: tuple[float, float], words: str, fill: str, anchor: str) -> None:
        self._draw.text((DENSITY * place[0], DENSITY * place[1]), words, fill, self._font, anchor)

    def rectangle(self, box: Sequence[float], fill: str) -> None:
        self._draw.rectangle([DENSITY * side for side in box], fill)

    def dot(self, place: tuple[float, float], fill: str) -> None:
        x, y = place
        self._draw.ellipse([DENSITY * side for side in (x - 3, y - 3, x + 3, y + 3)], fill)


def _canvas(width: int, height: int) -> tuple[Image.Image, _Scaled]:
    image = Image.new("RGB", (DENSITY * width, DENSITY * height), PAPER)
    return image, _Scaled(ImageDraw.Draw(image))


def _stroke(draw: _Scaled, points: Sequence[tuple[float, float]], measured: int, color: str) -> None:
    """Draw dots and a solid line through the measured points, and dashes from there on."""
    for place in points[:measured]:
        draw.dot(place, color)
    if measured > 1:
        draw.line(points[:measured], color, 2)
    onward = points[max(measured - 1, 0) :]
    for start, end in pairwise(onward):
        pieces = max(1, int(math.dist(start, end) / (2 * DASH_PX)))
        step = ((end[0] - start[0]) / pieces, (end[1] - start[1]) / pieces)
        for piece in range(pieces):
            dash = [(start[0] + step[0] * at, start[1] + step[1] * at) for at in (piece, piece + 0.5)]
            draw.line(dash, color, 2)


def _bounds(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    return (low, high) if high > low else (low / 2, low * 2)


def _decades(values: Sequence[float]) -> tuple[float, float]:
    """Return the powers of ten that enclose the values."""
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return 10.0**low, 10.0 ** max(high, low + 1)


def _png(image: Image.Image) -> bytes:
    """Encode as PNG with a palette of few colours, which keeps files small."""
    buffer = io.BytesIO()
    image.quantize(64).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
