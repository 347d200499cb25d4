"""Numbers as bars."""

import numpy as np
import pytest

from ilrm_cli.visualize.report.charts import layer_bars, score_scale, stage_bars
from ilrm_cli.visualize.report.comparisons import Comparison


def test_stages_as_seconds(report):
    bars = {bar.label: bar for bar in stage_bars(report.summary["timings_s"])}
    assert list(bars)[:2] == ["Photos and poses", "Prediction"]  # what took next to no time is not shown
    assert "Scoring" not in bars
    assert bars["Prediction"].value == "2.00 s"
    assert [(p.kind, p.start, p.width) for p in bars["Prediction"].parts] == [
        ("cross", 0, 25), ("self", 25, 12.5), ("rest", 37.5, 62.5),
    ]  # fmt: skip
    assert bars["Photos and poses"].parts[0].width == 50
    total = sum(float(bar.value.removesuffix(" s")) for bar in bars.values())
    assert total == pytest.approx(report.summary["timings_s"]["total"], abs=0.02)


def test_every_layer_has_both_attentions(report):
    bars = layer_bars(report.summary["layers"])
    assert [(bar.label, bar.value) for bar in bars] == [
        ("Layer 1", "4.0 ms"), ("Layer 2", "2.0 ms"), ("Layer 3", "2.0 ms"),
    ]  # fmt: skip
    assert [(part.kind, part.start, part.width) for part in bars[1].parts] == [("cross", 0, 37.5), ("self", 37.5, 12.5)]


def test_bars_of_nothing_are_empty():
    assert layer_bars([]) == ()
    assert layer_bars([{"cross_ms": 0.0, "self_ms": 0.0}])[0].parts[0].width == 0


def test_words_of_the_verdict_along_the_scale():
    empty = np.zeros((1, 1, 3), dtype=np.uint8)
    scale = score_scale(22.5, [Comparison(f"{p}.jpg", p, 0.5, empty, empty, empty) for p in (5.0, 22.5, 99.0)])
    assert [word for word, _ in scale.words] == ["poor", "rough", "usable", "good"]
    assert [part.start for _, part in scale.words] == [0, 28, 44, 60]
    assert sum(part.width for _, part in scale.words) == 100
    assert scale.bounds == (("17", 28), ("21", 44), ("25", 60))
    assert scale.mean == 50
    assert [place for _, place in scale.photos] == [0, 50, 100]
    assert scale.photos[1][0] == "22.5.jpg: 22.5 dB"
    assert score_scale(None, ()).mean is None
