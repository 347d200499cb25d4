"""The main job through the command line, on the sample scene that the repository ships."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from ilrm_cli.capture.photos.folder import open_folder
from ilrm_cli.cli.app import app
from ilrm_cli.pipeline import cost_estimate
from ilrm_cli.pipeline.reconstruct import Reconstruction, reconstruct
from ilrm_cli.pipeline.settings import Settings
from ilrm_cli.render.metrics import psnr
from ilrm_cli.render.rasterize import NEAR, render
from ilrm_cli.scene.checks import record_path
from ilrm_cli.scene.formats.ply import decode_ply
from ilrm_cli.scene.record import cameras_of, read_record
from tests.cli.conftest import SAMPLES
from tests.support.command_line import ilrm, ilrm_process

KEYS = {
    "command", "status", "output", "refined_from", "gaussians", "floating", "views", "model", "device", "renderer",
    "held_out", "refine", "optimize", "poses_refined", "auto_scale", "confidence", "pruned", "round_trip", "trace",
    "metres_per_unit", "mesh", "field", "verdict", "timings_s", "layers", "warnings",
}  # fmt: skip
TIMINGS = {
    "start",
    "imports",
    "poses",
    "load",
    "compile",
    "scale",
    "inference",
    "trace",
    "confidence",
    "cross_attention",
    "self_attention",
    "refine",
    "optimize",
    "score",
    "export",
    "total",
}


def test_json_keys_are_the_contract(made):
    _, result = made
    assert set(result) == KEYS
    assert set(result["views"]) == {"found", "registered", "in_scene", "used", "fitted", "held_out", "left_out"}
    assert set(result["model"]) == {"name", "sha256"}
    assert set(result["held_out"]) == {"psnr", "ssim", "chose"}
    assert set(result["timings_s"]) == TIMINGS
    assert all(set(layer) == {"cross_ms", "self_ms"} for layer in result["layers"])


def test_what_it_says_is_consistent(made):
    output, result = made
    views, timings = result["views"], result["timings_s"]
    assert (result["command"], result["status"], result["output"]) == ("reconstruct", "ok", str(output))
    assert len(views["used"]) == 4
    assert (views["fitted"], views["left_out"]) == ([], []), "a draft, whose other photos all score it"
    assert len(views["held_out"]) + len(views["used"]) == views["found"]
    assert result["held_out"]["chose"] == ["stop"]
    assert result["auto_scale"]["tried_db"]["usual"] > 0
    assert views["registered"] == len(views["used"]) + len(views["held_out"])
    assert not set(views["used"]) & set(views["held_out"])
    assert timings["inference"] > timings["cross_attention"] + timings["self_attention"] > 0
    assert timings["total"] >= timings["imports"] + timings["inference"] + timings["poses"]
    assert result["refine"]["psnr_after"] >= result["refine"]["psnr_before"]
    assert result["held_out"]["psnr"] == pytest.approx(result["refine"]["psnr_after"], abs=1e-3)
    assert decode_ply(output).gaussians.means.shape[0] == result["gaussians"]


@pytest.fixture(scope="module")
def memory() -> Reconstruction:
    """Return the scene that `test_the_file_renders_like_the_scene_in_memory` writes to files."""
    return reconstruct(
        open_folder(SAMPLES / "posed"), Settings(quality="draft", views=4, long_side_px=96, auto_scale=False)
    )


@pytest.mark.parametrize("frame", ["input", "up", "opencv"])
def test_the_file_renders_like_the_scene_in_memory(memory, tmp_path, frame):
    """Written in any frame, read back, and drawn from the recorded cameras: the same picture."""
    options = ("--quality", "draft", "--views", "4", "--size", "96", "--no-auto-scale", "--frame", frame, "-q")
    outcome = ilrm("reconstruct", SAMPLES / "posed", "-o", tmp_path / "a.ply", *options)
    assert outcome.status == 0
    record = read_record(record_path(tmp_path / "a.ply"))
    cameras = cameras_of(record, "input").to(torch.float32)
    near = NEAR / record.model_from_world.scale
    from_file = render(decode_ply(tmp_path / "a.ply").gaussians, cameras, near=near).color
    in_memory = render(memory.gaussians, memory.prepared.inputs.cameras).color
    assert float(psnr(from_file, in_memory).min()) > 50
    assert record.frame == frame
    if frame != "input":  # the cameras of a level capture stand upright in it
        up = {"up": [0.0, 0, 1], "opencv": [0.0, -1, 0]}[frame]
        assert record.up == pytest.approx(up, abs=1e-6)
        assert (-cameras.world_from_cam[:, :3, 1] @ torch.tensor(up) > 0.7).all()


def test_the_record_tells_how_it_was_made(made):
    output, result = made
    record = read_record(record_path(output))
    assert record.model["sha256"] == result["model"]["sha256"]
    assert {v.name for v in record.views if v.role == "input"} == set(result["views"]["used"])
    assert record.settings["views"] == 4
    assert [vars(photo) for photo in record.left_out] == result["views"]["left_out"]
    assert record.auto_scale == result["auto_scale"]
    assert record.scores["psnr"] == pytest.approx(result["held_out"]["psnr"])
    comments = decode_ply(output).comments
    assert any("sha256" in line for line in comments)


def test_a_trace_shows_every_layer_and_the_same_seed_gives_the_same_file_with_it(made, tmp_path):
    output, _ = made
    options = ("--views", "4", "--size", "96", "--refine", "5", "--trace", tmp_path / "trace.png")
    outcome = ilrm("reconstruct", SAMPLES / "posed", "-o", tmp_path / "s.ply", *options)
    assert outcome.status == 0, outcome.err
    assert (tmp_path / "s.ply").read_bytes() == output.read_bytes()
    traced = read_record(tmp_path / "s.json").trace
    assert [row["layer"] for row in traced["layers"]] == [0, 1, 2]
    assert "The scene after each layer" in outcome.out
    assert all(f"{row['head']['psnr']:.2f}" in outcome.out for row in traced["layers"])
    assert (tmp_path / "trace.png").stat().st_size > 10_000


def test_confidence_is_written_and_floaters_go_where_photos_agree(tmp_path):
    options = (
        "--quality",
        "draft",
        "--views",
        "3",
        "--size",
        "64",
        "--no-auto-scale",
        "--confidence",
        "--prune",
        "--json",
    )
    outcome = ilrm("reconstruct", SAMPLES / "posed", "-o", tmp_path / "s.ply", *options)
    assert outcome.status == 0, outcome.err
    result, written = outcome.json, decode_ply(tmp_path / "s.ply")
    assert written.confidence is not None
    assert written.confidence.shape == (result["gaussians"],)
    assert 0 <= float(written.confidence.min()) < float(written.confidence.max()) < 1
    assert result["confidence"]["mean"] == pytest.approx(float(written.confidence.mean()), abs=1e-4)
    pruned = result["pruned"]
    assert pruned["psnr_after"] >= pruned["psnr_before"]
    assert result["held_out"]["psnr"] == pytest.approx(pruned["psnr_after"], abs=1e-3)
    assert (pruned["dropped"] > 0) == (pruned["threshold"] is not None)
    assert read_record(tmp_path / "s.json").pruning == pruned


def test_streams_are_kept_apart(tmp_path, capfd, monkeypatch):
    """A real process is silent with --quiet; with --json stdout is one object, and progress goes to stderr.

    Warnings are in both, once, also those that are given before the work begins.
    """
    command = ("reconstruct", SAMPLES / "posed", "-o", tmp_path / "s.ply", "--views", "3", "--size", "64")
    command = (*command, "--quality", "draft")
    quiet = ilrm_process(*command, "-q")
    assert (quiet.status, quiet.out, quiet.err) == (0, "", "")
    monkeypatch.setattr(cost_estimate, "LONG_FLOPS", 0.0)
    app([*map(str, command), "-w", "--json"], standalone_mode=False)
    out, err = capfd.readouterr()  # including what compiled libraries write
    result = json.loads(out)
    assert result["status"] == "ok"
    assert "layer 1 of" in err
    assert result["warnings"][0].startswith("a pass over 3 views of ")
    assert err.count("a pass over 3 views of ") == 1


def test_all_photos_as_inputs_leaves_nothing_to_score(tmp_path):
    count = len(list((SAMPLES / "posed" / "images").iterdir()))
    outcome = ilrm(
        "reconstruct",
        SAMPLES / "posed",
        "-o",
        tmp_path / "s.ply",
        "--views",
        count,
        "--size",
        "64",
        "--refine",
        "3",
        "--json",
    )
    assert outcome.status == 0
    assert outcome.json["held_out"] == {"psnr": None, "ssim": None, "chose": []}
    assert f"--views {count - 1}" in outcome.json["verdict"]
    assert outcome.json["refine"]["ran"] == 3


def test_views_are_counted_by_themselves_and_the_scale_is_left_alone_when_asked(tmp_path):
    options = ("--quality", "draft", "--views", "auto", "--no-auto-scale", "--size", "64", "--json")
    outcome = ilrm("reconstruct", SAMPLES / "posed", "-o", tmp_path / "s.ply", *options)
    count = len(list((SAMPLES / "posed" / "images").iterdir()))
    assert len(outcome.json["views"]["used"]) == min(8, count - 1)
    assert outcome.json["auto_scale"] is None
    assert read_record(tmp_path / "s.json").settings["views"] is None


def test_views_that_are_neither_a_number_nor_auto_are_refused(tmp_path):
    outcome = ilrm("reconstruct", SAMPLES / "posed", "-o", tmp_path / "s.ply", "--views", "many")
    assert outcome.status == 2
    assert "many is neither a number nor auto" in outcome.err


def test_photos_given_one_by_one_are_all_that_is_used_then_and_again(tmp_path, monkeypatch):
    shutil.copytree(SAMPLES / "posed", tmp_path / "posed")
    monkeypatch.chdir(tmp_path)
    photos = sorted((tmp_path / "posed" / "images").iterdir())[:4]
    options = ("--quality", "draft", "--views", "3", "--size", "64", "--json")
    outcome = ilrm("reconstruct", *photos, *options, "-o", "new/folder/of.ply")
    views = outcome.json["views"]
    assert sorted([*views["used"], *views["held_out"]]) == [photo.name for photo in photos]
    assert (views["found"], views["left_out"]) == (4, [])
    assert outcome.json["output"] == str(Path("new/folder/of.ply"))
    assert ilrm("replay", "new/folder/of.ply").status == 0


def test_the_scene_is_named_after_the_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outcome = ilrm("reconstruct", SAMPLES / "posed", "--quality", "draft", "--views", "3", "--size", "64")
    assert "\nLook at it: ilrm view posed.ply\n" in outcome.out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["posed.json", "posed.ply"]
