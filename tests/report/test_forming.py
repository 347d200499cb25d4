"""Stages of a scene, on the page of one that was traced."""

from dataclasses import asdict, replace

import numpy as np

from ilrm_cli.pipeline.trace import LayerPictures, Reading, Trace, TracedLayer
from ilrm_cli.visualize.report.html import encode_html
from tests.report.test_html_file import Page


def test_a_traced_scene_is_seen_forming(report):
    """These appear only with a trace: a picture before the first layer and after each, for both readings."""
    grey = np.full((6, 8, 3), 128, dtype=np.uint8)
    rows = [Reading(psnr=10.0 + layer, depth_change=None, means_change=None, gaussians=9) for layer in range(3)]
    traced = Trace(
        layers=tuple(TracedLayer(i, None if i == 0 else 0.5 / i, row, row) for i, row in enumerate(rows)),
        pictures=(LayerPictures((grey, grey), (grey, grey)),) * 3,
        shown=0,
        photo=grey,
    )
    summary = dict(report.summary) | {"trace": {"photo": "b.png", "layers": [asdict(row) for row in traced.layers]}}
    page = Page(encode_html(replace(report, trace=traced, summary=summary)))
    assert "How the scene formed" in page.text
    assert [page.text.count(word) for word in ("Before the first layer", "After layer 2", "12.0 dB")] == [2, 2, 2]
    moved = [a["aria-label"] for a in page.all("svg") if (a["aria-label"] or "").endswith("%")]
    assert moved == ["Layer 1: 50%", "Layer 2: 25%"]
    assert "How the scene formed" not in Page(encode_html(report)).text
