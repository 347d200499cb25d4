"""Cameras on paper, and numbers as bars."""

import numpy as np
import pytest

from ilrm_cli.visualize.report.cameras import CLOUD_DENSITY, Layout, draw
from ilrm_cli.visualize.report.charts import layer_bars, score_scale, stage_bars
from ilrm_cli.visualize.report.comparisons import Comparison

ABOVE, AHEAD = (400, 300, 0.0, 90.0), (400, 300, 0.0, 0.0)


def test_the_frame_is_level(report):
    """The cameras stand in a row at one height and look ahead, the scene before them."""
    positions = np.stack([camera.position for camera in report.layout.cameras])
    assert np.ptp(positions[:, 1:], axis=0) == pytest.approx([0, 0], abs=1e-6)
    assert (np.diff(positions[:, 0]) > 0).all()
    for camera in report.layout.cameras:
        assert camera.corners[:, 1] == pytest.approx(np.ones(4), abs=1e-6)
        assert camera.corners[0] == pytest.approx([-32 / 60, 1, 24 / 60], abs=1e-6)  # the image's top left
    ahead = report.layout.points - positions.mean(0)
    assert ahead[:, 1].mean() == pytest.approx(3, abs=0.2)


def test_from_above_ahead_is_up_and_from_behind_the_sky_is(report):
    seen = draw(report.layout, *ABOVE)
    for camera in seen.cameras:
        assert all(y < camera.eye[1] for _, y in camera.corners)
    seen = draw(report.layout, *AHEAD)
    for camera in seen.cameras:
        top_left, _, bottom_right, _ = camera.corners
        assert top_left[0] < camera.eye[0] < bottom_right[0]
        assert top_left[1] < camera.eye[1] < bottom_right[1]


def test_turned_to_the_right_the_nearest_camera_is_the_last_of_the_row(report):
    """Seen from the right, the rightmost camera is nearest and is drawn over the others."""
    seen = draw(report.layout, 400, 300, 60.0, 20.0)
    assert [camera.name for camera in seen.cameras] == [camera.name for camera in report.layout.cameras]
    assert [camera.number for camera in seen.cameras][:2] == [1, 2]


@pytest.mark.parametrize("view", [ABOVE, AHEAD, (480, 480, 35.0, 30.0), (200, 500, -120.0, 60.0)])
def test_all_cameras_are_on_the_paper(report, view):
    seen = draw(report.layout, *view)
    places = np.array([place for camera in seen.cameras for place in (camera.eye, *camera.corners)])
    assert (places >= 0).all()
    assert (places <= view[:2]).all()
    assert seen.cloud.shape == (view[1] * CLOUD_DENSITY, view[0] * CLOUD_DENSITY, 4)
    assert 0 < (seen.cloud[..., 3] > 0).mean() < 0.9


def test_one_camera_and_no_point_can_be_drawn(report):
    lonely = Layout(report.layout.cameras[:1], np.zeros((0, 3)), np.zeros((0, 3), dtype=np.uint8))
    seen = draw(lonely, *ABOVE)
    assert np.isfinite([seen.cameras[0].eye, *seen.cameras[0].corners]).all()
    assert not seen.cloud.any()


def test_nearer_points_cover_farther_ones(report):
    points = np.array([[0.0, 0, 0], [0, 0, 1], [1, 1, 0.0]])
    colours = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255]], dtype=np.uint8)
    cloud = draw(Layout(report.layout.cameras, points, colours), *ABOVE).cloud
    shown = {tuple(colour) for colour in cloud[cloud[..., 3] > 0][:, :3].tolist()}
    assert shown == {(0, 255, 0), (0, 0, 255)}


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
