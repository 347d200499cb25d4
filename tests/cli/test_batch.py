"""Tests of batches of many folders through the command line."""

import dataclasses
import json
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from ilrm_cli.cli import app
from ilrm_cli.cli.batch import lines_of
from ilrm_cli.pipeline.batch import run
from ilrm_cli.pipeline.batch.jobs import Job, Outcome
from ilrm_cli.pipeline.settings import Settings, option_of
from tests.support.batch_folders import SMALL, content, make_folders
from tests.support.command_line import Outcome as Done
from tests.support.command_line import ilrm

KEYS = {
    "name", "photos", "output", "status", "sentence", "photos_used", "photos_found", "gaussians", "psnr", "ssim",
    "seconds", "warnings", "traceback",
}  # fmt: skip
OWN_OPTIONS = {"--jobs", "--engine", "--summary"}
OF_ONE_SCENE = {"--report", "--trace", "--preview", "--mesh"}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = make_folders(tmp_path_factory.mktemp("batch") / "root", 2)
    (root / "notes.txt").touch()
    return root


def batch(root, *options: str) -> Done:
    return ilrm("batch", f"{root}/*", "-o", f"{root.parent}/out/{{name}}.ply", *SMALL, *options)


@pytest.fixture(scope="module")
def first(root) -> Done:
    return batch(root, "--json", "--summary", str(root.parent / "summary.jsonl"))


def test_json_keys_are_the_contract(first):
    assert set(first.json) == {"command", "status", "counts", "seconds", "folders", "warnings"}
    assert all(set(folder) == KEYS for folder in first.json["folders"])


def test_each_folder_ends_in_a_scene_or_in_a_sentence(first, root):
    assert first.status == 1
    assert first.json["counts"] == {"ok": 2, "skipped": 0, "failed": 1, "crashed": 0}
    empty, *good = first.json["folders"]
    assert (empty["name"], empty["status"]) == ("empty", "failed")
    assert "holds no photo" in empty["sentence"]
    assert [(f["status"], f["photos_used"], f["photos_found"]) for f in good] == [("ok", 3, 11)] * 2
    assert set(content(root.parent / "out")) == {f"scene {i}.{kind}" for i in (0, 1) for kind in ("ply", "json")}
    assert first.json["warnings"] == [f"passed over: {root}/notes.txt, neither folder nor video."]


def test_the_summary_holds_a_line_for_each_folder(first, root):
    lines = (root.parent / "summary.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == first.json["folders"]


def test_a_scene_is_byte_for_byte_that_of_reconstruct(first, root, tmp_path):
    done = ilrm("reconstruct", root / "scene 1", "-o", tmp_path / "scene 1.ply", *SMALL, "-q")
    assert done.status == 0
    of_batch = content(root.parent / "out")
    alone = content(tmp_path)
    assert alone.keys() == {"scene 1.json", "scene 1.ply"}
    record, other = alone["scene 1.json"], of_batch["scene 1.json"]
    assert {key: (record.get(key), other.get(key)) for key in record | other if record.get(key) != other.get(key)} == {}
    assert alone["scene 1.ply"] == of_batch["scene 1.ply"]


def test_a_second_run_skips_what_is_there_and_makes_what_is_not(first, root):
    before = content(root.parent / "out")
    (root.parent / "out" / "scene 0.ply").unlink()
    again = batch(root)
    assert again.status == 1
    assert "1 ok, 1 skipped, 1 failed" in again.out
    assert again.out.count(" 3/11 ") == 2
    assert "holds no photo" in again.out
    assert "holds no photo" not in again.err, "said twice"
    assert content(root.parent / "out") == before


def test_other_settings_leave_the_scenes_and_quiet_leaves_the_sentences_on_what_failed(first, root):
    before = content(root.parent / "out")
    other = batch(root, "--seed", "1", "-q")
    assert (other.status, other.out) == (1, "")
    assert other.err.count("other settings (--seed)") == 2
    assert other.err.count("holds no photo") == 1
    assert content(root.parent / "out") == before


def test_a_bug_has_its_own_status_and_its_traceback(root, monkeypatch):
    def run_with_a_bug(batch, report):
        yield Outcome(batch.jobs[0], "crashed", "A bug of ilrm (KeyError: 'x').", traceback="Traceback: in f")

    monkeypatch.setattr(run, "run", run_with_a_bug)
    done = batch(root)
    assert done.status == 3
    assert "Traceback: in f" in done.err
    assert "A bug of ilrm" in done.out


def test_a_narrow_terminal_has_the_sentences_below_the_table():
    job = Job("my photos", Path("my photos"), Path("my photos.ply"))
    sentence = "Usable: 22.4 dB, SSIM 0.71 on 2 held-out photos; about 9° from the nearest fitted photo."
    outcome = Outcome(job, "ok", sentence, 61.2, 8, 13, 22.4)
    for width in (60, 100):
        console = Console(file=StringIO(), width=width)
        table, *sentences = lines_of([outcome], narrow=width < 80)
        console.print(table)
        shown = console.file.getvalue()
        assert "my photos" in shown
        assert "22.4" in shown
        assert "61.2" in shown
        assert sentences == ([f"my photos: {sentence}"] if width == 60 else [])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["none/*"], "nothing matches none/*"),
        (["."], "--model zz: "),
        ([".", "--model", "triposr"], "takes one photo of an object"),
        ([".", "-o", "x.obj"], ".obj is unknown"),
        ([".", "-o", "{name}/x.ply", "--summary", "x/x.json"], "--summary x/x.json is where the scene of . goes"),
        ([".", "-o", f"{__file__}/{{name}}.ply"], "is not a folder"),
        ([".", "--views", "1"], "--views 1: a scene needs at least 2 photos"),
    ],
)
def test_what_suits_no_folder_is_one_sentence_before_any_work(arguments, sentence, tmp_path, monkeypatch):
    (place := tmp_path / "x").mkdir()
    monkeypatch.chdir(place)
    done = ilrm("batch", *arguments, "--model", "zz") if "--model" in sentence else ilrm("batch", *arguments)
    assert done.status == 1
    assert sentence.removeprefix("--model ") in done.sentence
    assert list(tmp_path.rglob("*")) == [place]


def test_it_has_every_option_of_reconstruct():
    def options(command: str) -> set[str]:
        parameters = app.command(command).params
        names = (name for parameter in parameters for name in (*parameter.opts, *parameter.secondary_opts))
        return {name for name in names if name.startswith("-")}

    assert options("batch") == options("reconstruct") - OF_ONE_SCENE | OWN_OPTIONS
    assert {option_of(field.name) for field in dataclasses.fields(Settings)} <= options("batch")
