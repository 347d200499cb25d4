"""Figures of surfaces: known ones for spheres that are shifted, halved or missing, and what cannot be compared."""

import json
import math
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
import torch

from ilrm_cli.evaluate.checks import EXACT, Plan, Settings, check_geometry, reconstructions
from ilrm_cli.evaluate.curves import curves_svg
from ilrm_cli.evaluate.surface_scores import (
    CURVE,
    FARTHEST,
    GeometryScore,
    TrueSurface,
    compared,
    drawn_from,
    means,
    score,
    surface_seen,
)
from ilrm_cli.evaluate.surfaces import FITTED, FITTED_SURFACES, POISSON
from ilrm_cli.geometry.harmonics import fibonacci_sphere
from ilrm_cli.geometry.meshes import Mesh
from ilrm_cli.pipeline.optimize.fit import EFFORTS
from ilrm_cli.runtime.errors import InputError
from tests.support.command_line import ilrm
from tests.support.shelled import around, sphere

BALL = fibonacci_sphere(20_000, torch.zeros(1))
SIZE = 2 * math.sqrt(3)  # the diagonal of its box


@pytest.fixture
def truth() -> TrueSurface:
    return TrueSurface(BALL, around(12))


def test_the_surface_itself_is_perfect(truth):
    found = compared(BALL.flip(0), truth)
    assert (found.precision, found.recall, found.f_score) == (1.0, 1.0, 1.0)
    assert found.chamfer == pytest.approx(0, abs=1e-6)
    assert truth.size == pytest.approx(SIZE, rel=0.01)


@pytest.mark.parametrize(("share", "right"), [(0.005, 1.0), (0.02, 0.0)])
def test_a_larger_sphere_is_as_far_away_as_it_is_larger(truth, share, right):
    larger = BALL * (1 + share * SIZE)
    found = compared(larger, TrueSurface(BALL * 1.2, truth.cameras))  # a larger box, so that nothing is cut off
    assert found.precision == 0.0
    found = compared(larger, truth)
    inside = larger.abs().amax(1) <= 1 + 0.01 * truth.size
    assert found.accuracy == pytest.approx(share, rel=0.05)
    assert found.precision == pytest.approx(right, abs=0.01)
    assert inside.float().mean() > 0.5


def test_half_of_it_is_right_but_incomplete(truth):
    half = BALL[BALL[:, 2] > 0]
    found = compared(half, truth)
    assert found.precision == 1.0
    assert found.recall == pytest.approx(0.5 + 0.01 * SIZE / 2, abs=0.01)  # and a rim as wide as the threshold
    assert found.f_score == pytest.approx(2 * found.recall / (1 + found.recall))


def test_nothing_at_all_is_as_wrong_as_can_be(truth):
    found = compared(torch.zeros(0, 3), truth)
    assert (found.f_score, found.chamfer) == (0.0, FARTHEST)


def test_a_scene_is_judged_by_its_mesh_and_by_depth_in_other_views(monkeypatch):
    monkeypatch.setattr("ilrm_cli.pipeline.mesh.LONG_SIDE_PX", 128)
    monkeypatch.setattr("ilrm_cli.evaluate.surface_scores.RESOLUTION", 80)
    inputs, targets = around(16, side_px=64, focal_px=75.0), around(3, 4.0, side_px=64, focal_px=75.0)
    depth, other = (sphere_depth(cameras) for cameras in (inputs, targets))
    truth = surface_seen(inputs, depth, targets, other)
    assert torch.allclose(truth.points.norm(dim=1), torch.tensor(1.0), atol=1e-3)
    found = score(sphere(3000), truth)
    assert found.f_score > 0.97
    assert found.abs_rel < 0.01
    assert found.delta > 0.9
    shrunk = sphere(3000)
    means_, quaternions, scales, *rest = shrunk.tensors()
    worse = score(shrunk.rebuilt(means_ * 0.8, quaternions, scales * 0.8, *rest), truth)
    assert worse.f_score < 0.2
    assert 0.2 / 3 < worse.abs_rel < 0.2, "more towards the rim"


def sphere_depth(cameras) -> torch.Tensor:
    """Return the depth of the unit sphere in every pixel, infinite beside it."""
    from ilrm_cli.geometry.cameras import directions_through, pixel_centers

    pixels = pixel_centers(cameras.width, cameras.height, cameras.focal_px)
    rays = directions_through(cameras, pixels.expand(len(cameras), -1, -1, -1))
    eye = cameras.positions[:, None, None]
    a, b, c = rays.square().sum(-1), (rays * eye).sum(-1), eye.square().sum(-1) - 1
    return ((-b - (b * b - a * c).sqrt()) / a).nan_to_num(torch.inf)


def test_points_are_spread_by_area():
    corners = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [3, 0, 0], [6, 0, 0], [3, 1, 0]])
    mesh = Mesh.from_triangles(corners, torch.tensor([[0, 1, 2], [3, 4, 5]]))
    points = drawn_from(mesh, 4000, 0)
    assert (points[:, 0] >= 3).float().mean() == pytest.approx(0.75, abs=0.03)
    assert points[points[:, 0] < 3].mean(0).tolist() == pytest.approx([1 / 3, 1 / 3, 0], abs=0.02)


def test_agreement_grows_with_the_tolerance_and_is_drawn(truth):
    noisy = BALL + 0.02 * torch.randn(BALL.shape, generator=torch.Generator().manual_seed(0))
    found = compared(noisy, truth)
    shares = [one.precision for one in found.curve]
    assert shares == sorted(shares)
    assert found.precision in shares
    drawn = ElementTree.fromstring(curves_svg({"ours <b>": found, "none": compared(torch.zeros(0, 3), truth)}))
    lines = drawn.findall(".//{http://www.w3.org/2000/svg}polyline")
    assert len(lines) == 4
    assert len(lines[0].attrib["points"].split()) == len(found.curve)
    assert f"ours <b>: {found.f_score:.3f}" in "".join(drawn.itertext())


def test_lines_of_many_methods_differ_and_their_names_are_in_the_picture(truth):
    found = compared(BALL, truth)
    drawn = ElementTree.fromstring(curves_svg({f"method {number}": found for number in range(30)}))
    svg = "{http://www.w3.org/2000/svg}"
    styles = {
        tuple(line.attrib[name] for name in ("stroke", "stroke-width", "stroke-dasharray"))
        for line in drawn.findall(f".//{svg}polyline")
    }
    assert len(styles) == 60
    assert max(float(text.attrib["y"]) for text in drawn.findall(f".//{svg}text")) < float(drawn.attrib["height"])


def test_means_leave_out_what_is_unknown():
    scores = [GeometryScore(0.1, 0.2, 0.5, 0.5, None, None, None), GeometryScore(0.3, 0.2, 1.0, 1.0, 0.2, 0.1, 0.9)]
    mean = means(scores)
    assert mean["chamfer"] == pytest.approx(0.2)
    assert set(mean) == {"f_score", "precision", "recall", "chamfer", "abs_rel", "delta"}
    assert mean["abs_rel"] == pytest.approx(0.2)
    assert mean["f_score"] == pytest.approx(0.75)


@pytest.mark.parametrize(
    ("geometry", "protocol", "scenes", "sentence"),
    [
        (EXACT, "folder", 1, "add --synthetic N"),
        ("scan.ply", "folder", 2, "one folder of photos"),
        ("scan.ply", "synthetic", 0, "one folder of photos"),
        ("none.ply", "folder", 1, "there is no such file"),
    ],
)
def test_a_truth_that_does_not_fit_is_refused_at_once(geometry, protocol, scenes, sentence):
    with pytest.raises(InputError, match=sentence):
        check_geometry(geometry, Plan(protocol), scenes)
    with pytest.raises(InputError, match="--tolerance is for --geometry with a scan"):
        check_geometry(EXACT, Plan("synthetic"), 0, 0.1)


def test_fits_and_colmaps_mesh_are_compared(monkeypatch):
    monkeypatch.setattr("ilrm_cli.pipeline.mesh.LONG_SIDE_PX", 64)
    monkeypatch.setitem(EFFORTS, "standard", replace(EFFORTS["standard"], steps=12))
    words = ("--synthetic", "1", "--size", "64", "--views", "3", "--geometry", EXACT, "--quality", "standard")
    outcome = ilrm("evaluate", *words, "--json")
    assert outcome.status == 0, outcome.err
    told = {trial["method"]: trial for trial in outcome.json["scenes"][0]["trials"]}
    fitted = told[FITTED.format(quality="standard")]
    assert 0 < fitted["geometry"]["f_score"] != told["ilrm"]["geometry"]["f_score"]
    assert fitted["psnr"] != told["ilrm"]["psnr"]
    assert fitted["geometry"] != told[FITTED_SURFACES.format(quality="standard")]["geometry"]
    assert 0 < told[POISSON]["geometry"]["f_score"] < 1
    assert (told[POISSON]["geometry"]["abs_rel"], told[POISSON]["geometry"]["cell"]) == (None, None)
    assert outcome.json["qualities"] == ["standard"]


def test_qualities_are_for_whole_scenes_or_judged_surfaces():
    with pytest.raises(InputError, match="add --protocol every-eighth, or --geometry"):
        reconstructions(Plan("synthetic"), Settings(qualities=("standard",)))
    with pytest.raises(InputError, match="name standard or high"):
        reconstructions(Plan("synthetic"), Settings(qualities=("draft",), geometry=EXACT))
    assert reconstructions(Plan("synthetic"), Settings(qualities=("high",), geometry=EXACT)) == ()


def test_the_command_tells_the_figures(monkeypatch, tmp_path):
    monkeypatch.setattr("ilrm_cli.pipeline.mesh.LONG_SIDE_PX", 64)
    words = ("--synthetic", "1", "--size", "64", "--views", "3", "--geometry", EXACT, "-o", tmp_path / "out")
    outcome = ilrm("evaluate", *words)
    assert outcome.status == 0, outcome.err
    assert "Surfaces, means over scenes" in outcome.out
    told = json.loads((tmp_path / "out" / "scores.json").read_text())
    of = {trial["method"]: trial["geometry"] for trial in told["scenes"][0]["trials"]}
    assert of["nearest photo"] is None
    assert 0 < of["ilrm"]["f_score"] <= 1
    assert np.isfinite(of["ilrm"]["abs_rel"])
    assert 0.5 / 160 < of["ilrm"]["cell"] < 1 / 160, "the box is shorter than its diagonal"
    assert len(of["ilrm"]["curve"]) == len(CURVE)
    assert "<svg" in (tmp_path / "out" / "synthetic_000_surfaces.svg").read_text()
    assert "exists; pass -w" in ilrm("evaluate", *words).sentence
