"""Tests that no name in a file decides where a command writes, and that no command writes to what it reads."""

import json
import shutil
from pathlib import Path

import numpy as np
import pycolmap
import pytest
from PIL import Image

from tests.cli.conftest import SAMPLES
from tests.support.command_line import ilrm
from tests.support.photographed import FOCAL, HEIGHT, WIDTH, cameras_on_an_arc, photograph
from tests.support.small_data_sets import arc, re10k_clip, write_re10k

SMALL = ("--views", "2", "--size", "64")  # of every command
DRAFT = ("--quality", "draft", *SMALL)
GL_FROM_CV = np.diag([1.0, -1.0, -1.0, 1.0])


def content(root: Path) -> dict[str, tuple[str, bytes]]:
    """Map every file and link below `root` to its bytes and its target."""
    return {
        path.relative_to(root).as_posix(): (str(path.readlink()) if path.is_symlink() else "", path.read_bytes())
        for path in root.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def outside(tmp_path) -> Path:
    """Return a folder of the user's files, which no test may change."""
    root = tmp_path / "user"
    (root / "project").mkdir(parents=True)
    return root


def photos_with_evil_names(root: Path) -> list[str]:
    """Write photos of the room under these names, as seen from the folder `project`; one of them has a mask."""
    names = [
        str(root / "phone" / "IMG_1.jpg"),  # absolute, outside
        str(root / "project" / "IMG_1.jpg"),  # absolute, inside
        "../IMG_1.jpg",
        "../../user/phone/IMG_2.jpg",
        "img_1.jpg",  # differs from another only in case
        "sub/link.jpg",
        "CON.jpg",
        "a:b?.jpg",
    ]
    (root / "project" / "sub").mkdir()
    (root / "phone").mkdir()
    for name, pose in zip(names, cameras_on_an_arc(len(names)), strict=True):
        file = root / "project" / name
        if name == "sub/link.jpg":
            file.symlink_to(root / "phone" / "linked.jpg")
            file = root / "phone" / "linked.jpg"
        Image.fromarray(photograph(pose)).save(file, quality=95)
    (root / "masks").mkdir()
    mask = np.full((HEIGHT, WIDTH), 255, dtype=np.uint8)
    mask[:20] = 0
    Image.fromarray(mask).save(root / "masks" / "IMG_1.jpg.png")
    return names


def write_transforms(root: Path, names: list[str]) -> None:
    frames = [
        {"file_path": name, "transform_matrix": (pose @ GL_FROM_CV).tolist()}
        for name, pose in zip(names, cameras_on_an_arc(len(names)), strict=True)
    ]
    frames[0]["mask_path"] = "../masks/IMG_1.jpg.png"
    lens = {"w": WIDTH, "h": HEIGHT, "fl_x": FOCAL, "fl_y": FOCAL, "cx": WIDTH / 2, "cy": HEIGHT / 2, "k1": -0.05}
    (root / "project" / "transforms.json").write_text(json.dumps(lens | {"frames": frames}))


def write_model(root: Path, names: list[str]) -> None:
    model = pycolmap.Reconstruction()
    model.add_camera_with_trivial_rig(
        pycolmap.Camera(
            model="SIMPLE_RADIAL", width=WIDTH, height=HEIGHT, params=[FOCAL, WIDTH / 2, HEIGHT / 2, -0.05], camera_id=1
        )
    )
    for image_id, (name, pose) in enumerate(zip(names, cameras_on_an_arc(len(names)), strict=True), 1):
        image = pycolmap.Image(name=name, camera_id=1, image_id=image_id)
        model.add_image_with_trivial_frame(image, pycolmap.Rigid3d(pose[:3]).inverse())
    (root / "project" / "sparse" / "0").mkdir(parents=True)
    model.write_binary(str(root / "project" / "sparse" / "0"))


@pytest.mark.parametrize("write", [write_transforms, write_model])
def test_pose_writes_below_its_output_and_keeps_every_photo(outside, tmp_path, write):
    names = photos_with_evil_names(outside)
    write(outside, names)
    before = content(outside)
    outcome = ilrm("pose", outside / "project", "-o", tmp_path / "out", "--json")
    assert outcome.status == 0, outcome.err
    assert content(outside) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "user"]
    written = [path for path in (tmp_path / "out" / "images").rglob("*") if path.is_file()]
    assert len(written) == len(names)
    model = pycolmap.Reconstruction(tmp_path / "out" / "sparse" / "0")
    assert {image.name for image in model.images.values()} == {
        path.relative_to(tmp_path / "out" / "images").as_posix() for path in written
    }
    again = ilrm("pose", tmp_path / "out", "-o", tmp_path / "again", "--json")
    assert again.json["pose_card"]["registered"] == len(names), again.err


def test_pose_replaces_no_folder_that_is_read_or_not_its_own(outside, tmp_path):
    """A project of another tool has the same names as ours, except for the pose card."""
    project = outside / "project"
    shutil.copytree(SAMPLES / "posed", project, dirs_exist_ok=True)
    (project / "transforms.json").write_text("{}")
    before = content(outside)
    assert "holds more than poses written by ilrm" in ilrm("pose", SAMPLES / "posed", "-o", project, "-w").sentence
    shutil.rmtree(project)
    assert ilrm("pose", SAMPLES / "posed", "-o", project).status == 0
    before = content(outside)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shared = json.loads((project / "transforms.json").read_text())
    for frame in shared["frames"]:
        frame["file_path"] = str(project / frame["file_path"])
    (elsewhere / "transforms.json").write_text(json.dumps(shared))
    assert "which is read" in ilrm("pose", elsewhere, "-o", project, "-w").sentence
    assert content(outside) == before


def test_evaluate_names_pictures_itself_and_replaces_nothing_unasked(outside, tmp_path):
    keys = ["../../user/project/photo", str(outside / "project" / "photo"), "aux", "KEY", "key"]
    for name in ("photo.png", "aux.png"):
        Image.new("RGB", (8, 8)).save(outside / "project" / name)
    root = write_re10k(outside / "re10k", [re10k_clip(key, arc(4)) for key in keys])
    index = outside / "index.json"
    index.write_text(json.dumps({key: {"context": [0, 3], "target": [1, 2]} for key in keys}))
    before = content(outside)
    out = tmp_path / "out"
    command = ("evaluate", root, "--protocol", "re10k", "--index", index, "--no-baselines", "-o", out)
    outcome = ilrm(*command)
    assert outcome.status == 0, outcome.err
    assert content(outside) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "user"]
    pictures = sorted(path.name for path in out.glob("*.png"))
    assert len({name.lower() for name in pictures}) == len(keys)
    for name in ("scores.json", "scores.csv"):
        (out / name).unlink()
    written = content(out)
    assert "exists; pass -w" in ilrm(*command).sentence
    assert content(out) == written


def test_evaluate_replaces_no_photo_even_with_w(outside):
    folder = outside / "project" / "posed"
    shutil.copytree(SAMPLES / "posed" / "sparse", folder / "sparse")
    shutil.copytree(SAMPLES / "posed" / "images", folder / "images")
    photo = folder / "images" / "posed.png"
    Image.new("RGB", (8, 8)).save(photo)
    before = content(outside)
    assert "read as an input" in ilrm("evaluate", folder, *SMALL, "-o", folder / "images", "-w").sentence
    assert content(outside) == before


@pytest.mark.parametrize(
    ("option", "name"),
    [("--trace", "images/001.png"), ("--report", "transforms.json"), ("--trace", "images"), ("--output", "images.ply")],
)
def test_reconstruct_replaces_no_input_and_no_link_even_with_w(outside, tmp_path, option, name):
    folder = outside / "project"
    shutil.copytree(SAMPLES / "posed" / "images", folder / "images")
    for photo in list((folder / "images").iterdir()):
        Image.open(photo).save(photo.with_name(f"0{photo.stem}.png" if name == "images" else f"{photo.stem}.png"))
        photo.unlink()
    (folder / "transforms.json").write_text('{"frames": []}')
    (folder / "images.ply").symlink_to(folder / "transforms.json")
    before = content(outside)
    outputs = [option, folder / name] + ([] if option == "--output" else ["-o", tmp_path / "out.ply"])
    outcome = ilrm("reconstruct", folder, *outputs, *SMALL, "-w")
    assert outcome.status == 1
    refusals = ("is a link",) if option == "--output" else ("read as an input", "was not written by ilrm")
    assert any(refusal in outcome.sentence for refusal in refusals)
    assert content(outside) == before
    assert not (tmp_path / "out.ply").exists()


def test_no_two_outputs_are_one_file(outside, tmp_path):
    places = ("--preview", tmp_path / "a.png", "--trace", tmp_path / "a.png")
    outcome = ilrm("reconstruct", SAMPLES / "posed", "-o", tmp_path / "out.ply", *places, *SMALL)
    assert "--preview" in outcome.sentence
    assert "a.png is what --trace writes too; choose another name" in outcome.sentence
    assert not list(tmp_path.glob("a.png"))


def test_render_replaces_no_photo_even_with_w(outside):
    folder = outside / "project"
    shutil.copytree(SAMPLES / "posed", folder, dirs_exist_ok=True)
    assert ilrm("reconstruct", folder, "-o", outside / "scene.ply", *DRAFT).status == 0
    photo = folder / "images" / "0000.png"
    Image.open(folder / "images" / "001.jpg").save(photo)
    before = content(outside)
    outcome = ilrm("render", outside / "scene.ply", "-o", folder / "images", "--seconds", "1", "--size", "32x24", "-w")
    assert "was not written by ilrm" in outcome.sentence
    (folder / "transforms.json").write_text('{"frames": []}')
    before = content(outside)
    film = ("-o", outside / "film.gif", "--seconds", "1", "--size", "32x24", "-w")
    outcome = ilrm("render", outside / "scene.ply", *film, "--save-path", folder / "transforms.json")
    assert "is read as an input from" in outcome.sentence
    assert content(outside) == before


def test_batch_fills_names_into_templates_as_names_alone(outside, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(outside))
    before = content(outside)
    for name in ("~", "{parent}", "CON"):
        shutil.copytree(SAMPLES / "posed", tmp_path / "in" / name)
    (tmp_path / "out").mkdir()
    outcome = ilrm("batch", *sorted((tmp_path / "in").iterdir()), "-o", "{name}/scene.ply", *DRAFT, "--json")
    assert outcome.status == 0, outcome.err
    assert content(outside) == before
    assert sorted(path.parent.name for path in tmp_path.glob("*/scene.ply")) == ["CON", "{parent}", "~"]


def test_batch_replaces_no_file_that_is_no_summary_of_its_own(outside, tmp_path):
    diary = outside / "project" / "transforms.json"
    diary.write_text('{"frames": []}')
    outcome = ilrm("batch", SAMPLES / "posed", "-o", tmp_path / "{name}.ply", "--summary", diary, *SMALL)
    assert "is no summary of a batch" in outcome.sentence
    assert diary.read_text() == '{"frames": []}'


def test_synth_replaces_only_its_own_scenes(outside):
    mine = outside / "project" / "000000"
    mine.mkdir()
    (mine / "holiday.jpg").write_bytes(b"mine")
    before = content(outside)
    command = ("synth", outside / "project", "--scenes", "1", "--views", "2", "--size", "32", "-w")
    assert "is not a scene written by ilrm" in ilrm(*command).sentence
    assert content(outside) == before
    shutil.rmtree(mine)
    assert ilrm(*command).status == 0
    assert ilrm(*command).status == 0


def test_export_and_replay_replace_no_link(outside, made):
    scene, _ = made
    link = outside / "project" / "copy.ply"
    link.symlink_to(outside / "mine.ply")
    (outside / "mine.ply").write_bytes(b"mine")
    for command in (("export", scene, "-o", link, "-w"), ("replay", scene, "-o", link, "-w")):
        assert "is a link" in ilrm(*command).sentence
    assert (outside / "mine.ply").read_bytes() == b"mine"


def test_frames_replace_only_frames_of_ours_and_all_of_those(outside, made, tmp_path):
    """Photos that other tools number alike are not known from any record."""
    photos = outside / "project" / "numbered"
    photos.mkdir()
    for number in range(3):
        Image.new("RGB", (8, 8)).save(photos / f"{number:04d}.png")
    before = content(outside)
    film = ("render", made[0], "--size", "32x24", "--fps", "4", "-w", "-o")
    assert "was not written by ilrm" in ilrm(*film, photos, "--seconds", "1").sentence
    assert "was not written by ilrm" in ilrm(*film, photos / ".." / "numbered", "--seconds", "1").sentence
    Image.new("RGB", (8, 8)).save(photos / "one.png")
    before = content(outside)
    assert ilrm(*film, photos / "one.png", "--seconds", "1").status == 0, "frames are called one_0000.png and so on"
    assert content(outside)["project/numbered/one.png"] == before["project/numbered/one.png"]
    for seconds, frames in (("2", 8), ("1", 4)):
        assert ilrm(*film, tmp_path / "frames", "--seconds", seconds).status == 0
        assert len(list((tmp_path / "frames").iterdir())) == frames


def test_pictures_are_not_put_among_input_photos(outside, tmp_path):
    folder = outside / "project"
    shutil.copytree(SAMPLES / "posed", folder, dirs_exist_ok=True)
    before = content(outside)
    for trace in (folder / "images", folder / "images" / "trace.png"):
        outcome = ilrm("reconstruct", folder, "-o", tmp_path / "out.ply", "--trace", trace, *SMALL)
        assert "would be taken for photos" in outcome.sentence
    assert content(outside) == before
