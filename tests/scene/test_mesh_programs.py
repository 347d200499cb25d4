"""Meshes as other programs take them: Blender's importers, and the validator of the Khronos Group.

Blender is the module bpy of this Python, or of the Python that ILRM_TEST_BLENDER names, since it brings its own
libraries. The validator is what `make test-formats` installs.
"""

import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
import trimesh

from ilrm_cli.geometry.meshes import Mesh, Texture
from ilrm_cli.scene.formats.mesh import encode_mesh, encode_painted_obj

VALIDATOR = Path(__file__).parents[2] / ".npm/node_modules/gltf-validator/index.js"
BLENDER = os.environ.get("ILRM_TEST_BLENDER") or (sys.executable if find_spec("bpy") else None)
COLOR = (0.8, 0.4, 0.1)  # sRGB
LINEAR = (0.604, 0.133, 0.010)  # the same light as glTF and Blender count it
IMPORT = """
import bpy, bmesh, json, sys
bpy.ops.wm.read_factory_settings(use_empty=True)
file = sys.argv[-1]
suffix = file.rsplit(".", 1)[1]
if suffix == "glb":
    bpy.ops.import_scene.gltf(filepath=file)
else:
    getattr(bpy.ops.wm, suffix + "_import")(filepath=file)
(one,) = [thing for thing in bpy.data.objects if thing.type == "MESH"]
solid = bmesh.new()
solid.from_mesh(one.data)
layers = one.data.color_attributes
color = list(layers[0].data[0].color)[:3] if len(layers) else None
told = {"faces": len(one.data.polygons), "volume": solid.calc_volume(signed=True), "color": color}
told["images"] = {image.name: list(image.size) for image in bpy.data.images if image.filepath}
told["uvs"] = [list(at.uv) for at in one.data.uv_layers[0].data[:3]] if one.data.uv_layers else None
print("TOLD" + json.dumps(told))
"""
VALIDATE = """
const { validateBytes } = require(process.argv[1]);
const bytes = new Uint8Array(require("fs").readFileSync(process.argv[2]));
validateBytes(bytes).then((report) => console.log(JSON.stringify(report.issues)));
"""


def ball() -> Mesh:
    """Return a closed ball of radius 2, in one colour."""
    made = trimesh.creation.icosphere(subdivisions=4, radius=2.0)
    mesh = Mesh.from_triangles(torch.from_numpy(made.vertices).float(), torch.from_numpy(made.faces).long())
    return replace(mesh, colors=torch.tensor(COLOR).repeat(len(mesh.vertices), 1))


needs_blender = pytest.mark.skipif(BLENDER is None, reason="no Blender: pip install bpy, or name a Python that has it")


def imported(file: Path) -> dict[str, Any]:
    """Return what Blender finds in a file."""
    done = subprocess.run([str(BLENDER), "-c", IMPORT, str(file)], capture_output=True, text=True, check=True)
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("TOLD")]
    return json.loads(line.removeprefix("TOLD"))


@pytest.mark.slow
@needs_blender
@pytest.mark.parametrize("suffix", [".glb", ".ply", ".obj", ".stl"])
def test_blender_imports_a_solid_of_the_same_volume_and_colour(tmp_path: Path, suffix: str) -> None:
    file, mesh = tmp_path / f"ball{suffix}", ball()
    file.write_bytes(encode_mesh(mesh, suffix))
    told = imported(file)
    assert told["faces"] == len(mesh.triangles)
    assert told["volume"] == pytest.approx(mesh.volume, rel=1e-4)
    assert told["volume"] == pytest.approx(32 * math.pi / 3, rel=0.01)
    if suffix == ".stl":
        assert told["color"] is None
    else:
        assert told["color"] == pytest.approx(LINEAR, abs=0.01)


@pytest.mark.slow
@needs_blender
def test_blender_finds_the_texture_of_a_painted_obj(tmp_path: Path) -> None:
    mesh = ball()
    uvs = mesh.vertices[:, :2] / 4 + 0.5
    painted = replace(mesh, texture=Texture(uvs, torch.rand(3, 24, 32)))
    names = ("ball.obj", "ball.mtl", "ball_texture.png")
    for name, content in zip(names, encode_painted_obj(painted, *names[1:]), strict=True):
        (tmp_path / name).write_bytes(content)
    told = imported(tmp_path / names[0])
    assert told["images"] == {names[2]: [32, 24]}
    first = uvs[mesh.triangles[0]] * torch.tensor([1, -1]) + torch.tensor([0, 1])  # Blender's go up
    assert torch.tensor(told["uvs"]) == pytest.approx(first, abs=1e-4)


@pytest.mark.reference
def test_the_validator_of_gltf_finds_nothing_to_object_to(tmp_path: Path) -> None:
    if not VALIDATOR.is_file():
        pytest.skip("the validator is not here; run make test-formats")
    file = tmp_path / "ball.glb"
    file.write_bytes(encode_mesh(ball(), ".glb"))
    done = subprocess.run(
        ["node", "-e", VALIDATE, str(VALIDATOR), str(file)], capture_output=True, text=True, check=True
    )
    issues = json.loads(done.stdout)
    assert (issues["numErrors"], issues["numWarnings"]) == (0, 0), issues["messages"]
