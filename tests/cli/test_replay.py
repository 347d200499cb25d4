"""Tests of scenes made again through the command line."""

import json
import shutil

from PIL import Image

from ilrm_cli.runtime.cache import sha256_of
from ilrm_cli.scene.checks import record_path
from tests.cli.conftest import SAMPLES
from tests.support.command_line import ilrm


def test_the_same_photos_and_settings_give_the_same_scene(made):
    output, _ = made
    before = {path.name for path in output.parent.iterdir()}
    outcome = ilrm("replay", record_path(output), "--json")
    assert outcome.status == 0, outcome.err
    assert outcome.json["identical"] is True
    assert outcome.json["sha256"] == sha256_of(output)
    assert outcome.json["causes"] == []
    assert {path.name for path in output.parent.iterdir()} == before  # nothing is kept without -o


def test_a_scene_from_before_start_views_is_made_again_without_one(made, tmp_path):
    output, _ = made
    lines, end, rows = output.read_bytes().partition(b"end_header\n")
    kept = [line for line in lines.splitlines(keepends=True) if not line.startswith(b"comment start view ")]
    assert len(kept) == len(lines.splitlines()) - 1
    (tmp_path / "scene.ply").write_bytes(b"".join(kept) + end + rows)
    record = json.loads(record_path(output).read_bytes())
    assert record.pop("start_view") is True
    changed = {"ply_sha256": sha256_of(tmp_path / "scene.ply"), "photos": str(SAMPLES / "posed")}
    (tmp_path / "scene.json").write_text(json.dumps(record | changed))
    outcome = ilrm("replay", tmp_path / "scene.ply", "--json", "-o", tmp_path / "again.ply")
    assert outcome.status == 0, outcome.err
    assert outcome.json["identical"] is True
    assert ilrm("replay", tmp_path / "again.ply").status == 0


def test_a_scene_that_moved_with_its_photos_of_which_one_was_changed(made, tmp_path):
    output, _ = made
    for path in (output, record_path(output)):
        shutil.copy(path, tmp_path / path.name)
    shutil.copytree(SAMPLES / "posed", tmp_path / "posed")
    views = json.loads(record_path(output).read_bytes())["views"]
    name = next(view["name"] for view in views if view["role"] == "input")
    spoilt = tmp_path / "posed" / "images" / name
    Image.open(spoilt).point(lambda level: 255 - level).save(spoilt)
    outcome = ilrm("replay", tmp_path / "scene.ply", "--photos", tmp_path / "posed", "-o", tmp_path / "again.ply")
    assert outcome.status == 1
    assert "Not identical" in outcome.out
    assert f"1 photo has another content: {name}." in outcome.out
    assert "dB between the two as the inputs see them" in outcome.out
    assert sha256_of(tmp_path / "scene.ply") == sha256_of(output)
    assert ilrm("replay", tmp_path / "again.json", "-q").status == 0  # its record says where its photos are
