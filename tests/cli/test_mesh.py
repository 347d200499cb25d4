"""`ilrm mesh`: a scene becomes a mesh that other programs open, and what cannot be one is told in a sentence."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import trimesh
from scipy.spatial import KDTree

from ilrm_cli.runtime.errors import InputError
from ilrm_cli.scene.checks import check_mesh_output, material_files
from ilrm_cli.scene.files import decode_scene, encode_scene
from ilrm_cli.scene.formats.scene_file import SceneFile
from tests.support.command_line import ilrm
from tests.support.splats import splats

KEYS = {
    "command", "status", "output", "files", "bytes", "vertices", "triangles", "triangles_found",
    "triangles_of_islands", "cell", "cells", "views", "outside", "covered", "closed", "area", "volume", "y_up",
    "texture_px", "warnings",
}  # fmt: skip
SMALL = ("--resolution", "40")


@pytest.fixture(autouse=True)
def small_maps(monkeypatch):
    monkeypatch.setattr("ilrm_cli.pipeline.mesh.LONG_SIDE_PX", 96)


def mesh_of(scene: Path, output: Path, *more: object) -> trimesh.Trimesh:
    outcome = ilrm("mesh", scene, "-o", output, *SMALL, *more)
    assert outcome.status == 0, outcome.err
    return trimesh.load(output, process=False, force="mesh")


def test_json(made, tmp_path):
    outcome = ilrm("mesh", made[0], "-o", tmp_path / "m.ply", *SMALL, "--json")
    assert outcome.status == 0, outcome.err
    assert set(outcome.json) == KEYS
    mesh = trimesh.load(tmp_path / "m.ply", process=False)
    assert len(mesh.faces) == outcome.json["triangles"] > 100
    assert mesh.area == pytest.approx(outcome.json["area"], rel=1e-4)
    assert outcome.json["volume"] is None
    assert outcome.json["bytes"] == (tmp_path / "m.ply").stat().st_size
    assert not outcome.json["y_up"]


def test_it_lies_where_the_scene_lies_and_has_its_colours(made, tmp_path):
    mesh = mesh_of(made[0], tmp_path / "m.ply")
    distance = KDTree(decode_scene(made[0]).gaussians.means.numpy()).query(mesh.vertices)[0]
    assert np.median(distance) < 0.02 * np.linalg.norm(mesh.extents)
    assert np.asarray(mesh.visual.vertex_colors)[:, :3].std() > 10


def test_all_formats_hold_the_same_mesh_and_glb_stands_upright(made, tmp_path):
    ply = mesh_of(made[0], tmp_path / "m.ply")
    obj, stl, glb = (mesh_of(made[0], tmp_path / f"m.{suffix}") for suffix in ("obj", "stl", "glb"))
    for other in (obj, stl, glb):
        assert other.area == pytest.approx(ply.area, rel=1e-3)
        assert len(other.faces) == len(ply.faces)
    assert np.allclose(obj.bounds, ply.bounds, atol=1e-3)
    assert np.allclose(stl.bounds, ply.bounds, atol=1e-3)
    up = np.array(json.loads(made[0].with_suffix(".json").read_text())["up"])
    heights, standing = ply.vertices @ up, glb.vertices[:, 1]
    assert np.allclose([np.ptp(heights), heights.min()], [np.ptp(standing), standing.min()], atol=1e-3)


def test_watertight_is_what_another_library_calls_so(made, tmp_path):
    mesh = mesh_of(made[0], tmp_path / "m.stl", "--watertight")
    mesh.merge_vertices()
    assert mesh.is_watertight
    said = ilrm("mesh", made[0], "-o", tmp_path / "n.ply", *SMALL, "--watertight")
    assert "closed, of volume" in said.out


def test_a_texture_is_painted_from_the_scene(made, tmp_path):
    outcome = ilrm("mesh", made[0], "-o", tmp_path / "m.glb", *SMALL, "--texture", "--faces", "2000", "--json")
    assert outcome.status == 0, outcome.err
    mesh = trimesh.load(tmp_path / "m.glb", force="mesh", process=False)
    assert len(mesh.faces) <= 2000
    assert mesh.visual.kind == "texture"
    assert list(mesh.visual.material.baseColorTexture.size) == outcome.json["texture_px"]
    plain = mesh_of(made[0], tmp_path / "n.ply", "--faces", "2000")
    by_image = np.asarray(mesh.visual.to_color().vertex_colors)[:, :3].mean(0)
    assert np.abs(by_image - np.asarray(plain.visual.vertex_colors)[:, :3].mean(0)).max() < 15
    refused = ilrm("mesh", made[0], "-o", tmp_path / "m.stl", "--texture")
    assert (refused.status, (tmp_path / "m.stl").exists()) == (1, False)
    assert "--texture needs a .glb or .obj file" in refused.sentence


def test_a_painted_obj_names_its_material_and_that_its_texture(made, tmp_path):
    words = ("mesh", made[0], "-o", tmp_path / "my mesh.obj", *SMALL, "--texture", "--faces", "2000", "--json")
    outcome = ilrm(*words)
    assert outcome.status == 0, outcome.err
    names = ["my mesh.obj", *(path.name for path in material_files(Path("my mesh.obj")))]
    assert re.fullmatch(r"my_mesh_[0-9a-f]{8}\.mtl", names[1])
    assert [Path(path).name for path in outcome.json["files"]] == names
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    assert outcome.json["bytes"] == sum((tmp_path / name).stat().st_size for name in names)
    mesh = trimesh.load(tmp_path / names[0], force="mesh", process=False)
    assert list(mesh.visual.material.image.size) == outcome.json["texture_px"]
    glb = tmp_path / "m.glb"
    assert ilrm("mesh", made[0], "-o", glb, *SMALL, "--texture", "--faces", "2000").status == 0
    colors = [
        np.asarray(one.visual.to_color().vertex_colors)[:, :3].astype(float)
        for one in (mesh, trimesh.load(glb, force="mesh", process=False))
    ]
    assert np.abs(colors[0] - colors[1]).mean() < 5, "the same places of the same image, which is a JPEG in the .glb"
    assert "exists; pass -w" in ilrm(*words).sentence
    assert ilrm(*words, "-w").status == 0


def test_a_texture_replaces_nobodys_picture(made, tmp_path):
    picture = tmp_path / "m_texture.png"
    picture.write_bytes(b"a photo")
    words = ("mesh", made[0], "-o", tmp_path / "m.obj", *SMALL, "--texture", "-w")
    assert f"{picture} is not ours; give the mesh another name." in ilrm(*words).sentence
    assert [path.name for path in tmp_path.iterdir()] == [picture.name]
    assert picture.read_bytes() == b"a photo"


@pytest.mark.parametrize(
    ("mesh", "material", "ours"),
    [
        ("# made by ilrm\nmtllib m.mtl\n", "# made by ilrm\nnewmtl painted\n", True),
        ("# made by ilrm\nv 0 0 0\n", "# made by ilrm\nnewmtl painted\n", False),  # was not painted
        ("mtllib m.mtl\n", "newmtl somebodys\n", False),
        ("mtllib m.mtl2\n", "# made by ilrm\n", False),
    ],
)
@pytest.mark.parametrize("overwrite", [True, False])
def test_what_lies_beside_a_mesh_is_replaced_only_if_it_belongs_to_it(tmp_path, mesh, material, ours, overwrite):
    for name, content in (("m.obj", mesh), ("m.mtl", material), ("m_texture.png", "a picture")):
        (tmp_path / name).write_text(content)
    if ours and overwrite:
        check_mesh_output(tmp_path / "m.obj", tmp_path / "s.ply", overwrite, painted=True)
        return
    with pytest.raises(InputError, match=r"m.mtl is not ours; give" if overwrite else r"m.obj exists; pass -w"):
        check_mesh_output(tmp_path / "m.obj", tmp_path / "s.ply", overwrite, painted=True)
    check_mesh_output(tmp_path / "m.obj", tmp_path / "s.ply", True)


def test_names_outside_ascii_have_materials_of_their_own():
    named = [material_files(Path(f"{stem}.obj")) for stem in ("房", "屋", "a b", "a_b")]
    assert len({path.name for pair in named for path in pair}) == 8
    assert all(path.name.isascii() and " " not in path.name for pair in named for path in pair)
    assert named[3][0].name == "a_b.mtl"


def test_reconstruct_writes_one_too(made, posed, tmp_path):
    words = ("--views", "3", "--size", "64", "--quality", "draft", "--no-auto-scale", "--mesh", tmp_path / "m.glb")
    outcome = ilrm("reconstruct", posed, "-o", tmp_path / "s.ply", *words)
    assert outcome.status == 0, outcome.err
    assert f"Mesh: {tmp_path / 'm.glb'}" in outcome.out
    assert len(trimesh.load(tmp_path / "m.glb", force="mesh").faces) > 100


def test_a_report_is_written_even_where_no_surface_is_found(posed, tmp_path, monkeypatch):
    def nothing(*_):
        raise InputError("no surface was found.")

    monkeypatch.setattr("ilrm_cli.pipeline.export_mesh.write_mesh", nothing)
    words = ("--views", "3", "--size", "64", "--quality", "draft", "--no-auto-scale", "--mesh", tmp_path / "m.glb")
    reports = ("--report", tmp_path / "r.html", "--report", tmp_path / "r.json")
    outcome = ilrm("reconstruct", posed, "-o", tmp_path / "s.ply", *words, *reports)
    assert "no surface was found" in outcome.sentence
    assert "The mesh" not in (tmp_path / "r.html").read_text()
    assert json.loads((tmp_path / "r.json").read_text())["mesh"] is None


def test_mistakes_are_one_sentence_and_nothing_is_written(made, tmp_path):
    scene = tmp_path / "scene.ply"
    shutil.copy(made[0], scene)
    bare = tmp_path / "bare.ply"
    bare.write_bytes(encode_scene(SceneFile(splats(50, 1)), ".ply"))
    before = sorted(path.name for path in tmp_path.iterdir())
    assert "meshes are written as .glb" in ilrm("mesh", scene, "-o", tmp_path / "m.fbx").sentence
    assert "is the scene itself" in ilrm("mesh", scene, "-o", scene, "-w").sentence
    around = tmp_path / ".." / tmp_path.name / "scene.ply"
    assert "is the scene itself" in ilrm("mesh", around, "-o", scene, "-w").sentence
    assert "does not exist" in ilrm("mesh", tmp_path / "none.ply", "-o", tmp_path / "m.ply").sentence
    assert "has no cameras" in ilrm("mesh", bare, "-o", tmp_path / "m.ply").sentence
    assert "1,2 is neither seen nor subject" in ilrm("mesh", scene, "-o", tmp_path / "m.ply", "--crop", "1,2").err
    assert (
        "no surface was found"
        in ilrm("mesh", made[0], "-o", tmp_path / "m.ply", "--crop", "90,90,90,91,91,91").sentence
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == before
