"""Scenes that are fields, `.ilrm`: made, filmed, scored, exported, meshed and made again."""

import json

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from ilrm_cli.capture.photos.folder import open_folder
from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.pipeline.field_match import placed
from ilrm_cli.pipeline.reconstruct import reconstruct
from ilrm_cli.pipeline.settings import Settings
from ilrm_cli.render.metrics import score_of
from ilrm_cli.render.rasterize import pixels_of
from ilrm_cli.render.volume import draw
from ilrm_cli.scene.files import decode_scene
from tests.cli.conftest import SAMPLES
from tests.support.command_line import ilrm
from tests.support.family import saved
from tests.support.small_fields import small_network

CELLS = 16
POSED = SAMPLES / "posed"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with a photo that is cut out, and a scene that is a field of two posed photos."""
    folder = tmp_path_factory.mktemp("fields")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ilrm_cli.render.surface.RESOLUTION", CELLS)
        for name in ("triposr", "pixelnerf"):
            saved(small_network(name), folder, name)
        pixels = np.zeros((60, 50, 4), np.uint8)
        pixels[10:50, 15:40] = (200, 120, 60, 255)
        (folder / "photos").mkdir()
        Image.fromarray(pixels).save(folder / "photos" / "chair.png")
        words = ("--model", folder / "triposr.safetensors", "-o", folder / "chair.ilrm", "--json")
        made = ilrm("reconstruct", folder / "photos" / "chair.png", *words, "--report", folder / "chair.html")
        assert made.status == 0, made.err
        (folder / "chair.out").write_text(json.dumps(made.json))
        words = ("--model", folder / "pixelnerf.safetensors", "-o", folder / "posed.ilrm", "--json")
        chosen = ("--views", "2", "--no-auto-scale", "--report", folder / "report.json")
        made = ilrm("reconstruct", POSED, *words, *chosen)
        assert made.status == 0, made.err
        (folder / "posed.out").write_text(json.dumps(made.json))
    return folder


@pytest.fixture(autouse=True)
def coarse(monkeypatch):
    monkeypatch.setattr("ilrm_cli.render.surface.RESOLUTION", CELLS)


def told(folder, name):
    return json.loads((folder / f"{name}.out").read_text())


def test_the_field_and_its_gaussians_are_in_the_file(folder):
    made, file = told(folder, "chair"), decode_scene(folder / "chair.ilrm")
    assert file.field.stored.architecture == "triposr"
    assert file.field.model["name"] == "triposr.safetensors"
    assert len(file.gaussians) == made["gaussians"]
    assert made["round_trip"]["psnr"] == 100
    record = json.loads((folder / "chair.json").read_text())
    assert (record["scene_suffix"], record["settings"]["quality"]) == (".ilrm", "draft")
    assert "chair.png" in (folder / "chair.html").read_text()


def test_what_is_scored_is_the_field(folder):
    settings = Settings(model=str(folder / "pixelnerf.safetensors"), views=2, quality="draft", auto_scale=False)
    result = reconstruct(open_folder(POSED), settings, as_field=True)
    targets, sampled = result.prepared.targets, result.prediction.sampled
    shown = draw(sampled.drawn, targets.cameras[[0]]).color[0]
    assert torch.equal(result.score.views[0].render, shown)
    assert result.score.psnr == pytest.approx(told(folder, "posed")["held_out"]["psnr"])
    plain = reconstruct(open_folder(POSED), settings)
    assert plain.score.psnr == pytest.approx(score_of(plain.gaussians, targets).psnr)
    assert plain.score.psnr != result.score.psnr
    record = json.loads((folder / "posed.json").read_text())
    assert record["scores"]["psnr"] == pytest.approx(result.score.psnr)
    assert record["background"] == [1, 1, 1]


def test_a_film_of_it_shows_the_field(folder, tmp_path):
    words = ("--size", "32x32", "--seconds", "0.2", "--channels", "rgb,depth,alpha", "--save-path", tmp_path / "p.json")
    film = ilrm("render", folder / "chair.ilrm", "-o", tmp_path / "film", *words, "--json")
    assert film.status == 0, film.err
    assert film.json["renderer"] == "volume"
    assert any("is a field" in said for said in film.json["warnings"])
    frames = sorted((tmp_path / "film").iterdir())
    assert len(frames) == film.json["frames"]
    picture = np.asarray(Image.open(frames[0]))
    assert picture.shape[:2] == (32, 96)
    shown = placed(folder / "chair.ilrm", decode_scene(folder / "chair.ilrm").field, torch.device("cpu"))
    pose = np.array(json.loads((tmp_path / "p.json").read_text())["camera_path"][0]["camera_to_world"]).reshape(4, 4)
    fov = json.loads((tmp_path / "p.json").read_text())["camera_path"][0]["fov"]
    focal = torch.full((1, 2), 16 / np.tan(np.radians(fov) / 2))
    world = torch.from_numpy(pose @ np.diag([1.0, -1, -1, 1]))[None]
    camera = Cameras(world, focal.double(), torch.full((1, 2), 16.0).double(), 32, 32)
    assert np.abs(picture[:, :32].astype(int) - pixels_of(draw(shown, camera).color[0])).max() <= 2


def test_without_a_size_it_is_small(folder, tmp_path):
    film = ilrm("render", folder / "posed.ilrm", "-o", tmp_path / "film", "--seconds", "0.05", "--json")
    assert film.status == 0, film.err
    assert max(film.json["width"], film.json["height"]) == 256


@pytest.mark.parametrize("suffix", [".ply", ".spz", ".html"])
def test_its_gaussians_are_exported_and_compared_with_it(folder, tmp_path, suffix):
    done = ilrm("export", folder / "chair.ilrm", "-o", tmp_path / f"chair{suffix}", "--json")
    assert done.status == 0, done.err
    assert done.json["field"]["psnr"] == pytest.approx(told(folder, "chair")["field"]["psnr"], abs=0.05)
    assert done.json["field"]["views"] == 4
    if suffix == ".ply":
        assert len(decode_scene(tmp_path / "chair.ply").gaussians) == done.json["gaussians"]
        assert ilrm("export", tmp_path / "chair.ply", "-o", tmp_path / "b.spz", "--json").json["field"] is None
    words = ilrm("export", folder / "chair.ilrm", "-o", tmp_path / f"again{suffix}").out
    assert "PSNR against its Gaussians in 1 view" in words
    assert f"They show the field with {done.json['field']['psnr']:.1f} dB, in 4 views." in words


def test_its_mesh_is_its_surface(folder, tmp_path):
    triangles = told(folder, "chair")["field"]["triangles"]
    done = ilrm("mesh", folder / "chair.ilrm", "-o", tmp_path / "a.ply", "--json")
    assert done.status == 0, done.err
    assert (done.json["triangles"], done.json["views"]) == (triangles, 0)
    mesh = trimesh.load(tmp_path / "a.ply", process=False)
    assert np.abs(mesh.vertices - decode_scene(folder / "chair.ilrm").gaussians.means.numpy()).max() < 1e-5
    few = ilrm("mesh", folder / "chair.ilrm", "-o", tmp_path / "b.ply", "--faces", "300")
    assert few.status == 0, few.err
    assert "It is the surface of the field." in few.out
    thin = trimesh.load(tmp_path / "b.ply", process=False)
    assert len(thin.faces) < 400
    assert thin.visual.vertex_colors[:, :3].std(0).max() > 1  # as colourful as the whole
    (folder / "chair.json").rename(tmp_path / "chair.json")
    alone = ilrm("mesh", folder / "chair.ilrm", "-o", tmp_path / "c.glb")
    (tmp_path / "chair.json").rename(folder / "chair.json")
    assert alone.status == 0, alone.err


def test_other_commands_take_its_gaussians(folder, tmp_path):
    again = ilrm("replay", folder / "posed.ilrm", "--json")
    assert again.json["identical"], again.err
    other = ilrm("replay", folder / "chair.ilrm", "-o", tmp_path / "c.ply")
    assert "the recorded scene is a .ilrm file" in other.sentence
    depth = ilrm("export", folder / "posed.ilrm", "-o", tmp_path / "depth", "--json")
    assert depth.status == 0, depth.err
    photos = told(folder, "posed")["views"]["used"]
    apart = ilrm("measure", folder / "posed.ilrm", *photos, "--json")
    assert apart.json["units"] > 0, apart.err


def test_evaluate_scores_the_field_of_a_model(folder, tmp_path):
    words = ("--model", folder / "pixelnerf.safetensors", "--views", "2", "--no-baselines", "--json")
    done = ilrm("evaluate", POSED, *words, "-o", tmp_path / "scores")
    assert done.status == 0, done.err
    assert done.json["scenes"][0]["trials"][0]["psnr"] > 3


def test_what_cannot_be_is_said_in_one_sentence(folder, tmp_path):
    photo, tiny = folder / "photos" / "chair.png", folder / "triposr.safetensors"
    field, ply = tmp_path / "f.ilrm", tmp_path / "f.ply"
    made = ("reconstruct", POSED, "-o", field)
    assert "the model default predicts Gaussians and no field" in ilrm(*made).sentence
    ours = saved(small_network("triposr"), tmp_path, "ours")
    assert "--quality high is for Gaussians" in ilrm(*made, "--model", ours, "--quality", "high").sentence
    asked = ("reconstruct", photo, "--model", tiny, "-o", field)
    assert "--confidence is for Gaussians" in ilrm(*asked, "--confidence").sentence
    assert ilrm("export", folder / "chair.ilrm", "-o", ply).status == 0
    assert "a .ilrm keeps a field" in ilrm("export", ply, "-o", field).sentence
    assert "a .ilrm keeps a field" in ilrm("refine", folder / "posed.ilrm", "-o", tmp_path / "g.ilrm").sentence
    assert "a .ilrm keeps a field" in ilrm("batch", POSED, "-o", tmp_path / "{name}.ilrm").sentence
    for option in (("--texture",), ("--watertight",), ("--crop", "subject"), ("--resolution", "64")):
        said = ilrm("mesh", folder / "chair.ilrm", "-o", tmp_path / "m.glb", *option).sentence
        assert f"{option[0]} is for Gaussians" in said
    assert (
        "the size of the scene is not known"
        in ilrm("mesh", folder / "chair.ilrm", "-o", ply, "-w", "--metres").sentence
    )
    assert not field.exists()


def test_a_field_of_another_network_is_refused(folder, tmp_path):
    with safe_open(folder / "chair.ilrm", "pt") as file:
        header = file.metadata()
    parts = load_file(folder / "chair.ilrm") | {"field.planes": torch.zeros(3, 4, 4, 4)}
    save_file(parts, tmp_path / "odd.ilrm", header)
    for command in (("render", "-o", tmp_path / "film.gif"), ("export", "-o", tmp_path / "a.ply")):
        said = ilrm(command[0], tmp_path / "odd.ilrm", *command[1:]).sentence
        assert "holds a field that cannot be drawn" in said
