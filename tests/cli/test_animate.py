"""`ilrm animate`: a film of a head, and the sentences about what it cannot be made from."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ilrm_cli.data.synthetic.heads.config import PositionNoise
from ilrm_cli.models.checkpoint import blueprint_with, load_model
from ilrm_cli.pipeline.head import load_head
from ilrm_cli.render.rasterize import pixels_of, render
from ilrm_cli.train.config import TINY_MODELS
from tests.support.command_line import Outcome, ilrm
from tests.support.family import drawn, saved
from tests.support.heads import SMALL, small_avatar, small_head

CODES = [[0.0] * SMALL.code, [1.0] * SMALL.code]


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    return saved(small_avatar(), tmp_path_factory.mktemp("avatar"))


@pytest.fixture
def head(tmp_path) -> Path:
    """Return a folder with a head and two expressions."""
    folder = small_head(tmp_path / "heads")
    (folder / "two.json").write_text(json.dumps(CODES))
    return folder


def animated(head: Path, weights: Path, output: Path, *options: str | Path, expressions: str = "two.json") -> Outcome:
    words = (head / "head.json", head / expressions, "-o", output, "--model", weights, "--size", "48")
    return ilrm("animate", *words, *options, "--json")


def test_a_head_written_by_synth_is_filmed_as_its_line_says(weights, tmp_path):
    written = ilrm("synth", tmp_path / "heads", "--heads", "-n", "1", "--size", "32")
    words = next(line for line in written.out.splitlines() if "ilrm animate" in line).split("ilrm ")[1].split()
    words[words.index("film.mp4")], words[words.index("WEIGHTS")] = tmp_path / "frames", weights
    done = ilrm(*words, "--size", "48", "--json")
    assert done.status == 0, done.err
    assert done.json["frames"] == len(list((tmp_path / "frames").iterdir()))


def changed(head: Path, change) -> None:
    """Change the head's file in place."""
    content = json.loads((head / "head.json").read_text())
    change(content)
    (head / "head.json").write_text(json.dumps(content))


def test_each_frame_is_the_head_with_that_expression(head, weights, tmp_path):
    done = animated(head, weights, tmp_path / "frames", "--at", "images/002.png", "--precision", "fp32")
    assert done.status == 0, done.err
    assert (done.json["frames"], done.json["width"], done.json["camera"]) == (2, 48, "images/002.png")
    network = load_model(str(weights)).model
    loaded = load_head(head / "head.json", network.capabilities)
    camera = loaded.views.cameras[[2]].resized(48, 48)
    for code, file in zip(CODES, sorted((tmp_path / "frames").iterdir()), strict=True):
        priors = replace(loaded.views.priors, expression=torch.tensor(code))
        with torch.inference_mode():
            scene = network([replace(loaded.views, priors=priors)])[0]
        assert len(scene) == done.json["gaussians"]
        np.testing.assert_array_equal(np.asarray(Image.open(file)), pixels_of(render(scene, camera).color[0]))
    first, last = (np.asarray(Image.open(file), np.int16) for file in sorted((tmp_path / "frames").iterdir()))
    assert np.abs(first - last).max() > 8


def test_depth_and_poses_do_as_well_as_exact_positions(weights, tmp_path):
    head = small_head(tmp_path / "exact", noise=PositionNoise(0.0, 0.0))
    (head / "two.json").write_text(json.dumps(CODES))
    assert animated(head, weights, tmp_path / "a", "--precision", "fp32").status == 0
    frames = json.loads((head / "transforms.json").read_text())["frames"]
    (head / "depth").mkdir()
    for index, frame in enumerate(frames):
        cam_from_world = np.linalg.inv(np.array(frame["transform_matrix"]) @ np.diag([1, -1, -1, 1]))
        positions = np.load(head / "positions" / f"{index:03}.npy")
        depth = positions @ cam_from_world[2, :3] + cam_from_world[2, 3]
        np.save(head / "depth" / f"{index:03}.npy", np.where(positions.any(-1), depth, 0))

    def use_depth(content: dict) -> None:
        for index, photo in enumerate(content["photos"]):
            photo["depth"] = f"depth/{index:03}.npy"
            del photo["positions"]

    changed(head, use_depth)
    assert animated(head, weights, tmp_path / "b", "--precision", "fp32").status == 0
    pictures = [np.asarray(Image.open(tmp_path / name / "0000.png"), np.int16) for name in "ab"]
    assert np.abs(pictures[0] - pictures[1]).max() <= 2


def test_a_higher_confidence_leaves_more_out(head, weights, tmp_path):
    counts = [
        animated(head, weights, tmp_path / f"{least}.gif", "--confidence", least).json["gaussians"]
        for least in ("0", "0.5", "0.9")
    ]
    assert counts[0] > counts[1] > counts[2] > 0


def test_features_may_come_from_our_own_network(head, tmp_path):
    weights = saved(small_avatar(features=6), tmp_path, "features")
    assert "needs features" in animated(head, weights, tmp_path / "f.gif").sentence
    assert animated(head, weights, tmp_path / "f.gif", "--features", "frozen").status == 0


def test_the_film_says_how_fast_it_is_played(head, weights, tmp_path):
    (head / "slow.json").write_text(json.dumps({"fps": 5, "expressions": CODES}))
    assert animated(head, weights, tmp_path / "a.gif", expressions="slow.json").json["fps"] == 5
    assert animated(head, weights, tmp_path / "b.gif", "--fps", "10", expressions="slow.json").json["fps"] == 10
    assert animated(head, weights, tmp_path / "c.gif").json["fps"] == 24


def break_photo(content: dict) -> None:
    content["photos"][1]["photo"] = "images/absent.png"


def no_map(content: dict) -> None:
    del content["photos"][1]["positions"]


def both_maps(content: dict) -> None:
    content["photos"][1]["depth"] = content["photos"][1]["positions"]


def absent_map(content: dict) -> None:
    content["photos"][1]["positions"] = "absent.npy"


def wrong_map(content: dict) -> None:
    content["photos"][1]["positions"] = content["photos"][1]["confidence"]


def no_array(content: dict) -> None:
    content["photos"][1]["confidence"] = "images/001.png"


def three_photos(content: dict) -> None:
    content["photos"].pop()


def other_key(content: dict) -> None:
    content["photos"][0]["maps"] = "x"


def no_poses(content: dict) -> None:
    content["poses"] = "images"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (break_photo, "which is not there"), (no_map, "either positions or depth"),
        (both_maps, "either positions or depth"), (absent_map, r"absent.npy is not there"),
        (wrong_map, "rows x columns x 3 is needed"), (no_array, "cannot be read as a .npy"),
        (three_photos, "lists 3 photos, and the model takes 4"), (other_key, "unknown fields"),
        (no_poses, "no transforms.json"),
    ],
)  # fmt: skip
def test_a_head_that_is_not_whole_gets_a_sentence(change, said, head, weights, tmp_path):
    changed(head, change)
    done = animated(head, weights, tmp_path / "f.gif")
    assert done.status == 1
    assert said in done.sentence
    assert not (tmp_path / "f.gif").exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[]", "holds no expression"), ("[[1, 2]]", "has 2 numbers, and the model takes 6"), ("{", "not valid JSON"),
        ("[[1, 2, 3, 4, 5, NaN]]", "not finite"), ('{"expressions": [["a"]]}', "no expressions"),
        ("7", "no expressions"),
        (json.dumps({"fps": 0, "expressions": CODES}), "frames per second"),
    ],
)  # fmt: skip
def test_expressions_that_cannot_be_shown_get_a_sentence(content, said, head, weights, tmp_path):
    (head / "bad.json").write_text(content)
    done = animated(head, weights, tmp_path / "f.gif", expressions="bad.json")
    assert done.status == 1
    assert said in done.sentence


def test_other_mistakes_get_a_sentence(head, weights, tmp_path):
    out = tmp_path / "f.gif"
    assert "--at images/9.png: no photo" in animated(head, weights, out, "--at", "images/9.png").sentence
    assert "no such plug-in" in animated(head, weights, out, "--positions", "absent").sentence
    other = saved(drawn(blueprint_with(TINY_MODELS["gs-lrm"]).build()), tmp_path, "other")
    assert "animates no heads" in animated(head, other, out).sentence
    assert "published neither code nor weights" in animated(head, Path("avat3r"), out).sentence
    for photo in (head / "confidence").iterdir():
        np.save(photo, np.zeros((32, 32), np.float32))
    assert "no pixel" in animated(head, weights, out).sentence
    np.save(head / "confidence" / "000.npy", np.full((32, 32), 2.0))
    assert "between 0 and 1" in animated(head, weights, out).sentence


def test_what_is_read_is_never_replaced(head, weights):
    """Numbered frames of the film f.png have the names of these photos."""
    for index in range(4):
        (head / "images" / f"{index:03}.png").rename(head / "images" / f"f_{index:04}.png")
    for file in ("transforms.json", "head.json"):
        text = (head / file).read_text()
        (head / file).write_text(text.replace("images/0", "images/f_00"))
    before = {path: path.read_bytes() for path in head.rglob("*") if path.is_file()}
    done = animated(head, weights, head / "images" / "f.png", "-w")
    assert done.status == 1
    assert {path: path.read_bytes() for path in head.rglob("*") if path.is_file()} == before
