"""One photo of an object becomes a scene and a mesh, by a model that needs no poses."""

import json
import struct
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import trimesh
from PIL import Image

from ilrm_cli.capture.photos.cut_out import read_cut_out
from ilrm_cli.models.checkpoint import encode_model
from ilrm_cli.pipeline.export_mesh import require_for_mesh
from ilrm_cli.pipeline.object_photo import without_fit
from ilrm_cli.pipeline.settings import Settings, option_of
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.scene.files import decode_scene
from tests.cli.conftest import SAMPLES
from tests.support.command_line import ilrm
from tests.support.small_triposr import small_triposr

CELLS = 24


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    monkeypatch.setattr("ilrm_cli.render.surface.RESOLUTION", CELLS)
    weights, config = encode_model(small_triposr())
    (tmp_path / "tiny.safetensors").write_bytes(weights)
    (tmp_path / "tiny.json").write_bytes(config)
    return tmp_path / "tiny.safetensors"


@pytest.fixture
def chair(tmp_path):
    """Return a photo with transparency around a block."""
    pixels = np.zeros((60, 50, 4), np.uint8)
    pixels[10:50, 15:40] = (200, 120, 60, 255)
    (tmp_path / "photos").mkdir()
    Image.fromarray(pixels).save(tmp_path / "photos" / "chair.png")
    return tmp_path / "photos" / "chair.png"


def made(tiny, chair, tmp_path, *more):
    return ilrm("reconstruct", chair, "--model", tiny, "-o", tmp_path / "chair.ply", "--json", *more)


def test_one_photo_becomes_a_scene_a_mesh_and_a_report(tiny, chair, tmp_path):
    mesh, report = tmp_path / "chair_mesh.glb", tmp_path / "report.html"
    outcome = made(tiny, chair, tmp_path, "--mesh", mesh, "--report", report)
    assert outcome.status == 0, outcome.err
    field = outcome.json["field"]
    assert field["views"] == 4
    assert field["psnr"] > 8
    assert f"{field['psnr']:.1f} dB, from 4 sides" in outcome.json["verdict"]
    assert outcome.json["views"]["used"] == ["chair.png"]
    assert len(decode_scene(tmp_path / "chair.ply").gaussians) == outcome.json["gaussians"] > 100
    content = mesh.read_bytes()
    length = struct.unpack_from("<I", content, 12)[0]
    gltf = json.loads(content[20 : 20 + length])
    assert gltf["accessors"][3]["count"] == 3 * field["triangles"]
    assert set(gltf["meshes"][0]["primitives"][0]["attributes"]) == {"POSITION", "NORMAL", "COLOR_0"}
    assert "chair.png" in report.read_text()
    assert ", the mesh's relief" in report.read_text()
    assert outcome.json["mesh"] == str(mesh)
    record = json.loads((tmp_path / "chair.json").read_text())
    assert record["up"] == pytest.approx([0, 0, 1], abs=1e-6)
    assert record["settings"]["quality"] == "draft"
    again = ilrm("replay", tmp_path / "chair.ply", "--json")
    assert again.json["identical"], again.err
    film = ilrm("render", tmp_path / "chair.ply", "-o", tmp_path / "film.gif", "--size", "32x32", "--seconds", "0.5")
    assert film.status == 0, film.err


def test_a_glb_of_an_object_is_its_mesh_and_the_scene_lies_beside_it(tiny, chair, tmp_path):
    asked = ("reconstruct", chair, "--model", tiny, "-o", tmp_path / "chair.glb")
    outcome = ilrm(*asked)
    assert outcome.status == 0, outcome.err
    assert "chair.ply" in outcome.out
    assert "Mesh: " in outcome.out
    mesh = trimesh.load(tmp_path / "chair.glb", force="mesh", process=False)
    assert len(decode_scene(tmp_path / "chair.ply").gaussians) == len(mesh.vertices)
    assert "chair.ply" in ilrm(*asked).sentence  # nothing is replaced without -w
    again = ilrm(*asked, "-w", "--json")
    assert not [said for said in again.json["warnings"] if "chair.glb" in said]  # its own mesh of before
    with_both = ilrm(*asked, "-w", "--mesh", tmp_path / "solid.stl")
    assert with_both.status == 0, with_both.err
    solid = trimesh.load(tmp_path / "solid.stl")
    assert len(solid.faces) == len(mesh.faces)
    assert mesh.extents == pytest.approx(solid.extents[[1, 2, 0]], rel=1e-3)  # y is up in it, z in the scene
    assert len(decode_scene(tmp_path / "chair.glb").gaussians) == len(mesh.vertices)


def test_what_only_a_fit_has_is_refused_for_one_photo(tiny, chair, tmp_path):
    assert "--no-use-all is for several photos" in made(tiny, chair, tmp_path, "--no-use-all").sentence
    assert (
        "--preview shows a fit to several photos"
        in made(tiny, chair, tmp_path, "--preview", tmp_path / "p.jpg").sentence
    )
    assert made(tiny, chair, tmp_path).status == 0
    again = ilrm("refine", tmp_path / "chair.ply", "-o", tmp_path / "further.ply")
    assert "chair.ply was made from a single photo, and a fit takes several" in again.sentence


@pytest.mark.parametrize("suffix", [".ply", ".obj", ".stl"])
def test_meshes_of_other_formats(tiny, chair, tmp_path, suffix):
    mesh = tmp_path / f"chair_mesh{suffix}"
    outcome = made(tiny, chair, tmp_path, "--mesh", mesh)
    assert outcome.status == 0, outcome.err
    if suffix == ".obj":
        lines = mesh.read_text().splitlines()
        assert sum(line.startswith("f ") for line in lines) == outcome.json["field"]["triangles"]
        assert max(int(part.split("//")[0]) for part in lines[-1].split()[1:]) <= outcome.json["gaussians"]
    elif suffix == ".stl":
        assert mesh.stat().st_size == 84 + 50 * outcome.json["field"]["triangles"]
    else:
        assert f"element face {outcome.json['field']['triangles']}\n".encode() in mesh.read_bytes()


def test_a_mask_cuts_out(tiny, chair, tmp_path):
    Image.open(chair).convert("RGB").save(chair)
    mask = np.zeros((60, 50), np.uint8)
    mask[10:50, 15:40] = 255
    (chair.parent / "masks").mkdir()
    Image.fromarray(mask).save(chair.parent / "masks" / "chair.png")
    assert made(tiny, chair, tmp_path).status == 0


def test_rembg_cuts_out_where_it_is_installed(tiny, chair, tmp_path, monkeypatch):
    Image.open(chair).convert("RGB").save(chair)
    monkeypatch.setitem(sys.modules, "rembg", None)
    assert "pip install 'ilrm[cutout]'" in made(tiny, chair, tmp_path).sentence
    seen = []

    def remove(photo):
        seen.append(photo.mode)
        photo.putalpha(Image.new("L", photo.size, 255))
        return photo

    monkeypatch.setitem(sys.modules, "rembg", SimpleNamespace(remove=remove))
    assert made(tiny, chair, tmp_path).status == 0
    assert seen == ["RGB"]


@pytest.mark.parametrize(
    "option",
    [
        {"views": 4},
        {"long_side_px": 64},
        {"poses": "sfm"},
        {"camera": "PINHOLE"},
        {"hold_out": 3},
        {"minutes": 1.0},
        {"fit_side_px": 800},
        {"refine_poses": "on"},
        {"geometry": True},
        {"use_all": False},
        {"auto_scale": True},
        {"fps": 2.0},
        {"max_frames": 9},
    ],
)
def test_what_is_asked_of_several_photos_is_refused(option):
    (name,) = option
    words = option_of(name if option[name] else f"no_{name}")
    with pytest.raises(InputError, match=f"{words} is for several photos"):
        without_fit(Settings(**option))


@pytest.mark.parametrize("failure", [OSError("no\nnetwork"), SystemExit(1), ValueError("odd")])
def test_where_rembg_fails_a_sentence_says_so(chair, monkeypatch, failure):
    def remove(photo):
        raise failure

    Image.open(chair).convert("RGB").save(chair)
    monkeypatch.setitem(sys.modules, "rembg", SimpleNamespace(remove=remove))
    steps = []
    with pytest.raises(InputError, match="rembg found no object in it") as caught:
        read_cut_out(chair, None, steps.append)
    assert "\n" not in str(caught.value)
    assert "downloads its network" in steps[0].stage


def test_a_mesh_of_gaussians_needs_libraries_that_one_of_a_field_does_not(tiny, monkeypatch):
    monkeypatch.setattr("ilrm_cli.pipeline.mesh.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'ilrm\[mesh\]'"):
        require_for_mesh("default")
    require_for_mesh(str(tiny))


def test_what_it_cannot_do_is_said_in_one_sentence(tiny, chair, tmp_path):
    assert "leave it out" in made(tiny, chair, tmp_path, "--quality", "high").sentence
    assert "leave it out" in made(tiny, chair, tmp_path, "--refine", "3").sentence
    assert "cannot be traced" in made(tiny, chair, tmp_path, "--trace", tmp_path / "t.png").sentence
    assert "meshes are written as .glb" in made(tiny, chair, tmp_path, "--mesh", tmp_path / "m.fbx").sentence
    assert "is the scene itself" in made(tiny, chair, tmp_path, "--mesh", tmp_path / "chair.ply").sentence
    several = ilrm("reconstruct", SAMPLES / "posed", "--model", tiny, "-o", tmp_path / "s.ply")
    assert "takes one photo of an object" in several.sentence
    alone = ilrm("reconstruct", chair, "-o", tmp_path / "s.ply")
    assert "three that overlap are the least" in alone.sentence
    judged = ilrm("evaluate", SAMPLES / "posed", "--model", tiny, "--views", "2")
    assert (judged.status, "takes one photo of an object" in judged.err) == (1, True)
    assert not list(tmp_path.glob("s.*"))
