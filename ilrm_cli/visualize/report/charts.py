"""Bar charts with lengths in percent of the chart, so that a page can have any width."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ilrm_cli.pipeline.result import ATTENTIONS, SHOWN_SECONDS
from ilrm_cli.pipeline.verdict import GRADES
from ilrm_cli.runtime.progress import Stage
from ilrm_cli.visualize.report.comparisons import Comparison

SCALE_DB = (10.0, 35.0)  # ends of the score scale; values beyond are drawn at its ends
STAGE_NAMES = {
    Stage.POSES: "Photos and poses",
    Stage.LOAD: "Loading",
    Stage.COMPILE: "Compiling",
    Stage.SCALE: "Trying scales",
    Stage.INFERENCE: "Prediction",
    Stage.TRACE: "Tracing",
    Stage.OPTIMIZE: "Fitting to all photos",
    Stage.REFINE: "Refinement",
    Stage.CONFIDENCE: "Confidence",
    Stage.SCORE: "Scoring",
    Stage.EXPORT: "Writing",
}


@dataclass(frozen=True)
class Part:
    """A piece of a bar."""

    kind: str  # as in the style sheet: "cross", "self", "rest"
    start: float  # percent of the chart
    width: float  # percent of the chart


@dataclass(frozen=True)
class Bar:
    """A row of a chart."""

    label: str
    value: str  # in words, with its unit
    parts: tuple[Part, ...]


def stage_bars(timings_s: Mapping[str, float]) -> tuple[Bar, ...]:
    """Chart the seconds of each stage that ran; prediction is split into its attentions and the rest."""
    seconds = {STAGE_NAMES[stage]: [("rest", timings_s[stage])] for stage in Stage}
    attention = {kind: timings_s[kind] for kind in ATTENTIONS}
    around = max(timings_s[Stage.INFERENCE] - sum(attention.values()), 0.0)
    seconds[STAGE_NAMES[Stage.INFERENCE]] = [
        ("cross", attention["cross_attention"]), ("self", attention["self_attention"]), ("rest", around),
    ]  # fmt: skip
    seconds["Start and end"] = [("rest", max(timings_s["total"] - sum(timings_s[stage] for stage in Stage), 0.0))]
    shown = {label: parts for label, parts in seconds.items() if sum(value for _, value in parts) >= SHOWN_SECONDS}
    return _bars(shown, lambda value: f"{value:.2f} s")


def layer_bars(layers: Sequence[Mapping[str, float]]) -> tuple[Bar, ...]:
    """Chart the milliseconds of cross and self attention in each update layer."""
    rows = {
        f"Layer {number}": [("cross", layer["cross_ms"]), ("self", layer["self_ms"])]
        for number, layer in enumerate(layers, 1)
    }
    return _bars(rows, lambda value: f"{value:.1f} ms")


def _bars(rows: Mapping[str, Sequence[tuple[str, float]]], words: Callable[[float], str]) -> tuple[Bar, ...]:
    """Build bars that start at the left; the longest fills the chart."""
    totals = {label: sum(value for _, value in parts) for label, parts in rows.items()}
    longest = max([*totals.values(), 1e-9])
    bars = []
    for label, parts in rows.items():
        start, drawn = 0.0, []
        for kind, value in parts:
            width = 100 * value / longest
            drawn.append(Part(kind, start, width))
            start += width
        bars.append(Bar(label, words(totals[label]), tuple(drawn)))
    return tuple(bars)


def trace_bars(layers: Sequence[Mapping[str, Any]]) -> tuple[Bar, ...]:
    """Chart how far each update layer moved the tokens, as a share of their norm."""
    rows = {
        f"Layer {row['layer']}": [("cross", row["token_change"])] for row in layers if row["token_change"] is not None
    }
    return _bars(rows, lambda share: f"{share:.0%}")


@dataclass(frozen=True)
class ScoreScale:
    """The words of the verdict along a scale in dB, with the photos' scores. Positions are in percent."""

    words: tuple[tuple[str, Part], ...]  # from the worst to the best
    bounds: tuple[tuple[str, float], ...]  # dB at which one word ends and the next begins
    photos: tuple[tuple[str, float], ...]  # "name: 21.3 dB"
    mean: float | None  # None: not scored


def score_scale(psnr: float | None, photos: Sequence[Comparison]) -> ScoreScale:
    """Build the scale for a mean score over some photos."""
    starts = [max(_place(least), 0.0) for least, _ in reversed(GRADES)]
    ends = [*starts[1:], 100.0]
    words = [word for _, word in reversed(GRADES)]
    return ScoreScale(
        words=tuple(
            (word, Part(word, start, end - start)) for word, start, end in zip(words, starts, ends, strict=True)
        ),
        bounds=tuple((f"{least:g}", _place(least)) for least, _ in reversed(GRADES) if least > SCALE_DB[0]),
        photos=tuple((f"{photo.name}: {photo.psnr:.1f} dB", _place(photo.psnr)) for photo in photos),
        mean=None if psnr is None else _place(psnr),
    )


def _place(decibel: float) -> float:
    low, high = SCALE_DB
    return 100 * (min(max(decibel, low), high) - low) / (high - low)
