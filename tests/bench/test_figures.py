"""Tests that charts draw their figures where they belong."""

import subprocess
import sys

import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from ilrm_cli.bench import figures
from ilrm_cli.bench.figures import COLORS, Line, bar_chart, line_chart
from ilrm_cli.bench.timing import BenchRow


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Axes]:
    """Keep the axes of every chart."""
    kept: list[Axes] = []
    encode = figures._png

    def keep(figure: Figure) -> bytes:
        kept.extend(figure.axes)
        return encode(figure)

    monkeypatch.setattr(figures, "_png", keep)
    return kept


def test_lines_are_solid_where_measured_and_dashed_beyond(drawn: list[Axes]):
    cost = Line("cost", ((1, 1.0), (10, 10.0), (100, 100.0)), measured=2)
    higher = Line("more", ((1, 3000.0), (100, 2000.0)))
    guess = Line("guess", ((10, 0.5), (100, 0.3)), measured=0)
    assert line_chart("title", "views", "s", [cost, higher, guess]).startswith(b"\x89PNG")
    (axes,) = drawn
    assert (axes.get_xscale(), axes.get_yscale(), axes.get_xlabel(), axes.get_ylabel()) == ("log", "log", "views", "s")
    assert axes.get_ylim() == (0.1, 10_000)
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "10", "100"]
    lines = {(line.get_linestyle(), line.get_color()): line.get_xydata().tolist() for line in axes.get_lines()}
    assert lines[("-", COLORS[0])] == [[1, 1], [10, 10]]
    assert lines[("--", COLORS[0])] == [[1, 1], [10, 10], [100, 100]]
    assert lines[("-", COLORS[1])] == [[1, 3000], [100, 2000]]
    assert ("-", COLORS[2]) not in lines
    named = axes.get_legend()
    assert [text.get_text() for text in named.get_texts()] == ["more", "cost", "guess"]  # as they end
    assert [line.get_color() for line in named.get_lines()] == [COLORS[1], COLORS[0], COLORS[2]]


def test_a_single_value_has_axes_too():
    assert line_chart("title", "views", "s", [Line("one", ((8, 1.0),))]).startswith(b"\x89PNG")


def test_bars_are_as_long_as_their_ratios_and_red_beyond_their_limit(drawn: list[Axes]):
    rows = [BenchRow("good", 1.0, "unit", 1.0, limit=2.0), BenchRow("bad", 1.0, "copies", 4.0, limit=2.0)]
    assert bar_chart("title", rows).startswith(b"\x89PNG")
    (axes,) = drawn
    assert [(bar.get_width(), to_hex(bar.get_facecolor())) for bar in axes.patches] == [(1, COLORS[0]), (4, COLORS[1])]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["good", "bad"]
    strokes = [path.vertices[:, 0].tolist() for lines in axes.collections for path in lines.get_paths()]
    assert strokes == [[2, 2], [2, 2]]
    assert [(note.get_text(), note.xy[0]) for note in axes.texts] == [("1.00 times unit", 2), ("4.00 times copies", 4)]


def test_matplotlib_is_imported_for_charts_only():
    code = "import sys, ilrm_cli.bench.scaling, ilrm_cli.bench.gpu; print('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
