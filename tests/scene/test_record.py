"""Records, where they lie and how they name the photos."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.transforms import Similarity
from ilrm_cli.geometry.views import LeftOut
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.scene.checks import check_scene_output, existing_record, place_as_recorded, record_path
from ilrm_cli.scene.record import (
    SceneRecord,
    cameras_of,
    encode_record,
    photo_folder_of,
    read_record,
    recorded_views,
    scene_of,
)
from tests.support.records import write_record

POSE = [[1.0, 0, 0, 0.1], [0, 0, 1, 2], [0, -1, 0, 3], [0, 0, 0, 1]]


def two_cameras() -> Cameras:
    poses = torch.tensor([POSE, POSE], dtype=torch.float64)
    poses[1, 0, 3] = 1 / 3
    return Cameras(poses, torch.full((2, 2), 70.5).double(), torch.tensor([[32.0, 24.25]] * 2).double(), 64, 48)


def record() -> SceneRecord:
    return SceneRecord(
        views=recorded_views(["b/1.jpg", "b/2.jpg"], ["aa", "bb"], two_cameras(), "input")
        + recorded_views(["3.jpg"], ["cc"], two_cameras()[:1], "held_out", [3]),
        model_from_world=Similarity(2.0, torch.eye(3).double(), torch.tensor([1.0, 2, 3]).double()),
        model={"name": "default", "sha256": "ff"},
        seed=7,
        settings={"views": 8, "refine": 0},
        timings_s={"inference": 0.5},
        scores={"psnr": 21.5},
        warnings=('skipped [\n1, 2\n] "x.jpg"',),
        left_out=(LeftOut("4.jpg", "it is cut short"),),
        frame="up",
        up=(0.0, 0.0, 1.0),
        frame_from_input=((1.0, 0.0, 0.0), (0.0, 0.0, 1.0), (0.0, -1.0, 0.0)),
        auto_scale={"factor": 2.0},
        versions={"torch": "2"},
    )


def test_json_that_others_can_read() -> None:
    text = encode_record(record()).decode()
    content = json.loads(text)
    assert list(content)[:4] == ["format", "ilrm", "views", "model_from_world"]
    assert content["views"][0]["world_from_cam"] == POSE
    assert content["views"][2]["role"] == "held_out"
    assert content["scores"] == {"psnr": 21.5}
    assert content["left_out"] == [{"name": "4.jpg", "reason": "it is cut short"}]
    assert content["frame_from_input"][1] == [0, 0, 1]
    assert "[70.5, 70.5]" in text
    assert content["warnings"] == ['skipped [\n1, 2\n] "x.jpg"']


def test_photos_near_the_scene_move_with_it(tmp_path: Path) -> None:
    project = tmp_path / "project"
    for folder in ("out", "photos", "out/more"):
        (project / folder).mkdir(parents=True)
    file = project / "out" / "scene.json"
    for place, recorded in (("photos", "../photos"), ("out", "."), ("out/more", "more"), (".", "..")):
        assert place_as_recorded(project / place, file) == recorded
    far = tmp_path / "far"
    assert place_as_recorded(far, file) == far.as_posix()

    beside, away = (replace(record(), photos=photos) for photos in ("../photos", far.as_posix()))
    moved = project.rename(tmp_path / "moved") / "out" / "scene.json"
    assert photo_folder_of(beside, moved) == tmp_path / "moved" / "photos"
    assert photo_folder_of(beside, tmp_path / "scene.json") is None
    assert photo_folder_of(away, moved) is None
    far.mkdir()
    assert photo_folder_of(away, moved) == far


def test_records_from_before_the_place_of_the_photos_was_kept_still_read(tmp_path: Path) -> None:
    content = json.loads(encode_record(record()))
    for key in ("photos", "scene_suffix", "machine"):
        del content[key]
    file = tmp_path / "scene.json"
    file.write_text(json.dumps(content))
    assert photo_folder_of(read_record(file), file) is None


def test_newer_versions_may_tell_more_of_photos_left_out_and_of_the_normalisation(tmp_path: Path) -> None:
    content = json.loads(encode_record(record()))
    content["left_out"][0]["code"] = 7
    content["model_from_world"]["source"] = "search"
    file = tmp_path / "scene.json"
    file.write_text(json.dumps(content))
    assert encode_record(read_record(file)) == encode_record(record())


def test_how_photos_were_turned_is_unknown_in_older_records(tmp_path: Path) -> None:
    assert [view.quarter_turns for view in record().views] == [None, None, 3]
    content = json.loads(encode_record(record()))
    for view in content["views"]:
        del view["quarter_turns"]
    (tmp_path / "scene.json").write_text(json.dumps(content))
    assert [view.quarter_turns for view in read_record(tmp_path / "scene.json").views] == [None] * 3


def test_a_score_that_is_not_finite_becomes_null() -> None:
    content = json.loads(encode_record(replace(record(), scores={"psnr": float("inf")})))
    assert content["scores"] == {"psnr": None}


def test_round_trip(tmp_path: Path) -> None:
    file = tmp_path / "scene.json"
    written = record()
    write_record(file, written)
    read = read_record(file)
    assert replace(read, model_from_world=written.model_from_world) == written
    assert torch.equal(read.model_from_world.translation, written.model_from_world.translation)
    assert encode_record(read) == file.read_bytes()
    cameras = cameras_of(read, "input")
    assert cameras is not None
    assert torch.equal(cameras.world_from_cam, two_cameras().world_from_cam)
    assert (cameras.width, cameras.height) == (64, 48)
    assert cameras_of(replace(read, views=read.views[:2]), "held_out") is None


def with_view(content: dict, **change) -> str:
    """Change the first view of a record."""
    return json.dumps({**content, "views": [{**content["views"][0], **change}, *content["views"][1:]]})


def with_similarity(content: dict, **change) -> str:
    return json.dumps({**content, "model_from_world": {**content["model_from_world"], **change}})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: "[1, 2", "is damaged"),
        (lambda c: "[1, 2]", "is no record of an ilrm scene"),
        (lambda c: '{"camera_model": "OPENCV"}', "is no record of an ilrm scene"),
        (lambda c: json.dumps({**c, "format": 99}), "has format 99"),
        (lambda c: json.dumps({k: v for k, v in c.items() if k != "views"}), "missing required field `views`"),
        (lambda c: json.dumps({**c, "versions": 1}), r"got `int` - at `\$.versions`"),
        (lambda c: json.dumps({**c, "frame": "sideways"}), r"'sideways' - at `\$.frame`"),
        (lambda c: json.dumps({**c, "up": [0, 1]}), r"length .* - at `\$.up`"),
        (lambda c: json.dumps({**c, "colour": 1}), r"unknown fields - at `\$.colour`"),
        (lambda c: with_view(c, role="spare"), r"'spare' - at `\$.views\[0\].role`"),
        (lambda c: with_view(c, focal_px=[1]), r"length 2, got 1 - at `\$.views\[0\].focal_px`"),
        (lambda c: with_view(c, focal_px=[1, None]), r"got `null` - at `\$.views\[0\].focal_px\[1\]`"),
        (lambda c: with_view(c, name=[]), r"Expected `str`, got `array` - at `\$.views\[0\].name`"),
        (lambda c: with_view(c, world_from_cam=POSE[:3]), r"length .* - at `\$.views\[0\].world_from_cam`"),
        (lambda c: with_view(c, quarter_turns=4), r"<= 3 - at `\$.views\[0\].quarter_turns`"),
        (lambda c: with_view(c, width=9), "different sizes"),
        (lambda c: with_view(c, world_from_cam=[[-1, 0, 0, 0], *POSE[1:]]), "no rotation and position"),
        (lambda c: with_view(c, world_from_cam=[[float("nan"), 0, 0, 0], *POSE[1:]]), "no rotation and position"),
        (lambda c: with_view(c, world_from_cam=[[1, 0, 0, 1e15], *POSE[1:]]), "no rotation and position"),
        (lambda c: with_view(c, focal_px=[-1, 0]), "none has"),
        (lambda c: with_view(c, focal_px=[float("inf"), 70]), "none has"),
        (lambda c: with_view(c, center_px=[1e30, 24]), "none has"),
        (lambda c: json.dumps({**c, "views": [{**v, "width": 0, "height": 0} for v in c["views"]]}), "none has"),
        (
            lambda c: json.dumps({**c, "views": [{**v, "width": 10**5, "height": 10**5} for v in c["views"]]}),
            "none has",
        ),
        (lambda c: json.dumps({**c, "background": [float("inf"), 0, 0]}), "background outside"),
        (lambda c: json.dumps({**c, "background": [-0.1, 0, 0]}), "background outside"),
        (lambda c: json.dumps({**c, "up": [float("nan")] * 3}), "no direction"),
        (lambda c: json.dumps({**c, "up": [0, 0, 0]}), "no direction"),
        (lambda c: json.dumps({**c, "frame_from_input": [[0, 0, 0]] * 3}), "frame_from_input"),
        (lambda c: with_similarity(c, rotation=[[1, 0, 0], [0, 1, 0], [0, 0, -1]]), "no rotation and translation"),
        (lambda c: with_similarity(c, translation=[float("nan"), 0, 0]), "no rotation and translation"),
        (lambda c: with_similarity(c, scale=1e300), "absurd"),
        (lambda c: json.dumps({**c, "x": 0})[:-1] + ', "y":' + "[" * 5000, "nested too deeply"),
        (lambda c: with_similarity(c, scale=0), "no positive number"),
        (lambda c: with_similarity(c, rotation=[1]), r"another shape .* - at `\$.model_from_world.rotation`"),
        (lambda c: with_similarity(c, rotation=[[None]]), r"array of numbers - at `\$.model_from_world.rotation`"),
    ],
)
def test_broken_records(tmp_path: Path, change, message: str) -> None:
    file = tmp_path / "scene.json"
    file.write_text(change(json.loads(encode_record(record()))))
    with pytest.raises(InputError, match=message):
        read_record(file)


def test_the_record_lies_beside_the_scene() -> None:
    for name in ("scene.ply", "scene.spz", "scene.compressed.ply", "scene.Compressed.PLY"):
        assert record_path(Path("a") / name) == Path("a/scene.json")
    assert record_path(Path("a/scene.v2.compressed.ply")) == Path("a/scene.v2.json")
    assert record_path(Path("a/compressed.ply")) == Path("a/compressed.json")


def test_the_record_of_an_unbundled_scene_lies_beside_its_folder(tmp_path: Path, monkeypatch) -> None:
    (inside := tmp_path / "scene" / "deeper").mkdir(parents=True)
    beside = tmp_path / "scene.json"
    monkeypatch.chdir(inside.parent)
    for place in ("meta.json", ".", "deeper/..", tmp_path / "scene", tmp_path / "scene" / "meta.json"):
        assert record_path(Path(place)) == beside
    monkeypatch.chdir(inside)
    assert record_path(Path("..")) == record_path(Path("../meta.json")) == beside
    assert record_path(Path("/meta.json")).parent == Path("/")


def test_a_meta_json_is_a_scene_unless_it_is_the_record_of_one(tmp_path: Path) -> None:
    (tmp_path / "scene").mkdir()
    meta, beside = tmp_path / "scene" / "meta.json", tmp_path / "scene.json"
    meta.write_text("{}")
    with pytest.raises(InputError, match=r"the record .*scene\.json does not exist"):
        existing_record(meta)
    write_record(beside, record())
    assert existing_record(meta) == existing_record(meta.parent) == existing_record(beside) == beside
    write_record(meta, record())  # of a meta.ply
    assert existing_record(meta) == meta


def test_the_scene_of_a_record_is_as_written_or_else_the_only_one_there(tmp_path: Path) -> None:
    file = tmp_path / "a.v2.json"
    of_ply, of_spz = (replace(record(), scene_suffix=suffix) for suffix in (".compressed.ply", ".spz"))
    assert scene_of(of_ply, file) == tmp_path / "a.v2.compressed.ply", "though it is missing"
    (tmp_path / "a.v2.spz").touch()
    assert scene_of(of_ply, file) == scene_of(of_spz, file) == tmp_path / "a.v2.spz"
    (tmp_path / "a.v2.compressed.ply").touch()
    assert scene_of(of_ply, file) == tmp_path / "a.v2.compressed.ply"
    assert scene_of(of_spz, file) == tmp_path / "a.v2.spz"
    assert scene_of(record(), file) == tmp_path / "a.v2.ply", "any of two may be meant"


def test_photos_at_the_root_are_named_by_their_own_path() -> None:
    assert place_as_recorded(Path("/photos/a"), Path("/out/scene.json")) == "/photos/a"


def test_the_record_of_no_scene_is_no_hindrance_and_others_are(tmp_path):
    """A process that is killed between the two files leaves the first, its record."""
    scene, file = tmp_path / "s.ply", tmp_path / "s.json"
    write_record(file, record())
    check_scene_output(scene, overwrite=False)
    scene.with_suffix(".spz").touch()
    with pytest.raises(InputError, match=r"s\.json exists; pass -w"):
        check_scene_output(scene, overwrite=False)
    scene.with_suffix(".spz").unlink()
    file.write_text('{"frames": []}')
    with pytest.raises(InputError, match=r"s\.json is not a scene's record and would be replaced"):
        check_scene_output(scene, overwrite=False)
