"""A scene that was made before is fitted further, from its record alone, and what comes of it can be made again."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ilrm_cli.capture.photos.folder import open_folder
from ilrm_cli.geometry.cameras import Lens
from ilrm_cli.geometry.views import Capture, LeftOut, PosedPhoto
from ilrm_cli.pipeline import recorded
from ilrm_cli.pipeline.optimize.fit import EFFORTS
from ilrm_cli.pipeline.predict import Prediction
from ilrm_cli.pipeline.reconstruct import posed_photos
from ilrm_cli.pipeline.refine_poses import posed_as_recorded
from ilrm_cli.pipeline.select_inputs import select_again
from ilrm_cli.pipeline.settings import FurtherSettings, Settings
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.scene.record import read_record
from tests.cli.conftest import SAMPLES
from tests.support.command_line import ilrm

LENS = Lens("SIMPLE_PINHOLE", (40.0, 20.0, 15.0), 40, 30)
SMALL = ("--views", "3", "--size", "64", "--no-auto-scale")


def capture(count: int) -> Capture:
    photos = tuple(PosedPhoto(f"{i:02d}.png", Path(f"{i:02d}.png"), LENS, np.eye(4)) for i in range(count))
    return Capture(photos, count + 1, "colmap", np.zeros((0, 3)), left_out=(LeftOut("broken.png", "it is cut short"),))


def names(photos: tuple[PosedPhoto, ...]) -> list[int]:
    return [int(photo.name[:2]) for photo in photos]


def test_photos_keep_the_parts_that_they_played():
    again = select_again(capture(9), ["02.png", "04.png"], ["00.png", "08.png"], ["05.png", "broken.png"], 8)
    assert names(again.used) == [2, 4]
    assert names(again.fitted) == [1, 2, 3, 4, 6, 7]
    assert names(again.held_out) == names(again.scored) == [0, 8]


@pytest.mark.parametrize(("hold_out", "held"), [(8, [1, 6]), (3, [1, 4, 7]), (0, []), (2, [1, 3, 4, 6, 7])])
def test_of_a_draft_only_photos_that_the_model_did_not_see_judge(hold_out, held):
    again = select_again(capture(9), ["00.png", "02.png", "05.png"], None, ["broken.png"], hold_out)
    assert names(again.scored) == held
    assert names(again.fitted) == [i for i in range(9) if i not in held]
    assert [photo.name for photo in again.left_out] == ["broken.png"]


def test_of_a_draft_from_all_photos_none_is_left_to_judge():
    again = select_again(capture(2), ["00.png", "01.png"], None, [], 8)
    assert (names(again.fitted), names(again.scored)) == ([0, 1], [])


def test_choices_are_those_of_the_record_unless_made_anew():
    assert FurtherSettings().after(Settings(quality="high", seed=7)) == Settings(quality="high", seed=7)
    assert FurtherSettings().after(Settings(refine=50)) == Settings(quality="standard")
    chosen = FurtherSettings(quality="high", device="cpu")
    assert chosen.after(Settings(views=4)) == Settings(views=4, quality="high", device="cpu")
    assert chosen.after(Settings()).narrowed(FurtherSettings) == replace(chosen, geometry=False)
    larger = Settings(quality="high", fit_side_px=800)
    assert FurtherSettings().after(larger) == larger
    assert FurtherSettings().after(Settings(geometry=True)).geometry
    assert FurtherSettings(geometry=True).after(Settings()).geometry
    assert not FurtherSettings(geometry=False).after(Settings(geometry=True)).geometry
    assert FurtherSettings(fit_side_px=1024).after(larger).fit_side_px == 1024


@pytest.fixture
def project(tmp_path) -> Path:
    return shutil.copytree(SAMPLES / "posed", tmp_path / "posed")


@pytest.mark.usefixtures("tiny_efforts")
@pytest.mark.parametrize(("quality", "frame"), [("standard", "up"), ("draft", "input")])
def test_a_scene_goes_on_from_where_it_was_and_can_be_made_again(project, quality, frame):
    first, second = project.parent / "first.ply", project.parent / "second.ply"
    options = (
        "--quality",
        quality,
        "--frame",
        frame,
        *(("--no-use-all", "--geometry") if quality == "standard" else ()),
    )
    options += ("--scale-from", "001.jpg 012.jpg 3m")
    made = ilrm("reconstruct", project, "-o", first, *SMALL, *options, "--json").json
    done = ilrm("refine", first, "-o", second, "--json")
    assert done.status == 0, done.err
    found, fit = done.json, done.json["optimize"]
    assert found["refined_from"] == {
        "scene": "first.ply",
        "sha256": json.loads(first.with_suffix(".json").read_text())["ply_sha256"],
    }
    assert found["metres_per_unit"] == made["metres_per_unit"] > 0
    assert found["views"]["used"] == made["views"]["used"]
    assert set(found["views"]["fitted"]) | set(found["views"]["held_out"]) == {f"{i:03d}.jpg" for i in range(1, 13)}
    assert not set(found["views"]["used"]) & set(found["views"]["held_out"])
    if quality == "standard":
        assert found["views"]["held_out"] == made["views"]["held_out"]
        # Within the rounding of the file and of its frame.
        assert fit["psnr_before"] == pytest.approx(made["optimize"]["psnr_after"], abs=0.01)
    assert fit["psnr_after"] >= fit["psnr_before"]
    record = json.loads(second.with_suffix(".json").read_text())
    assert record["refined_from"] == found["refined_from"]
    assert record["settings"]["frame"] == frame
    assert record["settings"]["geometry"] == (quality == "standard")
    assert ilrm("replay", second, "--json").json["identical"]


@pytest.mark.usefixtures("tiny_efforts")
def test_the_scene_that_is_named_goes_on_in_whatever_format_it_is(project):
    scene, kept = project.parent / "scene.ply", project.parent / "scene.spz"
    assert ilrm("reconstruct", project, "-o", scene, *SMALL, "--quality", "draft").status == 0
    assert ilrm("export", scene, "-o", kept).status == 0
    scene.unlink()
    done = ilrm("refine", kept, "-o", project.parent / "second.ply", "--json")
    assert done.status == 0, done.err
    assert done.json["refined_from"]["scene"] == "scene.spz"
    assert "scene.ply does not exist" in ilrm("refine", scene, "-o", project.parent / "third.ply").sentence


@pytest.mark.usefixtures("tiny_efforts")
@pytest.mark.parametrize(("quality", "thinned"), [("draft", True), ("standard", False)])
def test_a_draft_is_thinned_like_a_prediction_and_what_was_fitted_is_not(project, monkeypatch, quality, thinned):
    scene, starts = project.parent / "scene.ply", list[Prediction]()
    assert ilrm("reconstruct", project, "-o", scene, *SMALL, "--quality", quality).status == 0

    def caught(predict: object, predicted: Prediction, *_: object, **__: object) -> None:
        starts.append(predicted)
        raise InputError("enough")

    monkeypatch.setattr(recorded, "fit_photos", caught)
    assert "enough" in ilrm("refine", scene, "-o", project.parent / "other.ply").sentence
    assert (starts[0].support is not None) == thinned


@pytest.mark.slow
def test_a_scene_that_has_seen_all_photos_goes_on_without_a_judge(project, monkeypatch):
    monkeypatch.setitem(EFFORTS, "standard", replace(EFFORTS["standard"], steps=160, long_side_px=96))
    first, second = project.parent / "first.ply", project.parent / "second.ply"
    made = ilrm("reconstruct", project, "-o", first, *SMALL)
    assert "12 of 12 photos in" in made.out
    assert json.loads(first.with_suffix(".json").read_text())["optimize"]["last_steps"] > 0
    done = ilrm("refine", first, "-o", second)
    assert "Fitted to 12 photos of 96x64 px in 160 of 160 steps; no photo judged it." in done.out
    assert "The scene was fitted to all 12 photos, as the one before, so the quality is not measured" in done.out
    assert ilrm("replay", second, "--json").json["identical"]


@pytest.mark.usefixtures("tiny_efforts")
def test_what_it_cannot_go_on_from_is_said(project, tmp_path):
    scene, out = tmp_path / "first.ply", tmp_path / "second.ply"
    assert ilrm("reconstruct", project, "-o", scene, *SMALL, "--quality", "draft").status == 0
    assert "would take the place of" in ilrm("refine", scene, "-o", tmp_path / "first.spz", "-w").sentence
    assert ilrm("refine", scene, "-o", out).status == 0
    scene.write_bytes(scene.read_bytes() + b" ")
    assert "first.ply, from which" in ilrm("replay", out).sentence

    (project / "sparse" / "0" / "points3D.bin").write_bytes(b"")
    changed = ilrm("refine", scene, "-o", tmp_path / "third.ply").sentence
    assert "the photos in" in changed
    assert "are not those that" in changed
    Image.new("RGB", (8, 8)).save(project / "images" / "001.jpg")
    assert "make the scene again" in ilrm("refine", scene, "-o", tmp_path / "third.ply").sentence
    shutil.rmtree(project)
    assert "say where they are with --photos" in ilrm("refine", scene, "-o", tmp_path / "third.ply").sentence
    assert not (tmp_path / "third.ply").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("tiny_efforts")
def test_refined_poses_are_recorded_and_gone_on_with(project):
    first, second = project.parent / "first.ply", project.parent / "second.ply"
    placed = ("--frame", "up", "--origin", "1,-2,3")
    options = ("--refine-poses", "on", *placed)
    made = ilrm("reconstruct", project, "-o", first, *SMALL, *options, "--json").json
    plain = project.parent / "plain.ply"
    ilrm("reconstruct", project, "-o", plain, *SMALL, "--refine-poses", "off", *placed, "--json")
    assert made["poses_refined"]["turn_deg"] > 0
    assert made["poses_refined"]["psnr_as_given"] is not None
    assert made["optimize"]["pose_gain_db"] is not None
    record, before = (json.loads(scene.with_suffix(".json").read_text()) for scene in (first, plain))
    assert record["poses_refined"] == made["poses_refined"]
    assert before["poses_refined"] is None
    poses, given = (
        {view["name"]: np.array(view["world_from_cam"]) for view in told["views"]} for told in (record, before)
    )
    assert all(0 < np.abs(pose - given[name]).max() < 0.3 for name, pose in poses.items())
    assert ilrm("replay", first, "--json").json["identical"]
    begun = posed_as_recorded(posed_photos(open_folder(project), Settings()), read_record(first.with_suffix(".json")))
    frame = np.array(record["frame_from_input"])
    for photo in begun.photos:
        photo.world_from_cam[:3, 3] -= record["origin"]
        np.testing.assert_allclose(frame @ photo.world_from_cam[:3], poses[photo.name][:3], atol=1e-5)
    ilrm("refine", first, "-o", second, "--json")
    views = json.loads(second.with_suffix(".json").read_text())["views"]
    after = {view["name"]: np.array(view["world_from_cam"]) for view in views}
    moved = {name: np.abs(pose - poses[name]).max() for name, pose in after.items()}
    assert max(moved.values()) > 0, "they are refined further"
    assert sum(moved.values()) < sum(np.abs(pose - given[name]).max() for name, pose in after.items())
    assert ilrm("replay", second, "--json").json["identical"]
