"""Tests that charts draw their figures where they belong."""

import io

import numpy as np
import pytest
from PIL import Image, ImageColor

from ilrm_cli.bench import figures
from ilrm_cli.bench.figures import DENSITY, Line, Span, bar_chart, line_chart
from ilrm_cli.bench.timing import BenchRow


def pixels(png: bytes) -> np.ndarray:
    image = Image.open(io.BytesIO(png))
    assert image.format == "PNG"
    return np.asarray(image.convert("RGB")).astype(int)


def rows_of(picture: np.ndarray, color: str, columns: slice) -> np.ndarray:
    """Return the rows that have a colour, or one close to it, in some columns."""
    return np.flatnonzero((abs(picture - np.array(ImageColor.getrgb(color))).sum(-1) < 40)[:, columns].any(1))


def test_an_axis_is_logarithmic():
    axis = Span(1, 100, start=400, end=0)
    assert [axis.place(value) for value in (1, 10, 100)] == pytest.approx([400, 200, 0])


def test_lines_rise_with_their_figures_and_end_at_their_names():
    line = Line("cost", ((1, 1.0), (10, 10.0), (100, 100.0)), measured=2)
    picture = pixels(line_chart("title", "views", "s", [line]))
    assert picture.shape == (DENSITY * figures.HEIGHT, DENSITY * figures.WIDTH, 3)
    left = rows_of(picture, figures.COLORS[0], slice(DENSITY * figures.LEFT, DENSITY * figures.LEFT + 20))
    right = rows_of(picture, figures.COLORS[0], slice(DENSITY * (figures.WIDTH - figures.RIGHT) - 20, None))
    assert left.mean() > picture.shape[0] * 0.8
    assert right.mean() < picture.shape[0] * 0.2


def test_what_is_predicted_is_dashed():
    points = tuple((float(n), 1.0 + n) for n in range(1, 6))
    solid, dashed = (pixels(line_chart("t", "x", "y", [Line("", points, measured=measured)])) for measured in (None, 0))
    drawn = [(abs(p - np.array(ImageColor.getrgb(figures.COLORS[0]))).sum(-1) < 40).sum() for p in (solid, dashed)]
    assert 0.3 < drawn[1] / drawn[0] < 0.7


def test_bars_are_as_long_as_their_ratios_and_red_beyond_their_limit():
    rows = [BenchRow("good", 1.0, "unit", 1.0, limit=2.0), BenchRow("bad", 1.0, "unit", 4.0, limit=2.0)]
    picture = pixels(bar_chart("title", rows))
    lengths = []
    for color in figures.COLORS[:2]:
        close = abs(picture - np.array(ImageColor.getrgb(color))).sum(-1) < 40
        lengths.append(close.sum(1).max())
    assert lengths[1] / lengths[0] == pytest.approx(4, rel=0.05)
