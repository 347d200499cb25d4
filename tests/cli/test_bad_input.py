"""Tests of mistakes that users make: one sentence, exit status 1, and no partial file."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.runtime.errors import InputError
from tests.support.command_line import ilrm


def refused(tmp_path: Path, *arguments: str | Path) -> str:
    """Run a command that must fail; return its sentence, which stderr and the JSON object both hold."""
    before = set(tmp_path.rglob("*"))
    outcome = ilrm(*arguments, "--json")
    assert outcome.status == 1, outcome
    assert set(tmp_path.rglob("*")) == before, "something was left behind"
    assert outcome.json["status"] == "failed"
    assert outcome.sentence == f"error: {outcome.json['error']}"
    return outcome.sentence


def noise_photo(path: Path, seed: int = 0, cell_px: int = 20) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (240 // cell_px, 320 // cell_px, 3), np.uint8)
    Image.fromarray(pixels).resize((320, 240), Image.Resampling.BICUBIC).save(path)


def test_missing_folder(tmp_path):
    sentence = refused(tmp_path, "reconstruct", tmp_path / "absent", "-o", tmp_path / "s.ply")
    assert "absent does not exist" in sentence
    for_people = ilrm("reconstruct", tmp_path / "absent", "-o", tmp_path / "s.ply")
    assert (for_people.status, for_people.out, for_people.sentence) == (1, "", sentence)


def test_names_that_look_like_markup(tmp_path):
    assert "[/red] does not exist" in refused(tmp_path, "reconstruct", tmp_path / "[/red]", "-o", tmp_path / "s.ply")


def test_no_photos(tmp_path):
    (tmp_path / "empty").mkdir()
    assert "photo" in refused(tmp_path, "reconstruct", tmp_path / "empty", "-o", tmp_path / "s.ply")


def test_one_photo(tmp_path):
    noise_photo(tmp_path / "one" / "a.jpg")
    command = ("reconstruct", tmp_path / "one", "-o", tmp_path / "s.ply")
    assert "holds only one photo" in refused(tmp_path, *command)
    assert ilrm(*command).err.startswith("error: "), "an empty line comes first"
    noise_photo(tmp_path / "one" / "b.jpg", seed=1)
    given = ("reconstruct", tmp_path / "one" / "a.jpg", tmp_path / "one" / "b.jpg", "-o", tmp_path / "s.ply")
    assert "you gave only two photos" in refused(tmp_path, *given)


def test_what_is_no_photo_is_not_counted(tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "a.jpg").write_text("hello")
    said = refused(tmp_path, "reconstruct", tmp_path / "one", "-o", tmp_path / "s.ply")
    assert "holds no photo that can be used" in said
    assert "a.jpg" in said


def test_photos_that_do_not_overlap(tmp_path):
    for i in range(3):
        noise_photo(tmp_path / "apart" / f"{i}.jpg", seed=i, cell_px=2)
    assert "no three of them share" in refused(tmp_path, "reconstruct", tmp_path / "apart", "-o", tmp_path / "s.ply")


def test_blurred_photos(tmp_path):
    for i in range(3):
        noise_photo(tmp_path / "blurred" / f"{i}.jpg", seed=i)
    assert "blurred" in refused(tmp_path, "reconstruct", tmp_path / "blurred", "-o", tmp_path / "s.ply")


def test_a_truncated_photo_among_good_ones_is_left_out_and_named(posed, tmp_path):
    victim = sorted((posed / "images").iterdir())[0]
    victim.write_bytes(victim.read_bytes()[: victim.stat().st_size // 2])
    draft = ("--quality", "draft", "--views", "3", "--size", "64", "--json")
    outcome = ilrm("reconstruct", posed, "-o", tmp_path / "s.ply", *draft)
    assert outcome.status == 0
    assert any(victim.name in warning for warning in outcome.json["warnings"])
    assert victim.name not in outcome.json["views"]["used"] + outcome.json["views"]["held_out"]


def test_colmap_model_whose_photos_are_absent(posed, tmp_path):
    for photo in (posed / "images").iterdir():
        photo.unlink()
    assert "names" in refused(tmp_path, "reconstruct", posed, "-o", tmp_path / "s.ply")


def test_broken_transforms(tmp_path):
    noise_photo(tmp_path / "t" / "a.jpg")
    (tmp_path / "t" / "transforms.json").write_text('{"frames": [')
    assert "transforms.json" in refused(tmp_path, "reconstruct", tmp_path / "t", "-o", tmp_path / "s.ply")


def test_output_exists(posed, tmp_path):
    (tmp_path / "s.ply").write_text("mine")
    assert "-w" in refused(tmp_path, "reconstruct", posed, "-o", tmp_path / "s.ply")
    assert (tmp_path / "s.ply").read_text() == "mine"


def test_a_json_that_is_not_ours_is_never_replaced(posed, tmp_path):
    for content in ('{"frames": []}', ""):
        (tmp_path / "transforms.json").write_text(content)
        command = ("reconstruct", posed, "-o", tmp_path / "transforms.ply")
        for words in ((), ("-w",)):
            assert "not a scene's record" in refused(tmp_path, *command, *words)
        assert (tmp_path / "transforms.json").read_text() == content


def test_output_folder_missing(posed, tmp_path):
    assert "is not a folder" in refused(tmp_path, "reconstruct", posed, "-o", __file__ + "/s.ply")


def test_unknown_suffix(posed, tmp_path, made):
    assert ".ply" in refused(tmp_path, "reconstruct", posed, "-o", tmp_path / "s.obj")
    assert ".mp4" in refused(tmp_path, "render", made[0], "-o", tmp_path / "s.avi")


def test_wrong_checkpoint(posed, tmp_path):
    (tmp_path / "w.pt").write_bytes(b"no weights")
    command = ("reconstruct", posed, "-o", tmp_path / "s.ply", "--model")
    assert "checkpoint" in refused(tmp_path, *command, tmp_path / "w.pt")
    assert "no such model" in refused(tmp_path, *command, "nonsense")


@pytest.mark.parametrize("views", [1, 99])
def test_impossible_number_of_views(posed, tmp_path, views):
    sentence = refused(tmp_path, "reconstruct", posed, "-o", tmp_path / "s.ply", "--views", str(views))
    assert f"--views {views}" in sentence


def test_a_pass_too_large_or_long_is_told_before_poses_are_looked_for(posed, tmp_path, monkeypatch):
    from ilrm_cli.models import memory_plan
    from ilrm_cli.pipeline import reconstruct as stage

    def gather(*_, **__):
        raise InputError("poses are looked for.")

    monkeypatch.setattr(stage, "gather", gather)
    command = ("reconstruct", posed, "-o", tmp_path / "s.ply", "--views", "8", "--size", "1024", "--device", "cpu")
    done = ilrm(*command)
    assert done.err.startswith("warning: a pass over 8 views of 1024x")
    assert "poses are looked for" in done.sentence
    monkeypatch.setattr(memory_plan, "free_bytes", lambda device: 1 << 27)
    assert "GB are free; use " in refused(tmp_path, *command)


def test_cuda_where_there_is_none(posed, tmp_path):
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    sentence = refused(tmp_path, "reconstruct", posed, "-o", tmp_path / "s.ply", "--device", "cuda")
    assert "--device" in sentence


def test_nan_in_a_ply_is_counted(tmp_path):
    ply = tmp_path / "s.ply"
    write_raw_ply(ply, [0.0, float("nan"), 1.0])
    outcome = ilrm(
        "render", ply, "-o", tmp_path / "s.gif", "--seconds", "0.1", "--fps", "10", "--size", "32x32", "--json"
    )
    assert outcome.status == 0
    assert outcome.json["gaussians"] == 2
    assert any("1 Gaussians" in warning for warning in outcome.json["warnings"])


def test_a_ply_of_nothing_but_nan(tmp_path):
    write_raw_ply(tmp_path / "s.ply", [float("nan")] * 2)
    assert "finite" in refused(tmp_path, "render", tmp_path / "s.ply", "-o", tmp_path / "s.gif")


def write_raw_ply(path: Path, xs: list[float]) -> None:
    """Write a scene of small grey Gaussians with these x coordinates, NaN included."""
    import torch

    from ilrm_cli.scene.formats.ply import encode_ply
    from ilrm_cli.scene.formats.scene_file import SceneFile

    n = len(xs)
    clean = Gaussians(
        torch.zeros(n, 3), torch.tensor([1.0, 0, 0, 0]).repeat(n, 1), torch.full((n, 3), 0.1), torch.full((n,), 0.5),
        torch.zeros(n, 1, 3),
    )  # fmt: skip
    header, _, body = encode_ply(SceneFile(clean)).partition(b"end_header\n")
    rows = np.frombuffer(body, "<f4").reshape(n, -1).copy()
    rows[:, 0] = xs
    path.write_bytes(header + b"end_header\n" + rows.tobytes())


def test_failed_runs_say_so_in_json(tmp_path):
    outcome = ilrm("reconstruct", tmp_path / "absent", "--json")
    assert json.loads(outcome.out).keys() == {"command", "status", "error"}
