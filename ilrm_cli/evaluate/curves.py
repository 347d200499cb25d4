"""The plot of how much of surfaces agrees with the true one, over tolerances."""

from collections.abc import Mapping
from html import escape

from ilrm_cli.evaluate.surface_scores import CURVE, GeometryScore

WIDTH, LEAST_HEIGHT = 800, 420  # of the plot, px; it is as high as its names need
LEFT, TOP, RIGHT, BOTTOM = 60, 20, 400, 370  # of the axes in it, px; names are to the right
ROW, BASELINE, MARGIN = 18, 12, 12  # px between names, to the bottom of the letters of the first, and below the last
COLORS = ("#1b6ca8", "#d1495b", "#2e8b57", "#8d5a97", "#e09f3e", "#444444")  # one method after the other
WIDTHS = (1.5, 3.0, 0.75, 4.5, 6.0)  # of lines, px: the next where colours are used up
SOLID, DASHED = "none", "5 4"  # precision and recall


def curves_svg(scores: Mapping[str, GeometryScore]) -> str:
    """Draw precision (solid) and recall (dashed) of methods over tolerances, in per cent of the true surface's size.

    Lines of up to 30 methods look different, and each name has a line beside it as its own.
    """
    least = min(one.threshold for one in scores.values())
    wide, high, most = RIGHT - LEFT, BOTTOM - TOP, CURVE[-1] * least
    height = max(LEAST_HEIGHT, TOP + ROW * len(scores) + MARGIN)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" font-family="sans-serif" '
        f'font-size="12"><rect width="100%" height="100%" fill="white"/><g stroke="#bbb" fill="none">'
        f'<rect x="{LEFT}" y="{TOP}" width="{wide}" height="{high}"/>'
        f'<path d="M{LEFT + wide / CURVE[-1]:.1f} {TOP}v{high}"/></g>'
    ]
    for step in range(4):
        x, y = LEFT + wide * step / 3, BOTTOM - high * step / 3
        parts.append(f'<text x="{x:.0f}" y="{BOTTOM + 18}" text-anchor="middle">{100 * most * step / 3:.3g}</text>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.0f}" text-anchor="end">{step / 3:.2f}</text>')
    parts.append(f'<text x="{LEFT}" y="{BOTTOM + 42}">tolerance, % of the size; — precision, - - recall</text>')
    for number, (name, score) in enumerate(scores.items()):
        color, thick = COLORS[number % len(COLORS)], WIDTHS[number // len(COLORS) % len(WIDTHS)]
        for figure, dashes in (("precision", SOLID), ("recall", DASHED)):
            places = " ".join(
                f"{LEFT + wide * at.threshold / most:.1f},{BOTTOM - high * getattr(at, figure):.1f}"
                for at in score.curve
                if at.threshold <= most
            )
            parts.append(
                f'<polyline points="{places}" fill="none" stroke="{color}" stroke-width="{thick}" '
                f'stroke-dasharray="{dashes}"/>'
            )
        y = TOP + BASELINE + ROW * number
        parts.append(f'<path d="M{RIGHT + 10} {y - 4}h20" stroke="{color}" stroke-width="{thick}"/>')
        label = f"{escape(name)}: {score.f_score:.3f}"
        parts.append(f'<text x="{RIGHT + 36}" y="{y}" fill="{color}">{label}</text>')
    return "\n".join([*parts, "</svg>\n"])
